//! Records as they come, and what is made of them.

use super::*;

fn leak_event() -> LeakEvent {
    LeakEvent {
        id: "leak-1".to_owned(),
        device_id: "device-001".to_owned(),
        customer_id: "customer-001".to_owned(),
        detected_at: "2026-11-25T02:10:00Z".to_owned(),
        flow_rate: "0.6333".to_owned(),
        estimated_loss: "0.912".to_owned(),
        status: LeakStatus::Active.into(),
        kind: LeakKind::Constant.into(),
        since: "2026-11-24T02:10:00Z".to_owned(),
        until: "2026-11-25T02:10:00Z".to_owned(),
        estimated_loss_rupiah: 9_400,
        revision: 3,
        ..LeakEvent::default()
    }
}

fn of_leak(event: LeakEvent) -> Leak {
    let record = Anomaly { event: Some(anomaly::Event::Leak(event)), ..Anomaly::default() };
    match anomaly(&record.encode_to_vec()) {
        Ok(Some(Item::News { news: News::Leak(leak), .. })) => leak,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_leak_is_understood_in_whole_units() {
    let leak = of_leak(leak_event());
    assert_eq!((leak.rate, leak.lost, leak.cost_a_day()), (37_998, 912_000, Some(9_400)));
    assert!(leak.is_active && !leak.is_void);
    let rejected = of_leak(LeakEvent { status: LeakStatus::FalsePositive.into(), ..leak_event() });
    assert!(!rejected.is_active && rejected.is_void);
    let withdrawn = of_leak(LeakEvent { withdrawn: true, ..leak_event() });
    assert!(!withdrawn.is_active && withdrawn.is_void);
    let stopped = of_leak(LeakEvent { status: LeakStatus::Resolved.into(), ..leak_event() });
    assert!(!stopped.is_active && !stopped.is_void);
}

#[test]
fn a_payment_is_told_by_what_became_of_it() {
    let of = |status: PaymentStatus| {
        let payment = Payment {
            id: "pay-1".to_owned(),
            customer_id: "customer-001".to_owned(),
            amount: 110_000,
            discount_amount: 10_000,
            credited_amount: 110_000,
            status: status.into(),
            ..Payment::default()
        };
        match payment_of(payment) {
            Ok(None) => None,
            Ok(Some(Item::Word(word))) => Some((word.id, word.content)),
            other => panic!("{other:?}"),
        }
    };
    let payment_id = || "pay-1".to_owned();
    assert_eq!(of(PaymentStatus::Pending), None);
    let paid = Content::PaymentReceived { payment_id: payment_id(), amount: 110_000 };
    assert_eq!(of(PaymentStatus::Paid), Some(("payment_received.pay-1".to_owned(), paid)));
    let refused = Content::PaymentRefused { payment_id: payment_id(), amount: 100_000 };
    assert_eq!(of(PaymentStatus::Expired), Some(("payment_refused.pay-1".to_owned(), refused)));
}

fn payment_of(of: Payment) -> Understood {
    payment(&of.encode_to_vec())
}

#[test]
fn a_person_without_choices_is_written_to_in_indonesian_and_not_at_night() {
    let of = |customer: Customer| match customer_of(customer) {
        Ok(Some(Item::Person(person))) => person,
        other => panic!("{other:?}"),
    };
    let plain = Customer {
        id: "customer-001".to_owned(),
        role: AccountRole::Customer.into(),
        is_active: true,
        whatsapp: "+628123456789".to_owned(),
        ..Customer::default()
    };
    let person = of(plain.clone());
    assert_eq!((person.language, person.zone.name()), (Language::Indonesian, "Asia/Jakarta"));
    assert_eq!((person.quiet, person.email, person.whatsapp), (QuietHours::DEFAULT, None, None), "no opt-in");
    let chosen = of(Customer {
        language: "en".to_owned(),
        time_zone: "Asia/Jayapura".to_owned(),
        quiet_from: "22:30".to_owned(),
        quiet_to: "05:00".to_owned(),
        whatsapp_opted_in_at: 1,
        ..plain.clone()
    });
    assert_eq!((chosen.language, chosen.quiet.from), (Language::English, 22 * 60 + 30));
    assert!(chosen.whatsapp.is_some());
    for wrong in [
        Customer { id: String::new(), ..plain.clone() },
        Customer { role: 0, ..plain.clone() },
        Customer { time_zone: "Mars".to_owned(), ..plain.clone() },
        Customer { quiet_from: "25:00".to_owned(), ..plain },
    ] {
        assert!(customer_of(wrong.clone()).is_err(), "{wrong:?}");
    }
}

fn customer_of(of: Customer) -> Understood {
    customer(&of.encode_to_vec())
}

#[test]
fn what_makes_no_sense_is_told_and_what_is_nobodys_says_nothing() {
    for (understand, value) in [
        (anomaly as fn(&[u8]) -> Understood, Anomaly::default().encode_to_vec()),
        (usage, DailyUsage { date: "yesterday".to_owned(), ..DailyUsage::default() }.encode_to_vec()),
        (balance, billing::Balance::default().encode_to_vec()),
        (condition, vec![0xff]),
    ] {
        assert!(understand(&value).is_err());
    }
    let nobodys = DeviceCondition { device_id: "device-001".to_owned(), ..DeviceCondition::default() };
    assert!(matches!(condition(&nobodys.encode_to_vec()), Ok(None)));
}

#[test]
fn a_device_that_is_not_active_is_excused() {
    for (status, expected) in [("active", false), ("maintenance", true), ("inactive", true)] {
        let of = Device {
            id: "device-001".to_owned(),
            customer_id: "customer-001".to_owned(),
            status: status.to_owned(),
            version: 2,
            ..Device::default()
        };
        let Ok(Some(Item::News { news: News::Registered { is_excused, .. }, .. })) =
            device(&of.encode_to_vec())
        else {
            panic!("{status}")
        };
        assert_eq!(is_excused, expected, "{status}");
    }
}
