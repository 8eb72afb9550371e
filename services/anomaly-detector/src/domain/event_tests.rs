//! The life of an event: what is told, what people say, what is told otherwise later.

use super::*;
use Change::{Closed, Grew, Opened, Returned, Stopped, Worse};
use Kind::{Burst, Constant};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

struct Names(std::cell::Cell<usize>);

impl World for Names {
    fn device(&self) -> String {
        "device-1".into()
    }

    fn owner(&self, _: i64) -> (String, String) {
        ("customer-1".into(), "property-1".into())
    }

    fn id(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("leak-{}", self.0.get())
    }

    fn confidence(&self, kind: Kind) -> u16 {
        if kind == Burst { 800 } else { 930 }
    }
}

fn told(opened: i64, at: i64, change: Change, kind: Kind) -> Told {
    let runs = !matches!(change, Stopped | Closed);
    let (rate, lost) = (10_000, (at - opened) * 3);
    let episode = Episode { opened, since: opened - DAY, until: at, kind, rate, lost, runs };
    let is_news = matches!(change, Opened | Worse | Returned);
    let explanation = Explanation { hours: Vec::new(), dry: 0, usually_dry: 10, least: None };
    let signal = Signal { at, change, episode };
    Told { signal, rupiah: lost / 100, explanation: is_news.then_some(explanation) }
}

/// News of one episode that opened at `opened`: days later and what happened.
fn episode(opened: i64, news: &[(i64, Change, Kind)]) -> Vec<Told> {
    news.iter().map(|(day, change, kind)| told(opened, opened + day * DAY, *change, *kind)).collect()
}

fn found(from: i64, told: Vec<Told>) -> Found {
    Found { from, told, ..Found::default() }
}

/// The events after what was found from each moment on, one after the other.
fn lived(steps: &[Found]) -> Vec<LeakEvent> {
    let world = Names(Default::default());
    steps.iter().fold(Vec::new(), |events, found| live(events, found, &world))
}

fn brief(events: &[LeakEvent]) -> Vec<(&str, Status, i64, usize)> {
    events.iter().map(|event| (&*event.id, event.status(), event.opened, event.steps.len())).collect()
}

#[test]
fn an_event_opens_once_grows_worsens_stops_and_comes_back_as_itself() {
    let life = [
        (0, Opened, Constant),
        (1, Grew, Constant),
        (2, Worse, Burst),
        (3, Stopped, Burst),
        (9, Returned, Burst),
    ];
    let all = episode(DAY, &life);
    for known in 1..=all.len() {
        // Replayed as a whole, or bit by bit.
        let at_once = lived(&[found(0, all[..known].to_vec())]);
        let bit_by_bit: Vec<Found> =
            (0..known).map(|last| found(all[last].signal.at, vec![all[last].clone()])).collect();
        assert_eq!(brief(&at_once).len(), 1);
        let by_week: Vec<Found> = (1..=known).map(|up_to| found(0, all[..up_to].to_vec())).collect();
        assert_eq!(lived(&by_week), at_once, "{known}");
        let status = if known == 4 { Status::Resolved } else { Status::Active };
        assert_eq!(at_once[0].status(), status);
        assert_eq!(bit_by_bit.len(), known);
    }
    let whole = lived(&[found(0, all)]);
    assert_eq!((whole[0].confidence, whole[0].episode.kind), (800, Burst));
    let closed = lived(&[found(
        0,
        episode(DAY, &[(0, Opened, Constant), (2, Stopped, Constant), (16, Closed, Constant)]),
    )]);
    assert_eq!((closed[0].status(), closed[0].resolved_at()), (Status::Resolved, Some(3 * DAY)));
}

#[test]
fn news_of_a_later_replay_take_the_place_of_those_of_its_time_and_of_no_others() {
    let first = episode(DAY, &[(0, Opened, Constant), (1, Grew, Constant), (2, Grew, Constant)]);
    let later = episode(DAY, &[(2, Stopped, Constant)]);
    let events = lived(&[found(0, first), found(3 * DAY, later)]);
    let changes: Vec<_> = events[0].steps.iter().map(|step| step.change).collect();
    assert_eq!((events.len(), changes), (1, vec![Opened, Grew, Stopped]));
    // Nothing is told of that time any more: the event is as it was before.
    let events = lived(&[
        found(0, episode(DAY, &[(0, Opened, Constant), (2, Grew, Constant)])),
        found(2 * DAY, vec![]),
    ]);
    assert_eq!((events[0].steps.len(), events[0].episode.until), (1, DAY));
}

