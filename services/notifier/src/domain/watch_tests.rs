//! From records to alerts, in order, in disorder and again.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::domain::leak::Manner;

const NOW: i64 = 1_795_593_600;

fn new_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("alert-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn watch(alert: AlertType) -> Watch {
    Watch::new(Subject { alert, id: "x-1".to_owned() }, "c-1")
}

fn judge(watch: &mut Watch, daily_cost: Option<i64>) -> Vec<Change> {
    let preferences = Preferences::default_of("c-1");
    watch.judge(&View { preferences: &preferences, daily_cost, now: NOW }, new_id)
}

fn balance(amount: i64, sequence: i64) -> News {
    News::Balance(Balance { amount, sequence, at: NOW })
}

fn leak(id: &str, revision: i64, is_active: bool, manner: Manner) -> News {
    News::Leak(Leak {
        id: id.to_owned(),
        revision,
        customer_id: "c-1".to_owned(),
        is_active,
        is_void: false,
        manner,
        rate: 38_000,
        since: NOW - 86_400,
        until: NOW,
        lost: 912_000,
        cost: 9_400,
    })
}

/// Learns, judges and says in short what came of it.
fn told(watch: &mut Watch, news: News) -> Vec<String> {
    watch.learn("c-1", news);
    let changes = judge(watch, None);
    let short = |change: &Change| match change {
        Change::Open(told) => format!("open {} {}", told.content.kind().name(), told.severity.name()),
        Change::Raise(told) => format!("raise {} {}", told.content.kind().name(), told.severity.name()),
        Change::Close { told, .. } => {
            format!("close {}", told.as_ref().map_or("quietly", |(_, content)| content.kind().name()))
        }
    };
    changes.iter().map(short).collect()
}

#[test]
fn an_empty_balance_is_told_on_its_way_down_and_closed_by_a_top_up() {
    let mut watch = watch(AlertType::LowBalance);
    let quiet: [&str; 0] = [];
    assert_eq!(told(&mut watch, balance(80_000, 1)), quiet);
    assert_eq!(told(&mut watch, balance(49_000, 2)), ["open balance_low medium"]);
    assert_eq!(told(&mut watch, balance(52_000, 3)), quiet, "within the margin");
    assert_eq!(told(&mut watch, balance(48_000, 4)), quiet, "told already");
    assert_eq!(told(&mut watch, balance(-200, 5)), ["raise balance_empty high"]);
    assert_eq!(told(&mut watch, balance(-900, 6)), quiet);
    assert_eq!(told(&mut watch, balance(49_000, 2)), quiet, "an old record says nothing");
    assert_eq!(told(&mut watch, balance(99_100, 7)), ["close balance_restored"]);
    assert_eq!(told(&mut watch, balance(-900, 6)), quiet);
    assert_eq!(told(&mut watch, balance(10_000, 8)), ["open balance_low medium"]);
}

#[test]
fn a_leak_is_told_once_worse_once_and_over_once() {
    let mut watch = watch(AlertType::LeakDetected);
    let quiet: [&str; 0] = [];
    assert_eq!(told(&mut watch, leak("a", 1, true, Manner::Cyclic)), ["open leak_found medium"]);
    assert_eq!(told(&mut watch, leak("a", 2, true, Manner::Pausing)), quiet);
    assert_eq!(told(&mut watch, leak("a", 3, true, Manner::Burst)), ["raise leak_worse critical"]);
    assert_eq!(told(&mut watch, leak("a", 4, false, Manner::Burst)), ["close leak_over"]);
    assert_eq!(told(&mut watch, leak("a", 3, true, Manner::Burst)), quiet);
    assert_eq!(
        told(&mut watch, leak("a", 5, true, Manner::Constant)),
        ["open leak_found high"],
        "it came back"
    );
    assert_eq!(
        told(&mut watch, leak("b", 1, true, Manner::Burst)),
        ["close leak_over", "open leak_found critical"]
    );
}

#[test]
fn what_was_no_leak_is_closed_without_a_word() {
    let mut watch = watch(AlertType::LeakDetected);
    told(&mut watch, leak("a", 1, true, Manner::Constant));
    let News::Leak(rejected) = leak("a", 2, false, Manner::Constant) else { unreachable!() };
    assert_eq!(told(&mut watch, News::Leak(Leak { is_void: true, ..rejected })), ["close quietly"]);
}

#[test]
fn a_meter_in_maintenance_is_not_missed() {
    let mut watch = watch(AlertType::DeviceOffline);
    let quiet: [&str; 0] = [];
    let condition = |is_offline, revision| News::Condition { is_offline, last_seen: NOW, revision };
    let registered =
        |is_excused, version| News::Registered { is_excused, location: "yard".to_owned(), version };
    assert_eq!(told(&mut watch, registered(true, 1)), quiet);
    assert_eq!(told(&mut watch, condition(true, 1)), quiet);
    assert_eq!(told(&mut watch, registered(false, 2)), ["open device_silent medium"]);
    assert_eq!(told(&mut watch, registered(true, 3)), ["close quietly"]);
    assert_eq!(told(&mut watch, registered(false, 4)), ["open device_silent medium"]);
    assert_eq!(told(&mut watch, condition(false, 2)), ["close device_back"]);
}

