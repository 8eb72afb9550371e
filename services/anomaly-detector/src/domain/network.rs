//! Events of the network: of areas and gateways rather than of one meter.

use super::area::Interruption;

/// What an event is of. Its name is the key by which facts of many devices come to one partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// A district metered area.
    Area(Box<str>),
    /// A gateway.
    Gateway(Box<str>),
}

impl Group {
    /// Its name: `area:DMA-07`, `gateway:eui-1`.
    pub fn key(&self) -> String {
        match self {
            Self::Area(area) => format!("area:{area}"),
            Self::Gateway(gateway) => format!("gateway:{gateway}"),
        }
    }

    /// The one of that name.
    pub fn named(key: &str) -> Option<Self> {
        match key.split_once(':')? {
            (_, "") => None,
            ("area", area) => Some(Self::Area(area.into())),
            ("gateway", gateway) => Some(Self::Gateway(gateway.into())),
            _ => None,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An area has no water.
    Interruption,
    /// Nothing is heard of a gateway or an area.
    Silence,
    /// Many meters of an area take far less than they used to, from a week on.
    Drop,
}

impl Kind {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interruption => "supply_interruption",
            Self::Silence => "silence",
            Self::Drop => "area_drop",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Interruption, Self::Silence, Self::Drop].into_iter().find(|kind| kind.name() == name)
    }
}

/// An event of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkEvent {
    /// Its identifier.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// Of what.
    pub group: Group,
    /// When it began, as far as is known, seconds since the epoch.
    pub from: i64,
    /// When that was certain.
    pub seen: i64,
    /// When it was over; none while it goes on.
    pub until: Option<i64>,
    /// Meters that were dry when most were; 0 where that is not what it is about.
    pub affected: usize,
    /// Of how many.
    pub meters: usize,
    /// Later reads explain otherwise what it rested on.
    pub withdrawn: bool,
    /// The earliest beginning that it ever had: what was judged by it is judged again from there.
    pub earliest: i64,
    /// Revision of its document; 0 if it has none.
    pub revision: i64,
}

impl NetworkEvent {
    /// Whether it goes on.
    pub const fn is_open(&self) -> bool {
        self.until.is_none() && !self.withdrawn
    }

    fn new(id: String, kind: Kind, group: &Group, from: i64, seen: i64) -> Self {
        let (group, earliest) = (group.clone(), from);
        Self {
            id,
            kind,
            group,
            from,
            seen,
            until: None,
            affected: 0,
            meters: 0,
            withdrawn: false,
            earliest,
            revision: 0,
        }
    }

    fn begins(&mut self, from: i64) {
        self.from = from;
        self.earliest = self.earliest.min(from);
    }
}

/// Seconds after its end from which on nothing changes an interruption any more: the spells that it rests on are soon forgotten.
const FINAL: i64 = 7 * 86_400;

/// Has the interruptions among the events of an area say what was found; `newest` is the newest moment that its meters told of.
pub fn interruptions(
    events: &mut Vec<NetworkEvent>,
    group: &Group,
    found: &[Interruption],
    newest: i64,
    mut new_id: impl FnMut() -> String,
) {
    let oldest = newest - FINAL;
    let mut unmatched: Vec<usize> = (0..events.len())
        .filter(|at| events[*at].kind == Kind::Interruption)
        .filter(|at| events[*at].until.is_none_or(|until| until >= oldest))
        .collect();
    for one in found.iter().filter(|one| one.until.is_none_or(|until| until >= oldest)) {
        let end = one.until.unwrap_or(i64::MAX);
        let overlaps = |at: &usize| {
            let event = &events[*at];
            event.from < end && one.from < event.until.unwrap_or(i64::MAX)
        };
        let at = match unmatched.iter().position(overlaps) {
            Some(place) => unmatched.remove(place),
            None => {
                events.push(NetworkEvent::new(new_id(), Kind::Interruption, group, one.from, one.seen));
                events.len() - 1
            }
        };
        let event = &mut events[at];
        event.begins(one.from);
        (event.seen, event.until, event.withdrawn) = (one.seen, one.until, false);
        (event.affected, event.meters) = (one.dry, one.meters);
    }
    for at in unmatched {
        events[at].withdrawn = true;
    }
}

/// Seconds of silence that are none.
const SILENT: i64 = 3_600;

