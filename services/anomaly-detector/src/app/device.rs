//! A device in memory: what the registry says of it, its weeks, its events, and what of them is not stored yet.

use indowater_common::clock;
use indowater_common::domain::facts::{Owner, Timeline};
use indowater_common::domain::reads::Read;
use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use tracing::Span;

use super::devices::Confidence;
use crate::domain::condition::{Condition, DeviceCondition, Heard, Uplink};
use crate::domain::event::{self, LeakEvent, World};
use crate::domain::expectation::Expectations;
use crate::domain::history::{Context, Found, History, NeedsOlder, Week};
use crate::domain::leak::{Kind, Period};
use crate::domain::member::Member;
use crate::domain::network::Group;
use crate::domain::notice::Notices;
use crate::domain::place::Place;
use crate::domain::rest::Rests;
use crate::domain::tampering::{self, Seen, TamperingEvent};
use crate::mongo::{Changed, Loaded, MemberNews, Newest, OfDevice};

/// One record of the readings topic, understood.
#[derive(Debug)]
pub struct Reading {
    /// `devices.id`.
    pub device_id: Box<str>,
    /// What the registry says of it.
    pub timeline: Timeline,
    /// The property's zone.
    pub zone: Zone,
    /// None where only the registry's entry has changed.
    pub reads: Vec<Read>,
    /// What the meter complains about that may be tampering.
    pub seen: Vec<Seen>,
    /// The district metered area of its property; empty: none.
    pub area: Box<str>,
    /// The gateway that took the telemetry; empty: not known.
    pub gateway_id: Box<str>,
    /// How the device is, as far as its telemetry says; none where nobody heard it.
    pub uplink: Option<Uplink>,
    /// Open until the effect is durable, if the record is part of a kept trace.
    pub span: Option<Span>,
}

/// What is stored of a device.
#[derive(Default)]
pub struct Stored {
    /// Its weeks, or the newest one.
    pub loaded: Loaded,
    /// Whether these are all that is kept.
    pub is_whole: bool,
    /// Its leaks.
    pub leaks: Vec<LeakEvent>,
    /// Its tampering events.
    pub tampering: Vec<TamperingEvent>,
    /// What was said of its property.
    pub expectations: Expectations,
    /// When it was out of service.
    pub rests: Rests,
    /// How it was when that was last told.
    pub condition: Option<DeviceCondition>,
    /// What it told its area last.
    pub member: Option<Member>,
}

/// A device in memory.
pub struct Device {
    /// Of the newest version known.
    pub timeline: Timeline,
    /// The property's zone.
    pub zone: Zone,
    /// Its weeks.
    pub history: History,
    /// Where it belongs.
    place: Place,
    leaks: Vec<LeakEvent>,
    tampering: Vec<TamperingEvent>,
    /// What was said of its property.
    expectations: Expectations,
    /// When it was out of service.
    rests: Rests,
    /// What its meter has complained about since the last flush.
    seen: Vec<Seen>,
    /// What was heard of it.
    heard: Heard,
    /// Whether it was heard since that was stored.
    is_heard: bool,
    /// How it was when that was last told, and the revision of that.
    condition: Condition,
    condition_revision: i64,
    /// Whether that is not stored yet.
    is_condition_news: bool,
    /// When it is to be looked for.
    due_at: Option<i64>,
    /// Whether it was looked for, and is missed by itself.
    is_missed: bool,
    /// What it told its area last, and what it is to tell now.
    member: Box<Member>,
    member_news: Option<Box<Member>>,
    /// Events that differ from their documents, by id.
    changed: Vec<String>,
    /// Whether the registry's entry is newer than the one that is stored.
    is_newer: bool,
}

/// By what the devices of an instance are judged alike.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Prices.
    pub tariffs: &'a TariffBook,
    /// How often findings were leaks.
    pub confidence: &'a Confidence,
    /// When the newest telemetry of the partition was received, seconds since the epoch.
    pub now: i64,
    /// What is known of areas and gateways.
    pub notices: &'a Notices,
}

/// Seconds after which a device whose gateway or area may be silent is looked for again.
const LOOK_AGAIN: i64 = 300;
/// Seconds of reads that follow a drop before it is told: by then the neighbours have told theirs.
const NEIGHBOURS: i64 = 86_400;

