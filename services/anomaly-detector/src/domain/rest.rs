//! Times in which a device is out of service: in maintenance, or retired. What its register does then says nothing.

use super::leak::{Period, Stated};

/// The name of the status in which a device is in service.
const ACTIVE: &str = "active";
/// The name of the status in which its connection is closed.
const CLOSED: &str = "inactive";

/// A time out of service, seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Its first moment.
    pub from: i64,
    /// The moment after its last; none while it goes on.
    pub until: Option<i64>,
    /// Whether the connection was closed: the device was inactive.
    pub is_closed: bool,
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
        let is_closed = status == CLOSED;
        let present = self.times.last().filter(|last| last.until.is_none()).map(|last| last.is_closed);
        if version <= self.version || present == (status != ACTIVE).then_some(is_closed) {
            return false;
        }
        if let Some(last) = self.times.last_mut().filter(|last| last.until.is_none()) {
            last.until = Some(at);
        }
        if status != ACTIVE {
            self.times.push(Rest { from: at, until: None, is_closed });
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

    /// When its connection was closed: the first moment and the one after the last of each time.
    pub fn closed(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let closed = self.times.iter().filter(|rest| rest.is_closed);
        closed.map(|rest| (rest.from, rest.until.unwrap_or(i64::MAX)))
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
        assert_eq!(noted, [false, true, true, false, true, false, true]);
        let times: Vec<_> = rests.times.iter().map(|rest| (rest.from, rest.until)).collect();
        assert_eq!(times, [(20, Some(30)), (30, Some(40)), (60, None)]);
        assert_eq!((rests.closed().collect::<Vec<_>>(), rests.goes_on()), (vec![(30, 40)], true));
        let quiet = Period { from: 60, until: i64::MAX, what: Stated::Quiet };
        assert_eq!(rests.periods().last(), Some(quiet));
        (7..100).for_each(|version| {
            rests.note(version, if version % 2 == 0 { "maintenance" } else { "active" }, version * 10);
        });
        assert_eq!(rests.times.len(), MOST);
    }
}
