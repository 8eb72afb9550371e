//! The life of an episode: opened once, told as it grows or gets worse, stopped, come back or closed.

use super::{Change, Episode, Kind, Signal};

/// An episode that stopped is the same one if it comes back within this time: cisterns seep on some days only.
pub const MEMORY: i64 = 14 * 86_400;
/// For so long nothing may speak for a leak before it seems to have stopped: a day has all the hours in which it may rest.
const STOPS_AFTER: i64 = 24 * 3_600;
/// A burst is over sooner; nothing hides such a flow.
const BURST_STOPS_AFTER: i64 = 6 * 3_600;
/// What goes on is told again once a day.
const TOLD_EVERY: i64 = 86_400;
/// A leak has grown when it runs at half as much again as when it was found (tenths), and at 5 L/h more.
const GROWN: (u32, u32) = (15, 5_000);
/// A drip that reaches this is a leak, millilitres an hour: clearly above the rate below which it is called a drip.
const NO_DRIP: u32 = 6_000;

/// What speaks for a leak, at the end of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What kind it looks like.
    pub kind: Kind,
    /// Its flow while it runs, millilitres an hour.
    pub rate: u32,
    /// Since when, seconds since the epoch.
    pub since: i64,
    /// What it lost up to here, millilitres.
    pub lost: i64,
}

impl Found {
    /// What of its loss, which was even up to `at`, came after a moment.
    fn lost_since(&self, moment: i64, at: i64) -> i64 {
        let (whole, part) = (at - self.since, at - self.since.max(moment));
        if part >= whole {
            return self.lost;
        }
        let part = i128::from(self.lost) * i128::from(part.max(0)) / i128::from(whole);
        i64::try_from(part).unwrap_or(self.lost)
    }
}

/// A slot that was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its end, seconds since the epoch.
    pub at: i64,
    /// For how long it says whether it is calm, seconds.
    pub seconds: i64,
    /// A leak that is to be told, if one is seen.
    pub found: Option<Found>,
    /// Whether next to nothing speaks for a leak that runs all the time.
    pub steady_calm: bool,
    /// Whether next to nothing speaks for a leak of any kind.
    pub calm: bool,
    /// Its flow, millilitres an hour.
    pub flow: u32,
    /// What runs all the time now, millilitres an hour.
    pub floor: u32,
    /// What of it was leaked if the leak goes on, millilitres.
    pub leaked: i64,
}

impl Judged {
    /// Of a slot that is not over, in which there is something that cannot wait.
    pub fn at_once(at: i64, found: Found) -> Self {
        Self {
            at,
            seconds: 0,
            found: Some(found),
            steady_calm: false,
            calm: false,
            flow: found.rate,
            floor: 0,
            leaked: 0,
        }
    }
}

/// The present episode, and what is needed to tell it well. Moments are seconds before or after it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub(super) opened: i64,
    pub(super) lost: i64,
    pub(super) since: u32,
    pub(super) until: u32,
    pub(super) told: u32,
    /// For how long it has been calm, seconds.
    pub(super) calm: u32,
    pub(super) rate: u32,
    /// Its rate when it was found.
    pub(super) first_rate: u32,
    pub(super) kind: Kind,
    pub(super) runs: bool,
}

impl Life {
    /// Takes what was judged of a slot into the life of an episode, if there is one, or begins one.
    pub fn live(life: &mut Option<Self>, judged: &Judged, signals: &mut Vec<Signal>) {
        if let Some(over) = life.filter(|life| !life.runs && judged.at - life.episode().until > MEMORY) {
            signals.push(Signal { at: judged.at, change: Change::Closed, episode: over.episode() });
            *life = None;
        }
        match life {
            None => *life = judged.found.map(|found| Self::open(judged.at, found, signals)),
            Some(life) if life.runs => life.go_on(judged, signals),
            Some(life) => life.come_back(judged, signals),
        }
    }

