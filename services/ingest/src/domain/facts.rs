//! What ingest must know of a device to accept its reads and to tell whose they are: a lean extract of the registry.

use std::sync::Arc;

use indowater_common::domain::identifier::key;
use indowater_common::domain::zone::{Day, Zone};

use super::meter::Meter;

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
    /// Whether its water is charged for.
    pub billable: bool,
    /// When it was installed, seconds since the epoch.
    pub installed_at: i64,
    /// False once it is retired.
    pub active: bool,
    /// Version of the registry entry; the higher one wins.
    pub version: i64,
    /// The district metered area of the property, as of now; empty: in none.
    pub area: Arc<str>,
    /// The device whose water it measures a part of, as of now.
    pub parent_device_id: Option<Box<str>>,
    /// What held from when on, oldest first and whole, where it was not always the same; the fields above are the
    /// present then. Empty for most devices: the fields above hold for all days.
    pub history: Box<[Holding]>,
}

/// What holds of a device from a local day on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Holding {
    /// The first local day; none in the first entry, which holds from the beginning.
    pub from: Option<Day>,
    /// When that day starts, seconds since the epoch.
    pub starts_at: i64,
    pub property_id: Box<str>,
    pub customer_id: Box<str>,
    pub tariff_class: Box<str>,
    pub billable: bool,
    /// The identifier on the meter.
    pub serial: Box<str>,
    /// From the moment of the exchange on, if the entry begins with one.
    pub meter: Meter,
    /// The exchange with which the entry begins.
    pub exchange: Option<Exchange>,
}

/// One meter taken out and another one put in at the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Seconds since the epoch.
    pub at: i64,
    /// The last register of the old meter, in its unit.
    pub final_register: i64,
    /// The first register of the new meter, in its unit.
    pub initial_register: i64,
}

/// Whose water it is on a day, and by what it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Holds<'a> {
    pub property_id: &'a str,
    pub customer_id: &'a str,
    pub tariff_class: &'a str,
    pub meter: Meter,
    pub billable: bool,
}

impl Facts {
    /// What holds on the local day of a moment.
    pub fn on_day_of(&self, at: i64) -> Holds<'_> {
        match self.history.iter().rev().find(|holding| holding.starts_at <= at).or(self.history.first()) {
            Some(holding) => Holds {
                property_id: &holding.property_id,
                customer_id: &holding.customer_id,
                tariff_class: &holding.tariff_class,
                meter: holding.meter,
                billable: holding.billable,
            },
            None => Holds {
                property_id: &self.property_id,
                customer_id: &self.customer_id,
                tariff_class: &self.tariff_class,
                meter: self.meter,
                billable: self.billable,
            },
        }
    }

    /// The meter that was there at a moment: on the day of an exchange the old one until then.
    pub fn meter_at(&self, at: i64) -> Meter {
        self.fitted_at(at).map_or(self.meter, |holding| holding.meter)
    }

    /// The step in which the register of that meter counts, in its unit; 0 where it is not told.
    pub fn resolution_at(&self, at: i64) -> u32 {
        self.meter_at(at).resolution
    }

    /// The identifier on the meter that was there at a moment; none where there has been one meter only, which is the one
    /// the device was found by.
    pub fn serial_at(&self, at: i64) -> Option<&str> {
        self.fitted_at(at).map(|holding| &*holding.serial)
    }

    /// Whether a read that came from the meter `device_id` at a moment is one of this connection.
    ///
    /// # Errors
    /// Another meter was there then; which one.
    pub fn check_serial(&self, device_id: &str, at: i64) -> Result<(), String> {
        match self.serial_at(at) {
            Some(serial) if key(serial) != key(device_id) => Err(format!(
                "at {at} meter {serial:?} was at device {:?}, not {device_id:?}: the registry knows of an exchange",
                self.id
            )),
            _ => Ok(()),
        }
    }

    fn fitted_at(&self, at: i64) -> Option<&Holding> {
        let fitted = |holding: &&Holding| {
            holding.starts_at <= at && holding.exchange.is_none_or(|exchange| exchange.at <= at)
        };
        self.history.iter().rev().find(fitted).or(self.history.first())
    }
}

/// When a local day starts in a device's time zone; the beginning of all days for none.
pub fn start_of(from: Option<Day>, zone: &Zone) -> i64 {
    from.map_or(i64::MIN, |day| zone.start_of(day))
}

/// A change of the registry, told to every partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The identifier on the meter.
    pub device_id: Box<str>,
    /// Identifiers of meters that were there before.
    pub former_device_ids: Box<[Box<str>]>,
    /// The device's facts from now on.
    pub facts: Facts,
}

/// A household meter, for the tests of this crate.
#[cfg(test)]
pub(crate) fn example() -> Facts {
    Facts {
        id: "device-1".into(),
        property_id: "property-1".into(),
        customer_id: "customer-001".into(),
        time_zone: "Asia/Jakarta".into(),
        tariff_class: "household-middle-1".into(),
        meter: Meter::HOUSEHOLD,
        billable: true,
        installed_at: 1_700_000_000,
        active: true,
        version: 1,
        area: "DMA-07".into(),
        parent_device_id: None,
        history: Box::default(),
    }
}

/// The household meter after it was exchanged at noon of day 20,000 in Jakarta, for the tests of this crate.
#[cfg(test)]
pub(crate) fn exchanged() -> Facts {
    let zone = Zone::named("Asia/Jakarta").expect("a zone");
    let facts = example();
    let entry = |from: Option<Day>, serial: &str, digits, exchange| Holding {
        from,
        starts_at: start_of(from, &zone),
        property_id: facts.property_id.clone(),
        customer_id: facts.customer_id.clone(),
        tariff_class: (&*facts.tariff_class).into(),
        billable: true,
        serial: serial.into(),
        meter: Meter { digits, ..facts.meter },
        exchange,
    };
    let day = Day(20_000);
    let exchange =
        Exchange { at: zone.start_of(day) + 43_200, final_register: 500_000, initial_register: 12 };
    let history = [entry(None, "SN-1", 8, None), entry(Some(day), "SN-2", 7, Some(exchange))];
    Facts { meter: history[1].meter, version: 2, history: history.into(), ..facts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_owner_and_a_moment_one_meter() {
        let facts = exchanged();
        let midnight = facts.history[1].starts_at;
        let noon = midnight + 43_200;
        for (at, of_day, at_moment, serial) in [
            (0, 8, 8, "SN-1"),
            (midnight - 1, 8, 8, "SN-1"),
            (midnight, 7, 8, "SN-1"),
            (noon - 1, 7, 8, "SN-1"),
            (noon, 7, 7, "SN-2"),
            (i64::MAX, 7, 7, "SN-2"),
        ] {
            assert_eq!(facts.on_day_of(at).meter.digits, of_day, "{at}");
            assert_eq!(facts.meter_at(at).digits, at_moment, "{at}");
            assert_eq!(facts.serial_at(at), Some(serial), "{at}");
            let other = if serial == "SN-1" { "SN-2" } else { "SN-1" };
            assert_eq!(facts.check_serial(&serial.to_lowercase(), at), Ok(()), "{at}");
            assert!(facts.check_serial(other, at).unwrap_err().contains(serial), "{at}");
        }
        assert_eq!((example().serial_at(0), example().check_serial("any", 0)), (None, Ok(())));
        assert_eq!(example().meter_at(0), Meter::HOUSEHOLD);
    }
}
