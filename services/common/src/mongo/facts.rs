//! What the registry said of a device, as it is kept with the device's days.

use std::sync::Arc;

use crate::domain::facts::{BEGINNING, Exchange, Owner, Period};
use crate::domain::meter::Unit;
use crate::domain::step::MeterFacts;
use crate::domain::zone::Day;
use bson::raw::cstr;
use bson::{DateTime, RawDocumentBuf, rawdoc};
use serde::Deserialize;

use super::{seconds, time};

/// The facts of a meter.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredMeter {
    /// Of documents from before registers were kept in millilitres.
    #[serde(default)]
    register_digits: Option<u32>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    wraps_at: Option<i64>,
    #[serde(default)]
    resolution: Option<i64>,
    q3_litres_per_hour: u32,
    /// Version of the registry entry that they are from.
    pub registry_version: i64,
}

impl StoredMeter {
    /// Of a meter.
    pub fn of(meter: &MeterFacts, registry_version: i64) -> Self {
        Self {
            register_digits: None,
            unit: Some(meter.unit.name().to_owned()),
            wraps_at: Some(meter.wraps_at),
            resolution: Some(meter.resolution),
            q3_litres_per_hour: meter.q3_litres_per_hour,
            registry_version,
        }
    }

    /// The facts; `unit` is the document's, which counts where the meter does not say its own.
    pub fn facts(&self, unit: Unit) -> MeterFacts {
        let unit = self.unit.as_deref().and_then(Unit::named).unwrap_or(unit);
        let by_digits = || {
            let counts = 10_i64.checked_pow(self.register_digits.unwrap_or(8));
            unit.millilitres(counts.unwrap_or(i64::MAX))
        };
        MeterFacts {
            unit,
            wraps_at: self.wraps_at.unwrap_or_else(by_digits),
            resolution: self.resolution.unwrap_or(unit.millilitres(1)),
            q3_litres_per_hour: self.q3_litres_per_hour,
        }
    }

    /// As a document.
    pub fn document(&self) -> RawDocumentBuf {
        rawdoc! {
            "unit": self.unit.as_deref().unwrap_or_default(),
            "wraps_at": self.wraps_at.unwrap_or_default(),
            "resolution": self.resolution.unwrap_or_default(),
            "q3_litres_per_hour": i64::from(self.q3_litres_per_hour),
            "registry_version": self.registry_version,
        }
    }
}

/// A period of a timeline.
#[derive(Debug, Deserialize)]
pub struct StoredPeriod {
    /// `YYYY-MM-DD`; none in the first.
    #[serde(default)]
    from: Option<String>,
    customer_id: Box<str>,
    property_id: Box<str>,
    tariff_class: Box<str>,
    billable: bool,
    meter: StoredMeter,
    #[serde(default)]
    exchange: Option<StoredExchange>,
}

#[derive(Debug, Deserialize)]
struct StoredExchange {
    at: DateTime,
    final_register: i64,
    initial_register: i64,
}

impl StoredPeriod {
    /// Of a period.
    pub fn of(period: &Period) -> Self {
        Self {
            from: (period.from != BEGINNING).then(|| period.from.to_string()),
            exchange: period.exchange.map(|exchange| StoredExchange {
                at: time(exchange.at),
                final_register: exchange.final_register,
                initial_register: exchange.initial_register,
            }),
            ..Self::alone((*period.owner).clone(), period.meter)
        }
    }

    /// What holds for all days.
    pub fn alone(owner: Owner, meter: MeterFacts) -> Self {
        let Owner { customer_id, property_id, tariff_class, billable } = owner;
        let meter = StoredMeter::of(&meter, 0);
        Self { from: None, customer_id, property_id, tariff_class, billable, meter, exchange: None }
    }

    /// The period.
    pub fn period(&self) -> Period {
        Period {
            from: self.from.as_deref().and_then(Day::parse).unwrap_or(BEGINNING),
            owner: Arc::new(Owner {
                customer_id: self.customer_id.clone(),
                property_id: self.property_id.clone(),
                tariff_class: self.tariff_class.clone(),
                billable: self.billable,
            }),
            meter: self.meter.facts(Unit::Litre),
            exchange: self.exchange.as_ref().map(|exchange| Exchange {
                at: seconds(exchange.at),
                final_register: exchange.final_register,
                initial_register: exchange.initial_register,
            }),
        }
    }

    /// As a document.
    pub fn document(&self) -> RawDocumentBuf {
        let mut document = rawdoc! {
            "customer_id": &*self.customer_id,
            "property_id": &*self.property_id,
            "tariff_class": &*self.tariff_class,
            "billable": self.billable,
            "meter": self.meter.document(),
        };
        if let Some(from) = &self.from {
            document.append(cstr!("from"), from.as_str());
        }
        if let Some(exchange) = &self.exchange {
            let exchange = rawdoc! {
                "at": exchange.at,
                "final_register": exchange.final_register,
                "initial_register": exchange.initial_register,
            };
            document.append(cstr!("exchange"), exchange);
        }
        document
    }
}
