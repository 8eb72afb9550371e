//! The life of leak events held against the days that the same registers give.
//!
//! Nothing of how leaks are found is worked out again: what is checked is what must hold of every event, however it was found.

use std::collections::BTreeMap;

use super::calendar::{Day, Zone};
use super::compare::Record;

/// A leak event as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leak {
    /// Its identifier.
    pub id: String,
    /// `devices.id`.
    pub device: String,
    /// By name.
    pub status: String,
    /// 0 for another system's document.
    pub revision: i64,
    /// The device that it is the open event of, if it says so.
    pub open_for: Option<String>,
    /// Whether later reads explain otherwise what it rested on.
    pub withdrawn: bool,
    /// What it is as of its newest step.
    pub now: State,
    /// Its life, oldest first.
    pub steps: Vec<Step>,
}

/// What is known of a leak at a moment. Moments are whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Since when it runs.
    pub since: i64,
    /// Up to when it was seen to run.
    pub until: i64,
    /// Millilitres.
    pub lost: i128,
}

/// News in its life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The read that told it.
    pub at: i64,
    /// What happened, by name.
    pub change: String,
    /// What was known then.
    pub state: State,
}

/// What the records of a device say, by day.
pub type Days = BTreeMap<Day, Record>;

/// Days before a finding of which at least one must have had flow: the longest that an explanation shows.
const BEFORE: i32 = 3;
/// Whole days without any flow after which no leak may be said to run on. A day of calm is the rule; two more are for what has to fade
/// before, and one because midnights are not where leaks end.
const DRY_DAYS: usize = 4;
/// Reads that a day must have to say so: meters that report seldom are judged by longer steps.
const READS: u64 = 20;
/// What one register of whole litres and one midnight may differ by, millilitres.
const SLACK: i128 = 1_000;

impl Leak {
    /// Whether it is open.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }

    /// What cannot be in its own life.
    pub fn life(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.is_active() != (self.open_for.as_deref() == Some(&*self.device)) {
            wrong.push(format!("it is {} and open for {:?}", self.status, self.open_for));
        }
        if self.withdrawn {
            if self.is_active() {
                wrong.push("it is withdrawn and active".to_owned());
            }
            return wrong;
        }
        // A person's word divides an episode, so an event may begin with what came after that.
        let first = self.steps.first().map(|step| &*step.change);
        if !matches!(first, Some("opened" | "worse" | "returned" | "grew")) {
            wrong.push(format!("its life begins with {first:?}"));
        }
        for (number, pair) in (1..).zip(self.steps.windows(2)) {
            let [before, after] = pair else { continue };
            let (from, to) = (&*before.change, &*after.change);
            if after.at < before.at {
                wrong.push(format!("step {number} ({to}) is older than the one before"));
            }
            let follows = match from {
                "stopped" => matches!(to, "returned" | "closed"),
                "closed" => false,
                _ => !matches!(to, "opened" | "returned" | "closed"),
            };
            if !follows {
                wrong.push(format!("step {number}: {to} after {from}"));
            }
            if after.state.lost < before.state.lost {
                wrong
                    .push(format!("step {number}: {} mL lost after {}", after.state.lost, before.state.lost));
            }
        }
        if let Some(last) = self.steps.last().filter(|last| last.state.lost > self.now.lost) {
            wrong.push(format!("{} mL lost, of which its life has {}", self.now.lost, last.state.lost));
        }
        wrong
    }

    /// What the days of its device say against it; none if they say nothing.
    pub fn against(&self, days: &Days) -> Option<Vec<String>> {
        let zone = days.values().find_map(|record| Zone::named(&record.time_zone))?;
        let (from, to) = (zone.day_of(self.now.since), zone.day_of(self.now.until));
        let is_known = |day: Day| days.contains_key(&day);
        if self.withdrawn || !is_known(from) || !is_known(to) {
            return None;
        }
        let mut wrong = Vec::new();
        let passed: i128 = days.range(from..=to).map(|(_, record)| counted(record)).sum();
        if self.now.lost > passed + SLACK {
            wrong.push(format!("{} mL lost from {from} to {to}, where {passed} were counted", self.now.lost));
        }
        let news = self.steps.iter().filter(|step| matches!(&*step.change, "opened" | "worse" | "returned"));
        for step in news {
            let day = zone.day_of(step.at);
            let mut seen = days.range(Day(day.0 - BEFORE)..=day).peekable();
            if seen.peek().is_some() && seen.all(|(_, record)| counted(record) == 0) {
                wrong.push(format!("{} on {day}, and nothing flowed in the days before", step.change));
            }
        }
        Some(wrong)
    }

