//! What people ask of the events.

/// Which events, and where the page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of whom.
    pub customer_id: Option<String>,
    /// Of which device.
    pub device_id: Option<String>,
    /// Of which property.
    pub property_id: Option<String>,
    /// Detected at or after it, seconds since the epoch.
    pub from: Option<i64>,
    /// Detected before it, seconds since the epoch.
    pub to: Option<i64>,
    /// Entries of a page.
    pub page: usize,
    /// The last one of the page before.
    pub after: Option<PageToken>,
}

/// Which interruptions of the supply, and where the page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterruptionFilter {
    /// Of these areas; of all, if none are given.
    pub areas: Option<Vec<String>>,
    /// Not over before it, seconds since the epoch.
    pub from: Option<i64>,
    /// That begin before it, seconds since the epoch.
    pub to: Option<i64>,
    /// Entries of a page.
    pub page: usize,
    /// The last one of the page before.
    pub after: Option<PageToken>,
}

/// An entry of a list: what the list is ordered by, and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// When it was detected, seconds since the epoch; in the list of what is worth a visit, what mending it saves.
    pub at: i64,
    /// The event's id.
    pub id: String,
}

/// Why a call does not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such event.
    NotFound,
    /// It has changed since it was read.
    Stale,
    /// It is settled already.
    Settled,
    /// A field is wrong, and how.
    Wrong(String),
    /// The database does not answer.
    Unavailable(String),
}
