//! Timelines in documents: what was said, from which day on, oldest first. The first entry has held from the beginning;
//! each later one has the fields that were said of its day, and no others.

use bson::{DateTime, Decimal128};
use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;
use indowater_common::mongo::{from_bson_time, from_decimal128, to_bson_time, to_decimal128};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::domain::registry::timeline::{Dated, Timeline};
use crate::domain::registry::{DeviceType, Exchanged, Period, PeriodPart, Remark, Tenancy, TenancyPart};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TenancyDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff_class: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PeriodDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    register_digits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q3_litres_per_hour: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wraps_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<ExchangeDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExchangeDocument {
    at: DateTime,
    /// m3.
    final_register: Decimal128,
    /// m3.
    initial_register: Decimal128,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RemarkDocument {
    version: i64,
    at: DateTime,
    by: String,
    reason: String,
    what: String,
}

impl TenancyDocument {
    pub(super) fn all(timeline: &Timeline<Tenancy>) -> Vec<Self> {
        let Tenancy { customer_id, tariff_class } = timeline.base().clone();
        let base = TenancyPart { customer_id: Some(customer_id), tariff_class: Some(tariff_class) };
        all(timeline, base, |from, part| Self {
            from,
            customer_id: part.customer_id,
            tariff_class: part.tariff_class,
        })
    }

    /// The timeline; where none is kept, the present has held from the beginning.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn timeline(documents: Vec<Self>, present: Tenancy) -> Result<Timeline<Tenancy>, String> {
        restore(documents, present, |document| {
            let part = TenancyPart { customer_id: document.customer_id, tariff_class: document.tariff_class };
            Ok((document.from, part))
        })
    }
}

impl PeriodDocument {
    pub(super) fn all(timeline: &Timeline<Period>) -> Vec<Self> {
        let base = timeline.base().clone();
        let base = PeriodPart {
            property_id: Some(base.property_id),
            customer_id: Some(base.customer_id),
            tariff_class: Some(base.tariff_class),
            device_type: Some(base.device_type),
            billable: Some(base.billable),
            serial: Some(base.serial),
            ..PeriodPart::of_meter(base.meter)
        };
        all(timeline, base, |from, part| Self {
            from,
            property_id: part.property_id,
            customer_id: part.customer_id,
            tariff_class: part.tariff_class,
            r#type: part.device_type.map(|value| value.name().to_owned()),
            billable: part.billable,
            device_id: part.serial,
            unit: part.unit.map(|unit| unit.name().to_owned()),
            register_digits: part.digits,
            q3_litres_per_hour: part.q3_litres_per_hour,
            wraps_at: part.wraps_at,
            resolution: part.resolution,
            exchange: part.exchange.map(ExchangeDocument::from),
        })
    }

    /// The timeline; where none is kept, the present has held from the beginning.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn timeline(documents: Vec<Self>, present: Period) -> Result<Timeline<Period>, String> {
        restore(documents, present, |document| {
            let unit = document.unit.map(|name| Unit::named(&name).ok_or(name)).transpose()?;
            let device_type = document.r#type.map(|name| DeviceType::named(&name).ok_or(name)).transpose()?;
            let exchange = document.exchange.map(Exchanged::try_from).transpose()?;
            let part = PeriodPart {
                property_id: document.property_id,
                customer_id: document.customer_id,
                tariff_class: document.tariff_class,
                device_type,
                billable: document.billable,
                serial: document.device_id,
                unit,
                digits: document.register_digits,
                q3_litres_per_hour: document.q3_litres_per_hour,
                wraps_at: document.wraps_at,
                resolution: document.resolution,
                exchange,
            };
            Ok((document.from, part))
        })
    }
}

fn all<D: Dated, T>(
    timeline: &Timeline<D>,
    base: D::Part,
    document: impl Fn(Option<String>, D::Part) -> T,
) -> Vec<T> {
    let later = timeline.said().map(|(day, part)| (Some(day.to_string()), part.clone()));
    std::iter::once((None, base)).chain(later).map(|(from, part)| document(from, part)).collect()
}

fn restore<D: Dated, T>(
    documents: Vec<T>,
    present: D,
    part: impl Fn(T) -> Result<(Option<String>, D::Part), String>,
) -> Result<Timeline<D>, String> {
    let mut timeline = Timeline::new(present);
    for document in documents {
        let (from, part) = part(document)?;
        let from = from.map(|text| Day::parse(&text).ok_or(text)).transpose()?;
        timeline.say(from, part);
    }
    Ok(timeline)
}

/// Millilitres in cubic metres.
const SCALE: u32 = 6;

impl From<Exchanged> for ExchangeDocument {
    fn from(exchange: Exchanged) -> Self {
        let cubic_metres = |millilitres| to_decimal128(Decimal::new(millilitres, SCALE));
        Self {
            at: DateTime::from_millis(exchange.at.saturating_mul(1_000)),
            final_register: cubic_metres(exchange.final_millilitres),
            initial_register: cubic_metres(exchange.initial_millilitres),
        }
    }
}

impl TryFrom<ExchangeDocument> for Exchanged {
    type Error = String;

    fn try_from(document: ExchangeDocument) -> Result<Self, String> {
        let millilitres = |value: Decimal128| {
            let counts = from_decimal128(value).and_then(|value| value.checked_mul(Decimal::from(1_000_000)));
            counts.and_then(|counts| counts.to_i64()).ok_or_else(|| value.to_string())
        };
        Ok(Self {
            at: document.at.timestamp_millis().div_euclid(1_000),
            final_millilitres: millilitres(document.final_register)?,
            initial_millilitres: millilitres(document.initial_register)?,
        })
    }
}

impl From<&Remark> for RemarkDocument {
    fn from(remark: &Remark) -> Self {
        let Remark { version, at, by, reason, what } = remark.clone();
        Self { version, at: to_bson_time(at), by, reason, what }
    }
}

impl From<RemarkDocument> for Remark {
    fn from(remark: RemarkDocument) -> Self {
        let RemarkDocument { version, at, by, reason, what } = remark;
        Self { version, at: from_bson_time(at), by, reason, what }
    }
}

/// A timeline with an exchange, for the tests of this folder.
#[cfg(test)]
pub(super) fn example(timeline: &Timeline<Period>) -> Timeline<Period> {
    let mut timeline = timeline.clone();
    let exchange =
        Exchanged { at: 20_000 * 86_400, final_millilitres: 1_204_551_000, initial_millilitres: 12 };
    // Today's meter is the one of the document; the one before was another.
    timeline.say(
        None,
        PeriodPart { serial: Some("SN-0".to_owned()), resolution: Some(10), ..PeriodPart::default() },
    );
    let serial = Some("70B3-D5".to_owned());
    let part =
        PeriodPart { serial, exchange: Some(exchange), billable: Some(false), ..PeriodPart::default() };
    timeline.say(Some(Day(20_000)), part);
    timeline
}
