use indowater_proto::billing::v1::{Leg, UsageSource};

use super::*;
use crate::mongo::Balance as StoredBalance;

fn entry(sequence: i64, amount: i64, balance_after: i64) -> LedgerEntry {
    let leg = |account: &str, amount| Leg { account: account.to_owned(), amount };
    LedgerEntry {
        id: format!("usage:{sequence}"),
        customer_id: "c".to_owned(),
        kind: EntryKind::Usage.into(),
        sequence,
        amount,
        balance_after,
        legs: vec![leg("customer:c", amount), leg("revenue:social-1", -amount)],
        usage: Some(UsageSource {
            device_id: "d".to_owned(),
            month: "2026-01".to_owned(),
            month_cost: "100.0".to_owned(),
            ..UsageSource::default()
        }),
        ..LedgerEntry::default()
    }
}

fn sound() -> Vec<LedgerEntry> {
    vec![entry(1, -100, -100), entry(2, -50, -150)]
}

fn books(entries: &[LedgerEntry], costs: &[(&str, i64, &str)]) -> Books {
    let mut books = Books::default();
    for entry in entries {
        books.post(entry.clone());
        let (balance, sequence) = (entry.balance_after, entry.sequence);
        let balance = Balance { customer_id: "c".to_owned(), balance, sequence, ..Balance::default() };
        books.balances.insert("c".to_owned(), (balance, None));
    }
    for (date, revision, cost) in costs {
        let day = DailyUsage {
            device_id: "d".to_owned(),
            customer_id: "c".to_owned(),
            date: (*date).to_owned(),
            revision: *revision,
            cost: (*cost).to_owned(),
            ..DailyUsage::default()
        };
        books.charge(&day).unwrap();
    }
    books
}

fn stored(entries: &[LedgerEntry]) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in entries {
        let legs = entry.legs.iter().map(|leg| (leg.account.clone(), leg.amount)).collect();
        let stored = Entry {
            id: entry.id.clone(),
            customer: entry.customer_id.clone(),
            sequence: entry.sequence,
            kind: "usage".to_owned(),
            amount: entry.amount,
            balance_after: entry.balance_after,
            legs,
            payment: String::new(),
            usage: Some(("d".to_owned(), "2026-01".to_owned(), Decimal::from(100), 0)),
        };
        let balance = StoredBalance { balance: entry.balance_after, sequence: entry.sequence, parts: None };
        ledger.entries.insert(entry.id.clone(), stored);
        ledger.balances.insert("c".to_owned(), balance);
    }
    ledger
}

#[test]
fn sound_books_hold() {
    let costs = [("2026-01-01", 2, "99.6"), ("2026-01-01", 1, "7"), ("2026-01-02", 1, "50.3")];
    let books = books(&sound(), &costs);
    let b1 = books.b1(&stored(&sound()));
    assert_eq!((b1.broken, b1.checked), (0, 2), "{:?}", b1.first);
    assert_eq!((books.b3().broken, books.b3().checked), (0, 1));
    let b1 = books.b1(&stored(&sound()[..1]));
    assert_eq!(b1.broken, 0, "an entry may have come since the collections were read: {:?}", b1.first);
}

#[test]
fn every_fault_of_the_topic_is_found() {
    let broken = |entries: &[LedgerEntry]| books(entries, &[]).b1(&stored(entries)).broken;
    assert_eq!(broken(&[entry(1, -100, -100), entry(3, -50, -150)]), 1, "a gap");
    assert_eq!(broken(&[entry(1, -100, -99)]), 1, "a wrong sum");
    let mut unbalanced = sound();
    unbalanced[0].legs.pop();
    assert_eq!(broken(&unbalanced), 1, "one leg");
    let mut foreign = sound();
    foreign[0].legs[0].account = "customer:other".to_owned();
    assert_eq!(broken(&foreign), 1, "another's leg");
    let mut torn = books(&sound(), &[]);
    torn.post(LedgerEntry { description: "again".to_owned(), ..entry(2, -50, -150) });
    assert_eq!(torn.b1(&stored(&sound())).broken, 1);
}

