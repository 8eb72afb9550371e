//! What the registry says of a connection, by the local day from which it holds.

use super::calendar::{Day, Zone};

/// A meter's facts, in millilitres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// One count of its register.
    pub count: i128,
    /// Where its register wraps.
    pub wrap: i128,
    /// The step in which it counts, if it was told; 0 otherwise.
    pub resolution: i128,
    /// Permanent flow rate, litres per hour.
    pub q3: i128,
}

/// One meter taken out and the next one put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When.
    pub at: i64,
    /// The old meter's last register, in its counts.
    pub last: i128,
    /// The new meter's first register, in its counts.
    pub first: i128,
}

/// What holds from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first day; `None` for the entry that holds from the beginning.
    pub from: Option<Day>,
    /// `users.id`.
    pub customer: String,
    /// `properties.id`.
    pub property: String,
    /// Tariff class.
    pub class: String,
    /// The meter.
    pub meter: Meter,
    /// Whether the water is charged for.
    pub billable: bool,
    /// Set where the entry begins with an exchange.
    pub exchange: Option<Exchange>,
}

/// All that the registry says of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    zone: Zone,
    installed_at: Option<i64>,
    entries: Vec<Entry>,
}

impl Facts {
    /// Facts of these entries.
    ///
    /// # Errors
    /// There are none.
    pub fn new(zone: Zone, installed_at: Option<i64>, mut entries: Vec<Entry>) -> Result<Self, String> {
        if entries.is_empty() {
            return Err("there is nothing that holds from the beginning".to_owned());
        }
        entries.sort_by_key(|entry| entry.from);
        Ok(Self { zone, installed_at, entries })
    }

    /// The zone whose days count.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether a read of that moment counts: it is not from before the installation.
    pub fn counts(&self, at: i64) -> bool {
        self.installed_at.is_none_or(|installed| at >= installed)
    }

    /// What holds on a day.
    pub fn on(&self, day: Day) -> &Entry {
        &self.entries[self.place(day)]
    }

    fn place(&self, day: Day) -> usize {
        self.entries.iter().rposition(|entry| entry.from.is_none_or(|from| from <= day)).unwrap_or(0)
    }

    /// The meter of a moment. On the day of an exchange the old meter stands until the exchange.
    pub fn meter_at(&self, at: i64) -> &Meter {
        if let [only] = self.entries.as_slice() {
            return &only.meter;
        }
        let mut place = self.place(self.zone.day_of(at));
        while place > 0 && self.entries[place].exchange.is_some_and(|exchange| at < exchange.at) {
            place -= 1;
        }
        &self.entries[place].meter
    }

    /// Exchanges after one moment and until another, each with the old meter and the new one.
    pub fn exchanges(&self, after: i64, until: i64) -> impl Iterator<Item = (&Meter, Exchange, &Meter)> {
        self.entries.windows(2).filter_map(move |pair| {
            let exchange = pair[1].exchange.filter(|exchange| after < exchange.at && exchange.at <= until)?;
            Some((&pair[0].meter, exchange, &pair[1].meter))
        })
    }
}
