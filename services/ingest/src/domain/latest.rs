//! The newest of what each device reported since the last flush: one write per device instead of one per read.

use std::collections::HashMap;
use std::sync::Arc;

use indowater_common::domain::meter::{Point, Unit};

use super::accept::Accepted;
use super::facts::Facts;

/// What is to be written of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its newest read.
    pub read: Point,
    /// In what its register counts.
    pub unit: Unit,
    /// When the message of that read came, seconds since the epoch.
    pub seen_at: i64,
    /// The last it told of its battery.
    pub battery_percent: Option<u32>,
    /// The last it told of its signal.
    pub rssi_dbm: Option<i32>,
}

/// The devices that reported since the last flush, by `devices.id`.
#[derive(Default)]
pub struct Latest(HashMap<Arc<str>, Sighting>);

impl Latest {
    /// Notes an accepted message. A message that is not newer than what is noted changes nothing.
    pub fn note(&mut self, facts: &Facts, accepted: &Accepted) {
        let state = accepted.state;
        let new = Sighting {
            read: accepted.newest,
            unit: facts.meter_at(accepted.newest.at).unit,
            seen_at: accepted.received_at,
            battery_percent: state.battery_percent,
            rssi_dbm: state.rssi_dbm,
        };
        match self.0.get_mut(&facts.id) {
            None => _ = self.0.insert(facts.id.clone(), new),
            Some(noted) if noted.read.at < new.read.at => {
                *noted = Sighting {
                    battery_percent: new.battery_percent.or(noted.battery_percent),
                    rssi_dbm: new.rssi_dbm.or(noted.rssi_dbm),
                    ..new
                };
            }
            Some(_) => {}
        }
    }

    /// Everything noted.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Sighting)> {
        self.0.iter().map(|(id, sighting)| (&**id, sighting))
    }

    /// Forgets everything, once it is written.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::example as facts;
    use crate::domain::uplink::{Alarms, State};

    fn message(at: i64, battery_percent: Option<u32>) -> Accepted {
        Accepted {
            reads: Vec::new(),
            newest: Point { at, register: at },
            message_reads: 1,
            corrected: 0,
            unit_assumed: false,
            received_at: at + 1,
            state: State { battery_percent, rssi_dbm: None, alarms: Alarms::default() },
            gateway_id: None,
        }
    }

    #[test]
    fn the_newest_read_wins_in_any_order_and_battery_is_not_forgotten() {
        let mut latest = Latest::default();
        for (at, battery) in [(20, Some(80)), (10, Some(99)), (30, None), (30, Some(1))] {
            latest.note(&facts(), &message(at, battery));
        }
        let noted: Vec<_> = latest.iter().collect();
        assert_eq!(noted.len(), 1);
        let (id, sighting) = noted[0];
        assert_eq!((id, sighting.read.at, sighting.seen_at), ("device-1", 30, 31));
        assert_eq!(sighting.battery_percent, Some(80));
    }
}