/// What it is about, and a change of it.
type Change<T> = (&'static str, fn(&mut T));

/// A tampered figure in each compared field of an entry or balance is one finding, that names it.
#[test]
fn every_fault_of_the_collections_is_found() {
    let changes: &[Change<Entry>] = &[
        ("customer_id", |entry| entry.customer = "other".to_owned()),
        ("sequence", |entry| entry.sequence = 7),
        ("kind", |entry| entry.kind = "refund".to_owned()),
        ("amount", |entry| entry.amount -= 1),
        ("balance_after", |entry| entry.balance_after -= 1),
        ("payment_id", |entry| entry.payment = "p".to_owned()),
        ("legs", |entry| entry.legs[1].1 += 1),
        ("legs", |entry| entry.legs[1].0 = "revenue:social-2".to_owned()),
        ("usage", |entry| entry.usage = None),
    ];
    for (field, change) in changes {
        let mut stored = stored(&sound());
        change(stored.entries.get_mut("usage:1").unwrap());
        let b1 = books(&sound(), &[]).b1(&stored);
        assert_eq!(b1.broken, 1, "{field}: {:?}", b1.first);
        assert!(b1.first[0].contains(&format!(": {field} is ")), "{field}: {:?}", b1.first);
    }
    let changes: &[Change<Ledger>] = &[
        ("balance", |ledger| ledger.balances.get_mut("c").unwrap().balance += 1),
        ("not on the topic", |ledger| {
            let entry = Entry { id: "usage:0".to_owned(), ..ledger.entries["usage:1"].clone() };
            ledger.entries.insert("usage:0".to_owned(), entry);
        }),
        ("not in ledger_entries", |ledger| _ = ledger.entries.remove("usage:1")),
        ("accrued 1", |ledger| ledger.balances.get_mut("c").unwrap().parts = Some((-150, 1))),
        ("leave -150", |ledger| {
            let balance = ledger.balances.get_mut("c").unwrap();
            (balance.balance, balance.parts) = (-151, Some((-149, 2)));
        }),
        ("leave 0", |ledger| {
            _ = ledger.balances.insert("x".to_owned(), StoredBalance { balance: 3, sequence: 0, parts: None })
        }),
        ("unreadable", |ledger| ledger.unreadable.push("unreadable".to_owned())),
    ];
    for (says, change) in changes {
        let mut stored = stored(&sound());
        change(&mut stored);
        let b1 = books(&sound(), &[]).b1(&stored);
        assert_eq!(b1.broken, 1, "{says}: {:?}", b1.first);
        assert!(b1.first[0].contains(says), "{says}: {:?}", b1.first);
    }
    let mut accrued = stored(&sound());
    let balance = accrued.balances.get_mut("c").unwrap();
    (balance.balance, balance.parts) = (-160, Some((-150, 10)));
    assert_eq!(books(&sound(), &[]).b1(&accrued).broken, 0, "what is accrued is off the balance, not posted");
}

#[test]
fn a_stale_balance_on_the_topic_is_found() {
    let mut books = books(&sound(), &[]);
    books.balances.insert(
        "c".to_owned(),
        (Balance { customer_id: "c".to_owned(), balance: -100, sequence: 1, ..Balance::default() }, None),
    );
    let b1 = books.b1(&stored(&sound()));
    assert_eq!(b1.broken, 1, "{:?}", b1.first);
}

#[test]
fn a_balance_on_the_topic_is_what_is_posted_less_what_is_accrued() {
    let told = |posted, accrued| Parts { posted, accrued }.encode_to_vec();
    assert_eq!(Parts::of(&told(Some(-150), Some(10))), Some((-150, 10)));
    assert_eq!(Parts::of(&told(Some(-150), None)), Some((-150, 0)));
    let old = Balance { customer_id: "c".to_owned(), balance: 3, ..Balance::default() };
    assert_eq!(Parts::of(&old.encode_to_vec()), None);
    for (balance, parts, broken) in [(-160, (-150, 10), 0), (-150, (-150, 10), 1), (-150, (-149, 1), 1)] {
        let mut books = books(&sound(), &[]);
        let told = Balance { customer_id: "c".to_owned(), balance, sequence: 2, ..Balance::default() };
        books.balances.insert("c".to_owned(), (told, Some(parts)));
        assert_eq!(books.b1(&stored(&sound())).broken, broken, "{balance} {parts:?}");
    }
}

#[test]
fn months_are_held_per_customer() {
    let broken = |costs: &[(&str, i64, &str)]| books(&sound(), costs).b3().broken;
    assert_eq!(broken(&[("2026-01-01", 1, "150")]), 0);
    assert_eq!(broken(&[("2026-01-01", 1, "150.5")]), 1);
    assert_eq!(broken(&[]), 1, "posted for no usage");
    // The day went to somebody else: its former customer is charged nothing, the new one everything.
    let mut moved = books(&sound(), &[]);
    let day = DailyUsage {
        device_id: "d".to_owned(),
        customer_id: "new".to_owned(),
        date: "2026-01-01".to_owned(),
        revision: 2,
        cost: "150".to_owned(),
        former_customer_ids: vec!["c".to_owned()],
        ..DailyUsage::default()
    };
    moved.charge(&day).unwrap();
    assert_eq!(moved.b3().broken, 2);
}