#[test]
fn an_opening_that_moves_is_the_same_event_and_one_that_was_none_is_withdrawn() {
    let opened = |at| found(0, episode(at, &[(0, Opened, Constant)]));
    let moved = lived(&[opened(2 * DAY), opened(DAY)]);
    assert_eq!(brief(&moved), [("leak-1", Status::Active, DAY, 1)]);
    let gone = lived(&[opened(DAY), found(0, vec![])]);
    assert_eq!((brief(&gone), gone[0].withdrawn), (vec![("leak-1", Status::Resolved, DAY, 1)], true));
    let back = lived(&[opened(DAY), found(0, vec![]), opened(DAY)]);
    assert_eq!((brief(&back), back[0].withdrawn), (vec![("leak-1", Status::Active, DAY, 1)], false));
}

fn decided(mut events: Vec<LeakEvent>, verdict: Verdict, at: i64) -> Vec<LeakEvent> {
    events[0].decision = Some(Decision { verdict, at, by: "customer-1".into(), notes: "a pool".into() });
    events
}

#[test]
fn what_worsens_after_not_a_leak_is_another_event() {
    let world = Names(Default::default());
    let all = episode(
        DAY,
        &[
            (0, Opened, Constant),
            (1, Grew, Constant),
            (3, Grew, Constant),
            (4, Worse, Burst),
            (5, Grew, Burst),
        ],
    );
    let events = live(Vec::new(), &found(0, all[..2].to_vec()), &world);
    let events = decided(events, Verdict::NotALeak, 3 * DAY);
    assert_eq!(events[0].status(), Status::FalsePositive);
    let normal = events[0].normal().unwrap();
    assert_eq!((normal.what, normal.until - normal.from), (Stated::Normal(12_000), 90 * DAY));
    for _ in 0..2 {
        let events = live(events.clone(), &found(0, all.clone()), &world);
        assert_eq!(
            brief(&events),
            [("leak-1", Status::FalsePositive, DAY, 2), ("leak-2", Status::Active, 5 * DAY, 2)]
        );
        world.0.set(1);
    }
}

#[test]
fn what_runs_on_after_it_was_mended_is_open_again() {
    let mended = |news: &[(i64, Change, Kind)]| {
        let world = Names(Default::default());
        let events = live(Vec::new(), &found(0, episode(DAY, &[(0, Opened, Constant)])), &world);
        let events = decided(events, Verdict::Mended, 2 * DAY);
        let all: Vec<_> = [(0, Opened, Constant)].iter().chain(news).copied().collect();
        let events = live(events, &found(0, episode(DAY, &all)), &world);
        assert_eq!(events.len(), 1);
        events[0].status()
    };
    assert_eq!(mended(&[]), Status::Resolved);
    assert_eq!(
        mended(&[(2, Grew, Constant)]),
        Status::Resolved,
        "a day later the reads of before still count"
    );
    assert_eq!(mended(&[(3, Grew, Constant)]), Status::Active);
    assert_eq!(mended(&[(2, Stopped, Constant)]), Status::Resolved);
    assert_eq!(mended(&[(2, Stopped, Constant), (5, Returned, Constant)]), Status::Active);
    assert_eq!(mended(&[(2, Worse, Burst)]), Status::Active);
}

#[test]
fn an_open_event_of_another_system_is_the_one_that_may_be_open() {
    let foreign = LeakEvent {
        steps: Vec::new(),
        explanation: None,
        is_foreign: true,
        id: "old-1".into(),
        ..lived(&[found(0, episode(DAY, &[(0, Opened, Constant)]))]).remove(0)
    };
    let world = Names(Default::default());
    let nothing = live(vec![foreign.clone()], &found(0, vec![]), &world);
    assert_eq!(nothing, vec![foreign.clone()], "it is another system's to end");
    let taken = live(vec![foreign], &found(0, episode(9 * DAY, &[(0, Opened, Burst)])), &world);
    assert_eq!(brief(&taken), [("old-1", Status::Active, 9 * DAY, 1)]);
    assert!(taken[0].is_foreign, "until it is written");
}

#[test]
fn a_life_is_kept_within_bounds() {
    let news: Vec<_> = (0..300).map(|day| (day, if day == 0 { Opened } else { Grew }, Constant)).collect();
    let events = lived(&[found(0, episode(DAY, &news))]);
    let steps = &events[0].steps;
    assert_eq!((steps.len(), steps[0].change, steps[199].at), (MOST_STEPS, Opened, DAY + 299 * DAY));
}