#[test]
fn an_unusual_day_of_long_ago_is_no_news() {
    let today = Day::latest_anywhere(NOW).0;
    let day = |day, litres: i64| {
        let (volume, cost) = (litres * 1_000, 0);
        News::Day(UsageDay { day, volume, cost, is_complete: true, is_estimated: false, revision: 1 })
    };
    for (ago, expected) in [(1, 1), (3, 1), (4, 0)] {
        let mut watch = watch(AlertType::HighUsage);
        for before in 1..10 {
            watch.learn("c-1", day(today - ago - before, 300));
        }
        assert_eq!(told(&mut watch, day(today - ago, 900)).len(), expected, "{ago} days ago");
    }
}

#[test]
fn who_wants_no_alerts_has_none_and_those_open_are_closed() {
    let mut watch = watch(AlertType::LowBalance);
    told(&mut watch, balance(0, 1));
    let unwanted = Preferences { balance_alerts: false, ..Preferences::default_of("c-1") };
    let changes = watch.judge(&View { preferences: &unwanted, daily_cost: None, now: NOW }, new_id);
    assert!(matches!(&changes[..], [Change::Close { told: None, .. }]), "{changes:?}");
}

#[test]
fn whoever_took_a_connection_over_is_told_and_not_whoever_left() {
    let mut watch = watch(AlertType::LeakDetected);
    told(&mut watch, leak("a", 1, true, Manner::Constant));
    watch.learn("c-2", leak("a", 2, true, Manner::Constant));
    let changes = judge(&mut watch, None);
    let [Change::Close { customer_id: left, told: None, .. }, Change::Open(opened)] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!((&**left, &*opened.customer_id), ("c-1", "c-2"));
}

/// A record, and how a fresh reader of the newest state of all would judge.
fn news() -> impl Strategy<Value = Vec<News>> {
    let balances = prop::collection::vec(-20_000..120_000_i64, 1..30)
        .prop_map(|amounts| (1..).zip(amounts).map(|(sequence, amount)| balance(amount, sequence)).collect());
    let manners = prop::sample::select(Manner::ALL.to_vec());
    let leaks = prop::collection::vec((prop::sample::select(vec!["a", "b"]), any::<bool>(), manners), 1..30);
    let leaks = leaks.prop_map(|all| {
        (1..)
            .zip(all)
            .map(|(revision, (id, is_active, manner))| leak(id, revision, is_active, manner))
            .collect()
    });
    let devices = prop::collection::vec((any::<bool>(), any::<bool>()), 1..30).prop_map(|all| {
        let told = |(number, (is_about_silence, holds))| match is_about_silence {
            true => News::Condition { is_offline: holds, last_seen: NOW, revision: number },
            false => News::Registered { is_excused: holds, location: String::new(), version: number },
        };
        (1..).zip(all).map(told).collect()
    });
    prop_oneof![balances, leaks, devices]
}

fn type_of(news: &News) -> AlertType {
    match news {
        News::Leak(_) => AlertType::LeakDetected,
        News::Balance(_) => AlertType::LowBalance,
        News::Day(_) => AlertType::HighUsage,
        News::Condition { .. } | News::Registered { .. } => AlertType::DeviceOffline,
    }
}

proptest! {
    /// A1, and once per fact, whatever comes again and in whatever order: openings and closings alternate, each telling is
    /// another one than all before, and what is open in the end is what the newest facts say.
    #[test]
    fn disorder_and_repetition_open_nothing_twice(
        records in news(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut watch = watch(type_of(&records[0]));
        let (mut open, mut tellings) = (None, std::collections::HashSet::new());
        let shuffled = order.iter().map(|at| at.get(&records)).chain(records.iter());
        for record in shuffled.chain(records.iter()) {
            watch.learn("c-1", record.clone());
            for change in judge(&mut watch, None) {
                match change {
                    Change::Open(told) => {
                        prop_assert_eq!(open.replace(told.alert_id.clone()), None);
                        prop_assert!(tellings.insert(told.id));
                    }
                    Change::Raise(told) => {
                        prop_assert_eq!(open.as_ref(), Some(&told.alert_id));
                        prop_assert!(tellings.insert(told.id));
                    }
                    Change::Close { alert_id, told, .. } => {
                        prop_assert_eq!(open.take(), Some(alert_id));
                        prop_assert!(told.is_none_or(|(id, _)| tellings.insert(id)));
                    }
                }
            }
            prop_assert_eq!(open.as_ref(), watch.open.as_ref().map(|open| &open.alert_id));
        }
        // Within a margin either is right: a reader who begins now and one who was there before may differ.
        let mut fresh = Watch { open: None, ..watch.clone() };
        judge(&mut fresh, None);
        prop_assert!(fresh.open.is_none() || watch.open.is_some());
        if let Facts::Balance(balance) = &watch.facts {
            prop_assert!(watch.open.is_none() || balance.amount <= 55_000);
        } else {
            prop_assert_eq!(fresh.open.is_some(), watch.open.is_some());
        }
    }
}
