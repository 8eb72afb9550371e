//! From the topic of anomalies and the collections to the finding about leak events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use indowater_proto::anomaly::v1::{Anomaly, LeakStatus, anomaly};
use indowater_proto::topics::ANOMALIES;
use prost::Message as _;

use crate::domain::leaks::{Days, Leak};
use crate::kafka::Reader;
use crate::report::Finding;

/// What the topic says of leak events.
#[derive(Debug, Default)]
pub struct Told {
    /// Newest revision and status, by event.
    events: HashMap<String, (i64, &'static str)>,
    /// What cannot be in it.
    wrong: Vec<String>,
}

/// Leak events as they are stored, and which devices were ever out of service.
#[derive(Debug, Default)]
pub struct Stored {
    /// In no order.
    pub leaks: Vec<Leak>,
    /// Of these, dry days say nothing.
    pub rested: BTreeSet<String>,
    /// Documents that cannot be read.
    pub unreadable: Vec<String>,
}

/// Reads the topic. It blocks.
///
/// # Errors
/// The broker does not answer.
pub fn topic(reader: &Reader, prefix: &str) -> Result<Told> {
    let (mut told, topic) = (Told::default(), ANOMALIES.name(prefix));
    reader.read(&topic, &reader.extent(&topic)?, |record| {
        if let Err(why) = told.take(record.value) {
            told.wrong.push(format!("{topic} {}:{}: {why}", record.partition, record.offset));
        }
        Ok(())
    })?;
    Ok(told)
}

impl Told {
    /// Takes the next record: each revision of an event is newer than the one before.
    fn take(&mut self, value: &[u8]) -> Result<(), String> {
        let anomaly = Anomaly::decode(value).map_err(|error| error.to_string())?;
        let Some(anomaly::Event::Leak(leak)) = anomaly.event else { return Ok(()) };
        let status = match leak.status() {
            LeakStatus::Active => "active",
            LeakStatus::Resolved => "resolved",
            LeakStatus::FalsePositive => "false_positive",
            LeakStatus::Unspecified => return Err(format!("{} has no status", anomaly.id)),
        };
        if leak.id != anomaly.id || leak.revision != anomaly.revision {
            return Err(format!("{} holds revision {} of {}", anomaly.id, leak.revision, leak.id));
        }
        // At least once: a record may come again.
        match self.events.insert(anomaly.id.clone(), (anomaly.revision, status)) {
            Some((before, _)) if before > anomaly.revision => {
                Err(format!("{} has revision {} after {before}", anomaly.id, anomaly.revision))
            }
            _ => Ok(()),
        }
    }
}

/// A1: one open event per device, and each event's life as its reads allow. `told` was read before `stored`, and that before the
/// days. `is_behind` says that the detector may not have judged all reads of the days yet.
pub fn audit(told: &Told, stored: &Stored, days: &HashMap<String, Days>, is_behind: bool) -> Finding {
    let mut a1 = Finding::new("A1", "one open leak a device, lived as its reads allow", "events");
    told.wrong.iter().chain(&stored.unreadable).for_each(|what| a1.breaks(|| what.clone()));
    let (mut foreign, mut untold, mut without_days) = (0, 0, 0);
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let nothing = Days::new();
    for leak in &stored.leaks {
        known.insert(&leak.id);
        if leak.is_active()
            && let Some(other) = open.insert(&leak.device, &leak.id)
        {
            a1.breaks(|| format!("{}: {} and {other} are open", leak.device, leak.id));
        }
        if leak.revision == 0 {
            foreign += 1;
            continue;
        }
        a1.checked += 1;
        match told.events.get(&leak.id) {
            Some((revision, _)) if *revision > leak.revision => {
                a1.breaks(|| {
                    format!("{}: revision {revision} is told, {} is stored", leak.id, leak.revision)
                });
            }
            Some((revision, status)) if *revision == leak.revision && *status != leak.status => {
                a1.breaks(|| format!("{}: {status} is told, {} is stored", leak.id, leak.status));
            }
            Some((revision, _)) if *revision == leak.revision => {}
            _ => untold += 1,
        }
        let days = days.get(&leak.device).unwrap_or(&nothing);
        let against = leak.against(days);
        without_days += u64::from(against.is_none() && !leak.withdrawn);
        for wrong in leak.life().into_iter().chain(against.unwrap_or_default()) {
            a1.breaks(|| format!("{} of {}: {wrong}", leak.id, leak.device));
        }
        if !is_behind && !stored.rested.contains(&leak.device) && leak.runs_dry(days) {
            a1.breaks(|| {
                format!("{} of {}: it is open, and nothing has flowed for days", leak.id, leak.device)
            });
        }
    }
    for id in told.events.keys().filter(|id| !known.contains(id.as_str())) {
        a1.breaks(|| format!("{id} is told, and not stored"));
    }
    a1.skips(foreign, "events were not checked: another system found them");
    a1.skips(untold, "events have a revision that is not told yet");
    a1.skips(without_days, "events were not held against their days: these are not known");
    if is_behind {
        a1.notes.push("the ends of leaks were not checked: anomaly-detector has reads to judge".to_owned());
    }
    a1
}

#[cfg(test)]
mod tests {
    use indowater_proto::anomaly::v1::LeakEvent;