/// Has the silence among the events of a gateway or an area say since when nothing is heard, if nothing is; `last` is when it was last heard.
pub fn silence(
    events: &mut Vec<NetworkEvent>,
    group: &Group,
    silent_since: Option<i64>,
    last: i64,
    mut new_id: impl FnMut() -> String,
) {
    let open = events.iter_mut().find(|event| event.kind == Kind::Silence && event.is_open());
    match (open, silent_since) {
        (Some(event), Some(since)) => event.begins(since),
        // What is known late was heard all the same: it was never silent.
        (Some(event), None) if last > event.from => {
            event.withdrawn = last - event.from < SILENT;
            event.until = Some(last);
        }
        (Some(_), None) => {}
        (None, Some(since)) => events.push(NetworkEvent::new(new_id(), Kind::Silence, group, since, since)),
        (None, None) => {}
    }
}

/// Seconds of a week.
const WEEK: i64 = 7 * 86_400;

/// Has the wide drops among the events of an area be those of these weeks; one that was found stays.
pub fn drops(
    events: &mut Vec<NetworkEvent>,
    group: &Group,
    weeks: &[i32],
    mut new_id: impl FnMut() -> String,
) {
    for week in weeks {
        let from = i64::from(*week) * WEEK;
        if !events.iter().any(|event| event.kind == Kind::Drop && event.from == from) {
            let mut event = NetworkEvent::new(new_id(), Kind::Drop, group, from, from);
            event.until = Some(from + WEEK);
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn one(from: i64, until: Option<i64>) -> Interruption {
        Interruption {
            from: from * HOUR,
            seen: (from + 1) * HOUR,
            until: until.map(|at| at * HOUR),
            dry: 18,
            meters: 20,
        }
    }

    fn told(events: &[NetworkEvent]) -> Vec<(&str, i64, Option<i64>, bool)> {
        events.iter().map(|e| (&*e.id, e.from / HOUR, e.until.map(|at| at / HOUR), e.withdrawn)).collect()
    }

    #[test]
    fn an_interruption_stays_the_same_event_while_its_times_move() {
        let area = Group::named("area:a").unwrap();
        let mut events = Vec::new();
        let mut ids = 0;
        let mut tell = |events: &mut Vec<NetworkEvent>, found: &[Interruption], newest: i64| {
            interruptions(events, &area, found, newest * HOUR, || {
                ids += 1;
                format!("i{ids}")
            });
        };
        tell(&mut events, &[one(10, None)], 12);
        tell(&mut events, &[one(9, Some(15))], 15);
        assert_eq!(told(&events), [("i1", 9, Some(15), false)]);
        tell(&mut events, &[one(11, Some(15)), one(30, None)], 32);
        assert_eq!(told(&events), [("i1", 11, Some(15), false), ("i2", 30, None, false)]);
        assert_eq!(events[0].earliest, 9 * HOUR);
        tell(&mut events, &[one(30, None)], 33);
        assert_eq!(told(&events)[0], ("i1", 11, Some(15), true), "late reads say that there was water");
        tell(&mut events, &[one(11, Some(15)), one(30, Some(40))], 40);
        let before = events.clone();
        tell(&mut events, &[], 15 + 7 * 24 + 1);
        assert_eq!((&events[0], events[1].withdrawn), (&before[0], true), "the first is past changing");
    }

    #[test]
    fn a_silence_is_one_event_until_something_is_heard() {
        let gateway = Group::named("gateway:g:1").unwrap();
        assert_eq!(gateway.key(), "gateway:g:1");
        let mut events = Vec::new();
        let mut ids = 0;
        let course = [(None, 9), (Some(10), 10), (Some(10), 10), (None, 10), (None, 15), (Some(20), 20)];
        for (since, last) in course {
            silence(&mut events, &gateway, since.map(|at: i64| at * HOUR), last * HOUR, || {
                ids += 1;
                format!("s{ids}")
            });
        }
        silence(&mut events, &gateway, None, 20 * HOUR + 60, String::new);
        assert_eq!(told(&events), [("s1", 10, Some(15), false), ("s2", 20, Some(20), true)]);
    }

    #[test]
    fn a_week_of_drops_is_told_once() {
        let area = Group::named("area:a").unwrap();
        let mut events = Vec::new();
        drops(&mut events, &area, &[3], || "d1".into());
        drops(&mut events, &area, &[3, 4], || "d2".into());
        drops(&mut events, &area, &[], || "d3".into());
        assert_eq!(
            told(&events),
            [("d1", 3 * 168, Some(4 * 168), false), ("d2", 4 * 168, Some(5 * 168), false)]
        );
        assert_eq!((Group::named("x:y"), Group::named("area:")), (None, None));
    }
}
