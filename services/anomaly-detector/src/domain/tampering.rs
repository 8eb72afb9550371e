//! Tampering: what a meter says of itself and what its register does that no use of water explains.
//!
//! Evidence is a set: a kind of it on a local day, with the first moment of that day. It merges as sets do, so repetition and order change
//! nothing. Evidence gathers in the one open event of its type until a technician has resolved it; what is seen later than
//! that is another event.

use indowater_common::domain::zone::Day;

/// What speaks for tampering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The meter felt a magnet.
    Magnet,
    /// Its case was opened.
    CaseOpen,
    /// It was tilted or turned.
    Tilt,
    /// It saw water run backwards, as it does when it is put in the wrong way round.
    ReverseFlow,
    /// Its register stepped back for good: it was reset, or exchanged by nobody that the registry knows.
    SteppedBack,
    /// Hardly a fifth of the water that was usual, all of a fortnight.
    Drop,
    /// No water for a fortnight where there was a habit of it.
    Dry,
    /// Water flowed while the connection was closed.
    FlowWhileClosed,
}

/// Every kind, with its name in documents, what it is by the data model, and its weight.
///
/// A magnet, an open case, a register that steps back and water at a closed connection are hardly chance; a tilt may be a knock, reverse flow a pump, a drop or a dry
/// fortnight a journey.
const KINDS: [(Evidence, &str, Type, u32); 8] = [
    (Evidence::Magnet, "magnet", Type::Magnetic, 2),
    (Evidence::CaseOpen, "case_open", Type::Physical, 2),
    (Evidence::Tilt, "tilt", Type::Physical, 1),
    (Evidence::ReverseFlow, "reverse_flow", Type::Physical, 1),
    (Evidence::SteppedBack, "stepped_back", Type::Physical, 2),
    (Evidence::Drop, "drop", Type::Bypass, 1),
    (Evidence::Dry, "dry", Type::Bypass, 1),
    (Evidence::FlowWhileClosed, "flow_while_closed", Type::Bypass, 2),
];

impl Evidence {
    fn entry(self) -> (Self, &'static str, Type, u32) {
        // Every variant stands in the table; a test holds it.
        KINDS.into_iter().find(|(kind, ..)| *kind == self).unwrap_or(KINDS[0])
    }

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|(_, known, ..)| *known == name).map(|(kind, ..)| kind)
    }

    /// What it is by the data model.
    pub fn of_type(self) -> Type {
        self.entry().2
    }

    /// Whether it follows from the path of reads, so that later reads can take it back.
    pub const fn is_behaviour(self) -> bool {
        matches!(self, Self::SteppedBack | Self::Drop | Self::Dry | Self::FlowWhileClosed)
    }

    /// Whether it says nothing where the neighbours do the same.
    pub const fn is_drop(self) -> bool {
        matches!(self, Self::Drop | Self::Dry)
    }
}

/// The data model's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A magnet that stops the meter from counting.
    Magnetic,
    /// Somebody's hands on the meter.
    Physical,
    /// Water that takes another way.
    Bypass,
}

/// How much speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may well be something else.
    Low,
    /// One thing that is hardly chance.
    Medium,
    /// Several, or one that goes on.
    High,
}

/// A kind of evidence on a local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What.
    pub evidence: Evidence,
    /// The local day.
    pub day: Day,
    /// The first moment on that day, seconds since the epoch.
    pub at: i64,
}

/// What a technician did with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// `users.id` of the technician.
    pub by: String,
    /// When, seconds since the epoch.
    pub at: i64,
    /// What came of it, once it is resolved.
    pub resolution: Option<String>,
}

/// As the data model names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody has looked.
    Active,
    /// Somebody is looking.
    Investigated,
    /// It is settled.
    Resolved,
}

/// A tampering event.
#[derive(Clone, Debug, PartialEq)]
pub struct TamperingEvent {
    /// Its identifier.
    pub id: String,
    /// `devices.id`.
    pub device_id: String,
    /// Who had the connection when it began.
    pub customer_id: String,
    /// Where.
    pub property_id: String,
    /// What it is.
    pub of_type: Type,
    /// When it was first detected, seconds since the epoch, also if what it rested on was taken back.
    pub begun: i64,
    /// What it rests on, by day.
    pub seen: Vec<Seen>,
    /// What a technician did.
    pub inspection: Option<Inspection>,
    /// Revision of its document; 0 if it has none, or another system's.
    pub revision: i64,
    /// What another system said, if it was one that found it.
    pub foreign: Option<Foreign>,
}

/// What another system said of an event that it found: it stands, and people can settle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Seconds since the epoch.
    pub detected_at: i64,
    /// How much spoke for it.
    pub severity: Severity,
    /// In its words.
    pub description: String,
}

/// Days of evidence that one event keeps: the first ones.
const MOST_SEEN: usize = 100;
/// A meter that says the same on so many days says it in earnest.
const IN_EARNEST: usize = 3;

impl TamperingEvent {
    /// When it began to be known, seconds since the epoch.
    pub fn detected_at(&self) -> i64 {
        let foreign = self.foreign.as_ref().map(|foreign| foreign.detected_at);
        self.seen.iter().map(|seen| seen.at).chain(foreign).min().unwrap_or(self.begun)
    }

    /// What it is to people now. What later reads took back is settled.
    pub fn status(&self) -> Status {
        match &self.inspection {
            _ if self.seen.is_empty() && self.foreign.is_none() => Status::Resolved,
            None => Status::Active,
            Some(Inspection { resolution: None, .. }) => Status::Investigated,
            Some(_) => Status::Resolved,
        }
    }

