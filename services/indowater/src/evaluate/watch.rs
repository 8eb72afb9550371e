//! What watches reads: the service's own detector, and the rules that vendors have, all in one way.

use anomaly_detector::domain::leak::{Change, Kind, Meter, Read, Setting};

/// Something was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The moment of the read that brought it, seconds since the epoch.
    pub at: i64,
    /// What happened.
    pub change: Change,
    /// As what.
    pub kind: Kind,
}

/// A detector of leaks at one meter.
pub trait Watch: Clone {
    /// Takes the next read.
    fn read(&mut self, read: Read, setting: &Setting<'_>) -> Vec<Told>;
    /// Whether a leak is told to run.
    fn is_alarmed(&self) -> bool;
}

impl Watch for Meter {
    fn read(&mut self, read: Read, setting: &Setting<'_>) -> Vec<Told> {
        let signals = Self::read(self, read, setting).into_iter();
        signals
            .map(|signal| Told { at: signal.at, change: signal.change, kind: signal.episode.kind })
            .collect()
    }

    fn is_alarmed(&self) -> bool {
        self.episode().is_some_and(|episode| episode.runs)
    }
}

/// The rules judge hours inside the meter. Over a longer gap in its reads nobody knows which hours were dry, so it counts for
/// nothing.
const UNKNOWN: i64 = 90 * 60;

/// A rule of a vendor, on the same raw differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// 24 hours, each above so many millilitres an hour; a single one that is not ends it (Kamstrup, Badger, Waterwatch).
    NoDryHour(i64),
    /// Nine of ten hours between two and five at night are wet, three nights running (research on minimum night flow).
    WetNights,
}

/// A rule at work.
#[derive(Debug, Clone, Copy)]
pub struct Ruled {
    rule: Rule,
    before: Option<Read>,
    /// Seconds without a dry hour, or nights.
    run: i64,
    night: (i32, u32, u32),
    alarmed: bool,
}

impl Ruled {
    /// A rule that has seen nothing yet.
    pub fn by(rule: Rule) -> Self {
        Self { rule, before: None, run: 0, night: (0, 0, 0), alarmed: false }
    }

    /// Whether the rule speaks after this hour.
    fn judges(&mut self, from: Read, to: Read, setting: &Setting<'_>) -> bool {
        let (volume, seconds) = (to.register - from.register, to.at - from.at);
        if seconds > UNKNOWN {
            return self.alarmed;
        }
        match self.rule {
            Rule::NoDryHour(above) => {
                let wet = volume > 0 && volume * 3_600 > above * seconds;
                self.run = if wet { self.run + seconds } else { 0 };
                self.run >= 86_400
            }
            Rule::WetNights => {
                let (day, second) = setting.zone.local(from.at.midpoint(to.at));
                if day.0 != self.night.0 {
                    let (_, wet, all) = self.night;
                    if all > 0 {
                        self.run = if wet * 10 >= all * 9 { self.run + 1 } else { 0 };
                    }
                    self.night = (day.0, 0, 0);
                }
                if (2 * 3_600..5 * 3_600).contains(&second) {
                    self.night.1 += u32::from(volume > 0);
                    self.night.2 += 1;
                }
                self.run >= 3
            }
        }
    }
}

impl Watch for Ruled {
    fn read(&mut self, read: Read, setting: &Setting<'_>) -> Vec<Told> {
        let Some(before) = self.before.replace(read).filter(|_| read.joined) else {
            return Vec::new();
        };
        let alarmed = self.judges(before, read, setting);
        let told = |change| vec![Told { at: read.at, change, kind: Kind::Constant }];
        match (std::mem::replace(&mut self.alarmed, alarmed), alarmed) {
            (false, true) => told(Change::Opened),
            (true, false) => told(Change::Closed),
            _ => Vec::new(),
        }
    }

    fn is_alarmed(&self) -> bool {
        self.alarmed
    }
}