impl Device {
    /// With what is stored of it, if anything is; `timeline` is what the registry says if no document does.
    pub fn new(timeline: Timeline, zone: Zone, stored: Stored) -> Self {
        let Stored { loaded, is_whole, leaks, tampering, expectations, rests, condition, member } = stored;
        let is_truncated = !is_whole && !loaded.weeks.is_empty();
        let (condition, condition_revision) =
            condition.map_or_else(Default::default, |told| (told.condition, told.revision));
        Self {
            timeline: loaded.place.map_or(timeline, |(timeline, _)| timeline),
            zone,
            heard: loaded.heard,
            is_heard: false,
            condition,
            condition_revision,
            is_condition_news: false,
            due_at: None,
            is_missed: false,
            member: Box::new(member.unwrap_or_default()),
            member_news: None,
            place: loaded.belongs,
            history: History::of(loaded.weeks, is_truncated),
            leaks,
            tampering,
            expectations,
            rests,
            seen: Vec::new(),
            changed: Vec::new(),
            is_newer: false,
        }
    }

    /// The same device as it is stored now, with what was not stored yet of what came.
    pub fn reloaded(&self, stored: Stored) -> Self {
        let mut device = Self::new(self.timeline.clone(), self.zone.clone(), stored);
        device.learn(self.timeline.clone());
        for week in self.history.weeks().iter().filter(|week| week.is_dirty) {
            for reads in &week.days {
                let reads: Vec<Read> = reads.iter().collect();
                let _ = device.history.add(&reads, &device.zone);
            }
        }
        device.seen.clone_from(&self.seen);
        let judged_by = device.place.judged_by;
        device.place = Place { judged_by, ..self.place.clone() };
        // It is the newest that was heard, or what was heard by somebody else is.
        if self.heard.last >= device.heard.last {
            device.heard.clone_from(&self.heard);
        }
        if let Some(oldest) = device.history.weeks().first() {
            // Whatever somebody else wrote, people decided or said may change all that is kept.
            let from = Week::first_day(oldest.number);
            device.history.touch(from);
        }
        device
    }

    /// Whether a reading can be taken without older weeks.
    pub fn covers(&self, reading: &Reading) -> bool {
        self.needs(reading).is_none_or(|day| self.history.covers(day))
    }

    /// The first day that has to be judged again when a reading is taken; none if nothing has.
    fn needs(&self, reading: &Reading) -> Option<Day> {
        let earliest = self.history.earliest(&reading.reads, &self.zone);
        let news = self.news(&reading.timeline).map(|day| day.max(self.history.oldest()));
        earliest.into_iter().chain(news).min()
    }

    /// The first day on which a newer timeline says something else.
    fn news(&self, timeline: &Timeline) -> Option<Day> {
        if timeline.version <= self.timeline.version {
            return None;
        }
        self.timeline.differs_from(timeline, &self.zone)
    }

    /// Takes a timeline if it is newer.
    fn learn(&mut self, timeline: Timeline) {
        if timeline.version > self.timeline.version {
            if let Some(day) = self.news(&timeline) {
                let oldest = self.history.weeks().first().map_or(day, |week| Week::first_day(week.number));
                self.history.touch(day.max(oldest));
            }
            self.timeline = timeline;
            self.is_newer = true;
        }
    }

    /// Takes a reading that is [covered](Self::covers). Returns how many of its reads were too old.
    pub fn take(&mut self, reading: Reading) -> usize {
        if reading.timeline.version >= self.timeline.version && self.place.area != reading.area {
            self.place.area = reading.area;
            self.is_newer = true;
        }
        self.learn(reading.timeline);
        self.seen.extend(reading.seen);
        if let Some(uplink) = reading.uplink {
            let before = self.heard.last;
            self.heard.take(uplink);
            if self.heard.last > before {
                self.is_heard = true;
                self.is_missed = false;
                self.place.gateway_id = reading.gateway_id;
            }
        }
        self.history.add(&reading.reads, &self.zone)
    }