    use super::*;

    fn record(id: &str, revision: i64, status: LeakStatus) -> Vec<u8> {
        let leak = LeakEvent { id: id.to_owned(), revision, status: status.into(), ..LeakEvent::default() };
        let event = Some(anomaly::Event::Leak(leak));
        Anomaly { id: id.to_owned(), device_id: "d".to_owned(), revision, event }.encode_to_vec()
    }

    /// An event that was withdrawn, so that its life says nothing.
    fn stored(id: &str, revision: i64, status: &str) -> Leak {
        let open_for = (status == "active").then(|| "d".to_owned());
        let (id, device, status) = (id.to_owned(), "d".to_owned(), status.to_owned());
        Leak { id, device, status, revision, open_for, withdrawn: true, ..Leak::default() }
    }

    fn found(records: &[Vec<u8>], leaks: Vec<Leak>) -> Finding {
        let mut told = Told::default();
        for value in records {
            if let Err(why) = told.take(value) {
                told.wrong.push(why);
            }
        }
        audit(&told, &Stored { leaks, ..Stored::default() }, &HashMap::new(), true)
    }

    #[test]
    fn what_is_told_is_what_is_stored() {
        let told = |revision| record("a", revision, LeakStatus::Resolved);
        let sound = found(&[told(1), told(2), told(2)], vec![stored("a", 2, "resolved")]);
        assert_eq!((sound.broken, sound.checked, sound.unchecked), (0, 1, 0), "{:?}", sound.first);
        // What is not told yet is not wrong.
        let early = found(&[told(1)], vec![stored("a", 2, "resolved")]);
        assert_eq!((early.broken, early.unchecked), (0, 1), "{:?}", early.first);
        let cases = [
            (vec![told(2), told(1)], vec![stored("a", 2, "resolved")]),
            (vec![told(3)], vec![stored("a", 2, "resolved")]),
            (vec![told(2)], vec![stored("a", 2, "false_positive")]),
            (vec![told(2)], vec![]),
            (vec![record("a", 2, LeakStatus::Unspecified)], vec![stored("a", 2, "resolved")]),
        ];
        for (records, leaks) in cases {
            assert!(found(&records, leaks.clone()).broken > 0, "{leaks:?}");
        }
    }

    #[test]
    fn a_device_has_one_open_event() {
        let open = |id: &str| Leak { revision: 0, ..stored(id, 0, "active") };
        assert_eq!(found(&[], vec![open("a")]).broken, 0);
        let two = found(&[], vec![open("a"), open("b")]);
        assert_eq!((two.broken, two.unchecked), (1, 2), "{:?}", two.first);
    }
}
