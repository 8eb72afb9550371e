//! What ingest must know of a device to accept its reads: a lean extract of the registry.

use std::sync::Arc;

use indowater_common::domain::meter::{Meter, Point};

/// The facts of an enrolled device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `devices.id`.
    pub id: Arc<str>,
    /// Where it stands.
    pub property_id: Box<str>,
    /// Whose it is.
    pub customer_id: Box<str>,
    /// IANA name of the property's time zone.
    pub time_zone: Arc<str>,
    /// Tariff class of the property.
    pub tariff_class: Arc<str>,
    /// What its meter can count.
    pub meter: Meter,
    /// When it was installed, seconds since the epoch.
    pub installed_at: i64,
    /// False once it is retired.
    pub active: bool,
    /// Version of the registry entry; the higher one wins.
    pub version: i64,
}

impl Facts {
    /// The meter that stood there at a moment, seconds since the epoch.
    pub const fn meter_at(&self, _at: i64) -> Meter {
        self.meter
    }

    /// The step in which the register of that meter counts, in its unit; 0 where it is not told.
    pub const fn resolution_at(&self, _at: i64) -> u32 {
        0
    }
}

/// An enrolled device and how far its register is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its facts.
    pub facts: Facts,
    /// Its newest read.
    pub last: Option<Point>,
}

/// A change of the registry, told to every partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The identifier on the meter.
    pub device_id: Box<str>,
    /// The device's facts from now on.
    pub facts: Facts,
}

/// A household meter, for the tests of this crate.
#[cfg(test)]
pub(crate) fn example() -> Facts {
    use indowater_common::domain::meter::Unit;

    Facts {
        id: "device-1".into(),
        property_id: "property-1".into(),
        customer_id: "customer-001".into(),
        time_zone: "Asia/Jakarta".into(),
        tariff_class: "household-middle-1".into(),
        meter: Meter { unit: Unit::Litre, digits: 8, q3_litres_per_hour: 2_500 },
        installed_at: 1_700_000_000,
        active: true,
        version: 1,
    }
}