    /// The area and the gateway it belongs to.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.place.groups()
    }

    /// From when on its own rhythm has it missed, seconds since the epoch.
    pub fn due(&self) -> i64 {
        self.heard.due()
    }

    /// Has it looked at, and written when to look again. It is missed unless its area or gateway may be silent as a whole.
    pub fn look(&mut self, is_missed: bool) {
        self.is_newer = true;
        self.is_missed = is_missed;
    }

    /// Has everything judged again that news of its area may change.
    fn heed(&mut self, notices: &Notices) {
        if let Some(from) = notices.changed_since(&self.place.area, self.place.judged_by) {
            self.history.touch(self.zone.day_of(from).max(self.history.oldest()));
            self.place.judged_by = notices.sequence;
            self.is_newer = true;
        }
    }

    /// How it is, and from when on it is missed. A device is not missed while it is out of service, nor of a silent gateway or area: that
    /// is one event, and afterwards each has its time again.
    fn condition(&mut self, rules: Rules<'_>) -> Condition {
        let mut condition = self.heard.condition(rules.now, &self.condition);
        let excused = rules.notices.silent_until(self.place.groups());
        let back = self.rests.times.last().and_then(|rest| rest.until).unwrap_or_default();
        let since = self.heard.last.max(excused.unwrap_or_default()).max(back);
        let due = since.saturating_add(self.heard.allowed());
        let is_missed = self.is_missed && excused != Some(i64::MAX) && rules.now > due;
        condition.is_offline &= (self.condition.is_offline || is_missed) && !self.rests.goes_on();
        self.due_at = match condition.is_offline || self.rests.goes_on() {
            true => None,
            // It is held; excused, it is looked for when its time has come again.
            false if due <= rules.now || due == i64::MAX => Some(rules.now + LOOK_AGAIN),
            false => Some(due),
        };
        condition
    }

    /// Computes what follows from what came.
    ///
    /// # Errors
    /// Older weeks are needed.
    pub fn settle(&mut self, device_id: &str, rules: Rules<'_>) -> Result<(), NeedsOlder> {
        self.heed(rules.notices);
        let said = self.expectations.periods().chain(self.rests.periods());
        let said = said.chain(rules.notices.quiet(&self.place.area));
        let periods: Vec<Period> = said.chain(self.leaks.iter().filter_map(LeakEvent::normal)).collect();
        let closed: Vec<(i64, i64)> = self.rests.closed().collect();
        let (timeline, zone) = (&self.timeline, &self.zone);
        let context = Context { timeline, zone, periods: &periods, closed: &closed, tariffs: rules.tariffs };
        let leaks = &self.leaks;
        let found = self.history.settle(context, |signal| leaks.iter().any(|event| event.knows(signal)))?;
        let condition = self.condition(rules);
        if condition.is_news(&self.condition) {
            self.condition = condition;
            self.is_condition_news = true;
        }
        let is_newer = std::mem::take(&mut self.is_newer) | std::mem::take(&mut self.is_heard);
        if (is_newer || self.is_condition_news)
            && let Some(newest) = self.history.weeks_mut().last_mut()
        {
            // The newest week keeps what the registry says, and until when nobody need miss the device.
            newest.is_dirty = true;
        }
        // One that is silent stands by what it told; one that is out of service says nothing.
        let is_out = self.rests.goes_on();
        let told = found.as_ref().and_then(|found| found.supply.as_ref()).filter(|_| !is_out);
        if is_out || found.is_some() {
            self.member_news = self.member.news(&self.place.area, told).map(Box::new);
        }
        self.tell(device_id, found.as_ref(), rules);
        Ok(())
    }

    /// Has the events say what was found.
    fn tell(&mut self, device_id: &str, found: Option<&Found>, rules: Rules<'_>) {
        let confidence = rules.confidence;
        let here = Here { device_id, timeline: &self.timeline, zone: &self.zone, confidence };
        if let Some(found) = found {
            let before = std::mem::take(&mut self.leaks);
            self.leaks = event::live(before.clone(), found, &here);
            let news =
                self.leaks.iter().filter(|event| !before.contains(event)).map(|event| event.id.clone());
            self.changed.extend(news);
        }
        let behaviour = found.map_or(&[][..], |found| &found.behaviour);
        let area = &self.place.area;
        let newest = found.map_or(0, |found| found.newest);
        // What the neighbours do as well is the area's, and they are to have their say first.
        let holds = |seen: &&Seen| {
            !seen.evidence.is_drop()
                || area.is_empty()
                || (newest >= seen.at + NEIGHBOURS && !rules.notices.is_wide_drop(area, seen.day))
        };
        let seen: Vec<Seen> = behaviour.iter().filter(holds).chain(&self.seen).copied().collect();
        let before = std::mem::take(&mut self.tampering);
        let replayed = found.map(|found| found.from);
        self.tampering = tampering::gather(before.clone(), &seen, replayed, |seen| here.tampering(seen));
        let news =
            self.tampering.iter().filter(|event| !before.contains(event)).map(|event| event.id.clone());
        self.changed.extend(news);
    }

    /// What differs from what is stored and told.
    pub fn changed(&self, device_id: &str) -> Changed {
        // Whose it is now: a move-in may be known before its day.
        let owner = &self.timeline.on(self.zone.day_of(self.heard.last)).owner;
        let condition = self.is_condition_news.then(|| DeviceCondition {
            device_id: device_id.to_owned(),
            customer_id: owner.customer_id.to_string(),
            property_id: owner.property_id.to_string(),
            condition: self.condition.clone(),
            revision: self.condition_revision,
        });
        let member = self.member_news.as_deref().cloned().map(|member| MemberNews {
            device_id: device_id.to_owned(),
            former_area: (self.member.told.is_some() && self.member.area != member.area)
                .then(|| self.member.area.clone()),
            member,
        });
        Changed {
            condition,
            member,
            leaks: self.leaks.iter().filter(|event| self.changed.contains(&event.id)).cloned().collect(),
            tampering: self
                .tampering
                .iter()
                .filter(|event| self.changed.contains(&event.id))
                .cloned()
                .collect(),
            traceparent: None,
        }
    }

    /// Notes that all that changed is stored as it is.
    pub fn events_written(&mut self) {
        for event in self.leaks.iter_mut().filter(|event| self.changed.contains(&event.id)) {
            event.revision += 1;
            event.is_foreign = false;
        }
        for event in self.tampering.iter_mut().filter(|event| self.changed.contains(&event.id)) {
            event.revision += 1;
        }
        self.changed.clear();
        self.condition_revision += i64::from(std::mem::take(&mut self.is_condition_news));
        if let Some(told) = self.member_news.take() {
            *self.member = Member { revision: told.revision + 1, ..*told };
        }
    }

    /// What a week is written of, and what its newest one keeps besides.
    pub fn of_week<'a>(
        &'a self,
        device_id: &'a str,
        week: &Week,
        partition: i32,
    ) -> (OfDevice<'a>, Option<Newest<'a>>) {
        let of_device = OfDevice { device_id, timeline: &self.timeline, zone: &self.zone };
        let is_newest = self.history.weeks().last().is_some_and(|last| last.number == week.number);
        let newest = Newest { heard: &self.heard, place: &self.place, due_at: self.due_at, partition };
        (of_device, is_newest.then_some(newest))
    }

    /// Keeps what the next reads need.
    pub fn rest(&mut self) {
        self.seen = Vec::new();
        self.changed = Vec::new();
        self.history.keep_newest();
    }
}

/// A device as its events see it.
struct Here<'a> {
    device_id: &'a str,
    timeline: &'a Timeline,
    zone: &'a Zone,
    confidence: &'a Confidence,
}

impl Here<'_> {
    fn at(&self, at: i64) -> &Owner {
        &self.timeline.on(self.zone.day_of(at)).owner
    }

    fn tampering(&self, seen: Seen) -> TamperingEvent {
        let owner = self.at(seen.at);
        TamperingEvent {
            id: clock::new_id("tampering"),
            device_id: self.device_id.to_owned(),
            customer_id: owner.customer_id.to_string(),
            property_id: owner.property_id.to_string(),
            of_type: seen.evidence.of_type(),
            begun: seen.at,
            seen: vec![seen],
            inspection: None,
            revision: 0,
            foreign: None,
        }
    }
}

impl World for Here<'_> {
    fn device(&self) -> String {
        self.device_id.to_owned()
    }

    fn owner(&self, at: i64) -> (String, String) {
        let owner = self.at(at);
        (owner.customer_id.to_string(), owner.property_id.to_string())
    }

    fn id(&self) -> String {
        clock::new_id("leak")
    }

    fn confidence(&self, kind: Kind) -> u16 {
        self.confidence.of(kind)
    }
}