    /// How much speaks for it.
    pub fn severity(&self) -> Severity {
        if let Some(foreign) = &self.foreign {
            return foreign.severity;
        }
        let weight = KINDS.into_iter().map(|(kind, _, _, weight)| {
            match self.seen.iter().filter(|seen| seen.evidence == kind).count() {
                0 => 0,
                days if days < IN_EARNEST => weight,
                _ => weight + 1,
            }
        });
        match weight.sum::<u32>() {
            0 | 1 => Severity::Low,
            2 => Severity::Medium,
            _ => Severity::High,
        }
    }

    fn resolved_at(&self) -> Option<i64> {
        self.inspection.as_ref().filter(|inspection| inspection.resolution.is_some()).map(|done| done.at)
    }

    fn note(&mut self, seen: Seen) {
        match self.seen.iter_mut().find(|known| (known.evidence, known.day) == (seen.evidence, seen.day)) {
            Some(known) => known.at = known.at.min(seen.at),
            None => self.seen.push(seen),
        }
        self.seen.sort_unstable_by_key(|seen| (seen.at, seen.evidence));
        self.seen.truncate(MOST_SEEN);
    }
}

/// Adds evidence to the events of a device, which are returned, oldest first. `replayed` is the moment from which on behaviour was judged
/// anew: what of it is not among `seen` any more is taken back.
pub fn gather(
    mut events: Vec<TamperingEvent>,
    seen: &[Seen],
    replayed: Option<i64>,
    begin: impl Fn(Seen) -> TamperingEvent,
) -> Vec<TamperingEvent> {
    if let Some(from) = replayed {
        let holds = |known: &Seen| {
            let is_found = || seen.iter().any(|s| (s.evidence, s.day) == (known.evidence, known.day));
            !known.evidence.is_behaviour() || known.at < from || is_found()
        };
        for event in events.iter_mut().filter(|event| event.resolved_at().is_none()) {
            event.seen.retain(holds);
        }
    }
    for new in seen {
        let of_type = new.evidence.of_type();
        let takes = |event: &&mut TamperingEvent| {
            event.foreign.is_none()
                && event.of_type == of_type
                && event.resolved_at().is_none_or(|resolved| new.at <= resolved)
        };
        match events.iter_mut().find(takes) {
            Some(event) if event.resolved_at().is_some() => {}
            Some(event) => event.note(*new),
            None => events.push(begin(*new)),
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn seen(evidence: Evidence, day: i32) -> Seen {
        Seen { evidence, day: Day(day), at: i64::from(day) * DAY }
    }

    fn with(events: Vec<TamperingEvent>, new: &[Seen]) -> Vec<TamperingEvent> {
        gather(events, new, Some(0), |seen| TamperingEvent {
            id: format!("tampering-{}", seen.at),
            device_id: "device-1".into(),
            customer_id: "customer-1".into(),
            property_id: "property-1".into(),
            of_type: seen.evidence.of_type(),
            begun: seen.at,
            seen: vec![seen],
            inspection: None,
            revision: 0,
            foreign: None,
        })
    }

    #[test]
    fn every_kind_has_its_entry() {
        for (kind, name, ..) in KINDS {
            assert_eq!((kind.name(), Evidence::named(name)), (name, Some(kind)));
        }
        assert_eq!(Evidence::named("moon"), None);
    }

    #[test]
    fn evidence_gathers_in_one_event_of_its_type_until_it_is_resolved() {
        let once = with(Vec::new(), &[seen(Evidence::Tilt, 10)]);
        assert_eq!((once.len(), once[0].severity(), once[0].status()), (1, Severity::Low, Status::Active));
        let more =
            with(once, &[seen(Evidence::Tilt, 10), seen(Evidence::CaseOpen, 9), seen(Evidence::Magnet, 10)]);
        let of_types: Vec<_> =
            more.iter().map(|e| (e.of_type, e.severity(), e.detected_at() / DAY)).collect();
        assert_eq!(of_types, [(Type::Physical, Severity::High, 9), (Type::Magnetic, Severity::Medium, 10)]);
        let mut resolved = more;
        resolved[0].inspection =
            Some(Inspection { by: "t".into(), at: 12 * DAY, resolution: Some("sealed".into()) });
        let later = with(resolved.clone(), &[seen(Evidence::Tilt, 11), seen(Evidence::Tilt, 13)]);
        assert_eq!(later.len(), 3, "what was seen before it was resolved is settled with it");
        assert_eq!((later[0].clone(), later[2].detected_at()), (resolved[0].clone(), 13 * DAY));
    }

    #[test]
    fn what_goes_on_is_in_earnest() {
        let days: Vec<_> = (0..3).map(|day| seen(Evidence::Magnet, day)).collect();
        assert_eq!(with(Vec::new(), &days)[0].severity(), Severity::High);
    }

    #[test]
    fn behaviour_that_later_reads_explain_is_taken_back_and_alarms_are_not() {
        let before = with(Vec::new(), &[seen(Evidence::SteppedBack, 3), seen(Evidence::Magnet, 3)]);
        let after = with(before.clone(), &[]);
        assert_eq!(
            after.iter().map(TamperingEvent::status).collect::<Vec<_>>(),
            [Status::Resolved, Status::Active]
        );
        assert_eq!(with(after, &[seen(Evidence::SteppedBack, 3)]), before, "and comes back as it was");
    }
}
