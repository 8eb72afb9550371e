//! A stored day held against what it must be, field by field.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;

use super::calendar::Day;
use super::days::Figures;
use super::facts::Entry;
use super::tariff::cubic_metres;

/// Where a record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In `water_usage`.
    Collection,
    /// On the usage topic.
    Topic,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collection => "water_usage",
            Self::Topic => "usage topic",
        })
    }
}

/// A day as it is stored or told. Volumes are millilitres; what a source does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `<device>|<day>`.
    pub id: String,
    /// Whose it is.
    pub customer: String,
    /// Of which property.
    pub property: String,
    /// In which zone.
    pub time_zone: String,
    /// Tariff class.
    pub class: String,
    /// Net volume.
    pub volume: i128,
    /// The same in m3, where it is kept twice.
    pub consumption: Option<Decimal>,
    /// Volume backwards.
    pub reverse: i128,
    /// Rupiah.
    pub cost: Decimal,
    /// The month's volume before the day.
    pub month_to_date: Option<i128>,
    /// How sure, by name.
    pub quality: String,
    /// How wrong the midnights may be.
    pub error_bound: i128,
    /// By name.
    pub flags: BTreeSet<String>,
    /// Out of the ordinary.
    pub is_anomaly: bool,
    /// Whether its end is known.
    pub complete: bool,
    /// Newest read or end.
    pub timestamp: i64,
    /// Reads in it.
    pub reads: u64,
    /// Reads off the path.
    pub glitches: u64,
    /// What is not charged for.
    pub unbilled: i128,
    /// `automatic` or `manual`.
    pub reading_type: String,
    /// Whether it is charged for.
    pub billable: bool,
    /// Customers of earlier revisions.
    pub former: Vec<String>,
    /// Rises with every change; 0 where the record has none.
    pub revision: i64,
}

impl Record {
    /// Whether it came from another system: it says so, or no service of ours ever wrote it.
    pub fn is_imported(&self) -> bool {
        self.flags.contains("imported") || self.revision == 0
    }
}

/// What a day must be.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The zone's name.
    pub zone: &'a str,
    /// What the registry says of the day.
    pub entry: &'a Entry,
    /// What the reads say of it.
    pub figures: &'a Figures,
}

/// One field of one record that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub source: Source,
    /// `devices.id`.
    pub device: String,
    /// The local day.
    pub day: Day,
    /// Which field.
    pub field: &'static str,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl Difference {
    /// The difference between two values, if there is one.
    pub fn between<T: PartialEq + fmt::Debug>(
        (source, device, day): (Source, &str, Day),
        field: &'static str,
        expected: &T,
        found: &T,
    ) -> Option<Self> {
        let say = |value: &T| format!("{value:?}");
        (expected != found).then(|| Self {
            source,
            device: device.to_owned(),
            day,
            field,
            expected: say(expected),
            found: say(found),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, device, day, field, expected, found } = self;
        write!(f, "{device}|{day} ({source}): {field} is {found}, expected {expected}")
    }
}

/// Everything in which a record differs. `named` is everybody whose day it ever was.
pub fn differences(
    place: (Source, &str, Day),
    expected: Option<Expected<'_>>,
    record: Option<&Record>,
    named: &BTreeSet<&str>,
) -> Vec<Difference> {
    let (expected, record) = match (expected, record) {
        (Some(expected), Some(record)) => (expected, record),
        (expected, record) => {
            let (expected, found) = (presence(expected.is_some()), presence(record.is_some()));
            return Difference::between(place, "record", &expected, &found).into_iter().collect();
        }
    };
    let (id, figures) = (format!("{}|{}", place.1, place.2), expected.figures);
    let mut found = identity(place, expected, record, &id);
    let volumes = [
        ("volume_ml", figures.volume, Some(record.volume)),
        ("reverse_volume_ml", figures.reverse, Some(record.reverse)),
        ("month_to_date_before_ml", figures.month_to_date, record.month_to_date),
        ("error_bound_ml", figures.error_bound, Some(record.error_bound)),
        ("unbilled_ml", figures.unbilled, (!figures.rises).then_some(record.unbilled)),
        ("timestamp", figures.timestamp.into(), Some(record.timestamp.into())),
        ("reads_count", as_number(figures.reads), Some(record.reads.into())),
        ("glitches", as_number(figures.glitches), Some(record.glitches.into())),
    ];
    for (field, expected, is) in volumes {
        found.extend(is.and_then(|is| Difference::between(place, field, &expected, &is)));
    }
    let amounts = [
        ("consumption", cubic_metres(figures.volume), record.consumption),
        ("cost", figures.cost, Some(record.cost)),
    ];
    for (field, expected, is) in amounts {
        let is = is.map(|is| is.normalize());
        found.extend(is.and_then(|is| Difference::between(place, field, &expected.normalize(), &is)));
    }
    let truths = [
        ("is_anomaly", figures.is_anomaly, record.is_anomaly),
        ("complete", figures.complete, record.complete),
        ("billable", expected.entry.billable, record.billable),
    ];
    for (field, expected, is) in truths {
        found.extend(Difference::between(place, field, &expected, &is));
    }
    let is_known = |flag: &&str| !(figures.rises && *flag == "ceiling");
    let due: BTreeSet<&str> = figures.flags.iter().copied().filter(is_known).collect();
    let are: BTreeSet<&str> = record.flags.iter().map(String::as_str).filter(is_known).collect();
    found.extend(Difference::between(place, "flags", &due, &are));
    found.extend(former(place, &expected.entry.customer, record, named));
    found
}

fn presence(is_there: bool) -> &'static str {
    if is_there { "there" } else { "missing" }
}

fn as_number(count: usize) -> i128 {
    i128::try_from(count).unwrap_or(i128::MAX)
}

/// Whose day it is, and the other texts.
fn identity(
    place: (Source, &str, Day),
    expected: Expected<'_>,
    record: &Record,
    id: &str,
) -> Vec<Difference> {
    let Expected { zone, entry, figures } = expected;
    let reading_type = if figures.is_manual { "manual" } else { "automatic" };
    let texts = [
        ("id", id, &record.id),
        ("customer_id", entry.customer.as_str(), &record.customer),
        ("property_id", entry.property.as_str(), &record.property),
        ("time_zone", zone, &record.time_zone),
        ("tariff_class", entry.class.as_str(), &record.class),
        ("quality", figures.quality.name(), &record.quality),
        ("reading_type", reading_type, &record.reading_type),
    ];
    let found = texts.into_iter();
    found
        .filter_map(|(field, expected, is)| Difference::between(place, field, &expected, &is.as_str()))
        .collect()
}

/// Who a day belonged to before depends on what was known when; only that it was possible can be checked.
fn former(
    place: (Source, &str, Day),
    owner: &str,
    record: &Record,
    named: &BTreeSet<&str>,
) -> Option<Difference> {
    let is_possible = |customer: &str| customer != owner && named.contains(customer);
    let possible: Vec<&String> = record.former.iter().filter(|customer| is_possible(customer)).collect();
    let found: Vec<&String> = record.former.iter().collect();
    Difference::between(place, "former_customer_ids", &possible, &found)
}