    /// It as it is told.
    pub fn episode(&self) -> Episode {
        Episode {
            opened: self.opened,
            since: self.opened - i64::from(self.since),
            until: self.opened + i64::from(self.until),
            kind: self.kind,
            rate: self.rate.into(),
            lost: self.lost,
            runs: self.runs,
        }
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.runs
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its flow, millilitres an hour.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    fn after(&self, at: i64) -> u32 {
        u32::try_from(at - self.opened).unwrap_or(u32::MAX)
    }

    fn tell(&mut self, at: i64, change: Change, signals: &mut Vec<Signal>) {
        self.told = self.after(at);
        signals.push(Signal { at, change, episode: self.episode() });
    }

    fn open(at: i64, found: Found, signals: &mut Vec<Signal>) -> Self {
        let Found { kind, rate, since, lost } = found;
        let since = u32::try_from(at - since).unwrap_or(0);
        let mut life = Self {
            opened: at,
            lost,
            since,
            until: 0,
            told: 0,
            calm: 0,
            rate,
            first_rate: rate,
            kind,
            runs: true,
        };
        life.tell(at, Change::Opened, signals);
        life
    }

    /// As which it is found to run from here on.
    fn take(&mut self, found: Found) {
        (self.kind, self.rate, self.first_rate, self.calm) = (found.kind, found.rate, found.rate, 0);
    }

    fn come_back(&mut self, judged: &Judged, signals: &mut Vec<Signal>) {
        let Some(found) = judged.found else {
            return;
        };
        self.take(found);
        // What ran before it stopped was counted then, however far back what is found now reaches.
        self.lost += found.lost_since(self.episode().until, judged.at);
        (self.runs, self.until) = (true, self.after(judged.at));
        self.tell(judged.at, Change::Returned, signals);
    }

    fn go_on(&mut self, judged: &Judged, signals: &mut Vec<Signal>) {
        let was = self.kind;
        let (calm, stops_after) = match was {
            Kind::Burst => (judged.flow < self.rate / 2, BURST_STOPS_AFTER),
            Kind::Cyclic => (judged.calm && judged.found.is_none(), STOPS_AFTER),
            // What ran all the time until now also looks like one that rests, for some hours after its end.
            _ => {
                let found = judged.found.is_some_and(|found| found.kind != Kind::Cyclic);
                (judged.steady_calm && !found, STOPS_AFTER)
            }
        };
        if calm {
            self.calm = self.calm.saturating_add(u32::try_from(judged.seconds).unwrap_or(u32::MAX));
        } else {
            (self.calm, self.until) = (0, self.after(judged.at));
            self.lost += judged.leaked;
        }
        if i64::from(self.calm) >= stops_after {
            return self.stop(judged, signals);
        }
        if let Some(found) = judged.found {
            self.grow(found, judged.floor);
        }
        if self.kind.level() > was.level() {
            self.tell(judged.at, Change::Worse, signals);
        } else if self.kind != was || judged.at - self.opened - i64::from(self.told) >= TOLD_EVERY {
            self.tell(judged.at, Change::Grew, signals);
        }
    }

    fn stop(&mut self, judged: &Judged, signals: &mut Vec<Signal>) {
        let is_burst = self.kind == Kind::Burst;
        match judged.found.filter(|found| is_burst && found.kind != Kind::Burst) {
            // A burst was stemmed, and something still runs.
            Some(found) => {
                self.take(found);
                self.tell(judged.at, Change::Grew, signals);
            }
            None => {
                self.runs = false;
                self.tell(judged.at, Change::Stopped, signals);
            }
        }
    }

    /// Finds out how it runs now.
    fn grow(&mut self, found: Found, floor: u32) {
        match (self.kind, found.kind) {
            (_, Kind::Burst) => (self.kind, self.rate) = (Kind::Burst, self.rate.max(found.rate)),
            (Kind::Burst, _) => {}
            // Its end is not a change of its rate.
            (Kind::Drip | Kind::Pausing | Kind::Constant | Kind::Growing, Kind::Cyclic) => {}
            (kind, _) => {
                self.rate = found.rate;
                let leaves_drip = kind != Kind::Drip || found.rate >= NO_DRIP;
                let is_steadier = kind == Kind::Cyclic && found.kind != Kind::Drip;
                if leaves_drip && (found.kind.level() > kind.level() || is_steadier) {
                    self.kind = found.kind;
                }
                let is_steady = matches!(found.kind, Kind::Constant | Kind::Pausing);
                let grown = (self.first_rate / 10 * GROWN.0).max(self.first_rate.saturating_add(GROWN.1));
                if is_steady && floor >= grown && self.kind.level() < Kind::Growing.level() {
                    self.kind = Kind::Growing;
                }
            }
        }
    }
}