    /// Whether it is said to run on though days without flow went by since.
    pub fn runs_dry(&self, days: &Days) -> bool {
        let Some(zone) = days.values().find_map(|record| Zone::named(&record.time_zone)) else {
            return false;
        };
        let after = days.range(zone.day_of(self.now.until).next()..);
        let whole = after.filter(|(_, record)| record.complete);
        let dry = whole.rev().take_while(|(_, record)| counted(record) == 0 && record.reads >= READS);
        self.is_active() && dry.count() >= DRY_DAYS
    }
}

/// The most that flowed on a day, with what its midnights may be wrong by.
fn counted(record: &Record) -> i128 {
    record.volume + record.reverse + record.unbilled + record.error_bound
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const FIRST: i32 = 20_500;

    /// A leak of 10 L/h that runs for two days from the noon of the third day on.
    fn leak() -> Leak {
        let noon = i64::from(FIRST + 2) * DAY + DAY / 2;
        let state = |until: i64, lost: i128| State { since: noon, until, lost };
        let step = |at: i64, change: &str, lost: i128| Step {
            at,
            change: change.to_owned(),
            state: state(at, lost),
        };
        Leak {
            id: "leak-1".to_owned(),
            device: "d".to_owned(),
            status: "resolved".to_owned(),
            revision: 3,
            now: state(noon + 2 * DAY, 480_000),
            steps: vec![
                step(noon + DAY, "opened", 240_000),
                step(noon + 2 * DAY, "grew", 480_000),
                step(noon + 3 * DAY, "stopped", 480_000),
            ],
            ..Leak::default()
        }
    }

    /// Ten days; on three of them the leak's water flows, and nothing else.
    fn days() -> Days {
        let volumes = [0, 0, 120_000, 240_000, 120_000, 0, 0, 0, 0, 0];
        let records = (FIRST..).zip(volumes).map(|(day, volume)| {
            let time_zone = "Etc/UTC".to_owned();
            (Day(day), Record { volume, time_zone, complete: true, reads: 24, ..Record::default() })
        });
        records.collect()
    }

    #[test]
    fn a_sound_life_is_sound() {
        assert_eq!(leak().life(), [""; 0]);
        assert_eq!(leak().against(&days()), Some(Vec::new()));
        assert!(!leak().runs_dry(&days()));
    }

    #[test]
    fn every_fault_of_a_life_is_seen() {
        let faults: [fn(&mut Leak); 9] = [
            |leak| leak.status = "active".to_owned(),
            |leak| leak.open_for = Some("d".to_owned()),
            |leak| leak.steps.clear(),
            |leak| leak.steps.swap(0, 1),
            |leak| leak.steps[1].change = "returned".to_owned(),
            |leak| leak.steps[1].change = "closed".to_owned(),
            |leak| leak.steps[1].at = 0,
            |leak| leak.steps[0].state.lost = 480_001,
            |leak| leak.now.lost = 1,
        ];
        for (number, fault) in faults.iter().enumerate() {
            let mut faulty = leak();
            fault(&mut faulty);
            assert_ne!(faulty.life(), [""; 0], "fault {number}");
        }
        let withdrawn = Leak { withdrawn: true, steps: Vec::new(), ..leak() };
        assert_eq!(withdrawn.life(), [""; 0]);
    }

    #[test]
    fn more_is_never_lost_than_was_counted() {
        let mut much = leak();
        much.now.lost = 481_001;
        assert_eq!(much.against(&days()).map(|wrong| wrong.len()), Some(1));
        let mut uncertain = days();
        uncertain.entry(Day(FIRST + 3)).and_modify(|record| record.error_bound = 1_000);
        assert_eq!(much.against(&uncertain), Some(Vec::new()));
    }

    #[test]
    fn nothing_opens_where_nothing_flowed() {
        let mut late = leak();
        late.steps[0].at += 5 * DAY;
        let found = late.against(&days()).unwrap();
        assert!(found.len() == 1 && found[0].starts_with("opened"), "{found:?}");
    }

    #[test]
    fn what_runs_on_through_dry_days_is_seen() {
        let active = Leak { status: "active".to_owned(), open_for: Some("d".to_owned()), ..leak() };
        assert!(active.runs_dry(&days()));
        let mut few = days();
        few.retain(|day, _| day.0 < FIRST + 8);
        assert!(!active.runs_dry(&few), "three days are not enough");
        let mut seldom = days();
        seldom.values_mut().for_each(|record| record.reads = 4);
        assert!(!active.runs_dry(&seldom));
    }

    #[test]
    fn days_that_are_not_there_say_nothing() {
        assert_eq!(leak().against(&Days::new()), None);
        let mut gone = days();
        gone.remove(&Day(FIRST + 2));
        assert_eq!(leak().against(&gone), None);
    }
}
