//! Times in which a device is out of service: in maintenance, or retired. What its register does then says nothing.

use super::leak::{Period, Stated};

/// The name of the status in which a device is in service.
const ACTIVE: &str = "active";

/// A time out of service, seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Its first moment.
    pub from: i64,
    /// The moment after its last; none while it goes on.
    pub until: Option<i64>,
}

/// All such times of a device, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rests {
    /// The times.
    pub times: Vec<Rest>,
    /// The version of the registry's entry that changed them last.
    pub version: i64,
}

/// Times that are kept: of more, the oldest lie before any read that still counts.
const MOST: usize = 20;

impl Rests {
    /// Takes the status that the registry's entry of a version says, changed at a moment. Says whether anything has changed.
    pub fn note(&mut self, version: i64, status: &str, at: i64) -> bool {
        if version <= self.version || self.goes_on() == (status != ACTIVE) {
            return false;
        }
        match self.times.last_mut().filter(|last| last.until.is_none()) {
            Some(last) => last.until = Some(at),
            None => self.times.push(Rest { from: at, until: None }),
        }
        let surplus = self.times.len().saturating_sub(MOST);
        self.times.drain(..surplus);
        self.version = version;
        true
    }

    /// Whether the device is out of service.
    pub fn goes_on(&self) -> bool {
        self.times.last().is_some_and(|last| last.until.is_none())
    }

    /// What follows for the flow, by time.
    pub fn periods(&self) -> impl Iterator<Item = Period> + '_ {
        self.times.iter().map(|rest| Period {
            from: rest.from,
            until: rest.until.unwrap_or(i64::MAX),
            what: Stated::Quiet,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_rests_from_when_it_leaves_service_until_it_is_back() {
        let mut rests = Rests::default();
        let noted = [
            (1, "active", 10),
            (2, "maintenance", 20),
            (3, "inactive", 30),
            (2, "active", 35),
            (4, "active", 40),
            (5, "active", 50),
            (6, "maintenance", 60),
        ]
        .map(|(version, status, at)| rests.note(version, status, at));
        assert_eq!(noted, [false, true, false, false, true, false, true]);
        let times: Vec<_> = rests.times.iter().map(|rest| (rest.from, rest.until)).collect();
        assert_eq!((times, rests.goes_on()), (vec![(20, Some(40)), (60, None)], true));
        let quiet = Period { from: 60, until: i64::MAX, what: Stated::Quiet };
        assert_eq!(rests.periods().last(), Some(quiet));
        (7..100).for_each(|version| {
            rests.note(version, if version % 2 == 0 { "maintenance" } else { "active" }, version * 10);
        });
        assert_eq!(rests.times.len(), MOST);
    }
}
