//! What people ask of the daily records, and what they are shown.

use indowater_common::domain::meter::{Meter, Unit};
use indowater_common::domain::zone::{Day, Zone};
use rust_decimal::Decimal;

use super::day::DayRecord;
use super::hourly::Hour;
use super::reads::Read;

/// Whose records, which days, and where the page starts.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Who.
    pub whose: Whose,
    /// First day.
    pub from: Day,
    /// Last day, inclusive.
    pub to: Day,
    /// Oldest first.
    pub ascending: bool,
    /// Entries of a page.
    pub page: usize,
    /// The last one of the page before.
    pub after: Option<PageToken>,
}

/// Whose records: those that fit every id that is given. A device that changed hands has days of both customers, so
/// naming it is not enough to see them all.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    /// `devices.id`.
    pub device: Option<String>,
    /// `properties.id`.
    pub property: Option<String>,
    /// `users.id`.
    pub customer: Option<String>,
}

/// The place of an entry in the order of days, then ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// Its day (of a month: the first).
    pub day: Day,
    /// Its id (of a month: the device).
    pub id: String,
}

/// A page, and where the next one starts if this one is full.
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// The last one, if there may be more.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// A page of at most `size` entries out of `found`.
    pub fn of(entries: Vec<T>, size: usize, token: impl Fn(&T) -> PageToken) -> Self {
        let next = if entries.len() < size { None } else { entries.last().map(token) };
        Self { entries, next }
    }
}

/// A stored record and what it takes to show it.
pub struct Found {
    /// `devices.id`.
    pub device_id: String,
    /// The record.
    pub record: DayRecord,
    /// The property's zone.
    pub zone: Zone,
    /// The meter.
    pub meter: Meter,
}

/// A day by the hour.
pub struct HoursOfDay {
    /// The day.
    pub found: Found,
    /// Its hours in the order asked for.
    pub hours: Vec<Hour>,
}

/// The records of one device in one month, added up.
pub struct Month {
    /// `devices.id`.
    pub device_id: String,
    /// `users.id` of the newest day.
    pub customer_id: String,
    /// `properties.id` of the newest day.
    pub property_id: String,
    /// Its first day.
    pub month: Day,
    /// m3.
    pub consumption: Decimal,
    /// Rupiah.
    pub cost: Decimal,
    /// Days with a record.
    pub days: u32,
    /// Of these, estimated.
    pub estimated: u32,
    /// Of these, anomalous.
    pub anomalous: u32,
}

/// A page of reads, newest first.
pub struct Reads {
    /// The reads with the unit of their register.
    pub reads: Vec<(Read, Unit)>,
    /// The moment of the oldest one, if there may be more.
    pub next: Option<i64>,
}
