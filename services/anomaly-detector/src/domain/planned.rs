//! Interruptions of the supply that administrators announce.

use indowater_common::domain::request::{Problems, check_id, check_length};

/// A planned interruption of an area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its identifier.
    pub id: String,
    /// The area.
    pub area: String,
    /// From when, seconds since the epoch.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// Why, for people.
    pub reason: String,
    /// Whether it was called off.
    pub is_cancelled: bool,
    /// `users.id` of whoever changed it last.
    pub by: String,
    /// When it was entered, seconds since the epoch.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// The earliest beginning that it ever had.
    pub earliest: i64,
    /// Starts at 1, rises with every change.
    pub revision: i64,
    /// What names it to whoever entered it, so that it is entered once; empty: nothing does.
    pub key: String,
}

/// The longest that can be planned at once, seconds: what lasts longer is said again.
const LONGEST: i64 = 14 * 86_400;
/// How long ago one that is entered now may have ended, seconds: older reads change no event.
const LATEST: i64 = 28 * 86_400;

/// What a caller wants different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PlannedChange {
    pub from: Option<i64>,
    pub until: Option<i64>,
    pub reason: Option<String>,
    /// True: it is called off.
    pub cancel: bool,
    /// `users.id`.
    pub by: String,
}

impl Planned {
    /// Whether it can be.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        check_id(&self.area, "area", &mut problems);
        check_id(&self.by, "by", &mut problems);
        check_length(&self.reason, 500, "reason", &mut problems);
        if self.reason.trim().is_empty() {
            problems.add("reason", "is missing");
        }
        if self.until <= self.from {
            problems.add("until", "must be after from");
        } else if self.until - self.from > LONGEST {
            problems.add("until", "must be at most 14 days after from; announce the rest as another one");
        }
        if self.until < self.updated_at - LATEST {
            problems.add("until", "lies more than 28 days back: that changes nothing any more");
        }
        problems.or(())
    }

    /// As changed at a moment; the same if nothing is different.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn change(&self, change: PlannedChange, now: i64) -> Result<Self, Problems> {
        let mut next = self.clone();
        next.from = change.from.unwrap_or(self.from);
        next.until = change.until.unwrap_or(self.until);
        next.reason = change.reason.unwrap_or_else(|| self.reason.clone());
        next.is_cancelled |= change.cancel;
        if next == *self {
            return Ok(next);
        }
        next.earliest = next.earliest.min(next.from);
        (next.by, next.updated_at, next.revision) = (change.by, now, self.revision + 1);
        next.check().map(|()| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn planned() -> Planned {
        Planned {
            id: "planned-1".into(),
            area: "DMA-07".into(),
            from: 1_000 * HOUR,
            until: 1_004 * HOUR,
            reason: "A valve is exchanged".into(),
            is_cancelled: false,
            by: "admin-001".into(),
            created_at: 900 * HOUR,
            updated_at: 900 * HOUR,
            earliest: 1_000 * HOUR,
            revision: 1,
            key: String::new(),
        }
    }

    #[test]
    fn what_cannot_be_is_refused_field_by_field() {
        assert_eq!(planned().check(), Ok(()));
        let wrong = Planned { area: "a b".into(), reason: " ".into(), until: 1_000 * HOUR, ..planned() };
        let problems = wrong.check().unwrap_err().to_string();
        for field in ["area", "reason", "until"] {
            assert!(problems.contains(field), "{field}: {problems}");
        }
        let long = Planned { until: 1_000 * HOUR + LONGEST + 1, ..planned() };
        assert!(long.check().is_err());
        let past = Planned { updated_at: 1_004 * HOUR + LATEST + 1, ..planned() };
        assert!(past.check().is_err());
    }

    #[test]
    fn a_change_remembers_where_it_ever_began() {
        let by = || "admin-002".to_owned();
        let later = planned()
            .change(PlannedChange { from: Some(1_002 * HOUR), by: by(), ..Default::default() }, 950 * HOUR);
        let later = later.unwrap();
        assert_eq!(
            (later.from, later.earliest, later.revision, &*later.by),
            (1_002 * HOUR, 1_000 * HOUR, 2, "admin-002")
        );
        let same = planned().change(PlannedChange { by: by(), ..Default::default() }, 950 * HOUR).unwrap();
        assert_eq!(same, planned());
        let off =
            later.change(PlannedChange { cancel: true, by: by(), ..Default::default() }, 951 * HOUR).unwrap();
        assert_eq!((off.is_cancelled, off.revision), (true, 3));
    }
}
