//! The calls by which facts change from a day on.

use std::collections::HashMap;

use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;
use jiff::Timestamp;

use super::tests::{device, device_draft, later, now, placed, property, property_draft, to};
use super::*;
use crate::domain::facts::{Exchange, Holding};
use crate::domain::meter::Meter;

fn text(holdings: &[Holding], of: impl Fn(&Holding) -> String) -> Vec<(String, String)> {
    let day = |day: Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
    holdings.iter().map(|holding| (day(holding.from), of(holding))).collect()
}

fn customers(device: &Device) -> Vec<(String, String)> {
    text(&device.holdings(), |holding| holding.customer_id.to_string())
}

fn billed(device: &Device) -> Vec<(String, String)> {
    text(&device.holdings(), |holding| holding.billable.to_string())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(day, value)| ((*day).to_owned(), (*value).to_owned())).collect()
}

fn correction() -> Correction {
    Correction { by: "admin-001".into(), reason: "nameplate".into(), ..Correction::default() }
}

fn exchange() -> MeterExchange {
    MeterExchange {
        at: "2026-11-23T03:00:00Z".into(),
        final_register: "1204.551".into(),
        initial_register: "0.012".into(),
        device_id: " SN-2 ".into(),
        reason: "five years old".into(),
        by: "technician-001".into(),
        ..MeterExchange::default()
    }
}

fn transferred(from: &str) -> PropertyChanged {
    let change = PropertyChange {
        customer_id: Some("customer-002".into()),
        effective_from: from.into(),
        ..PropertyChange::default()
    };
    property().change(&change, later()).unwrap()
}

#[test]
fn a_transfer_holds_from_its_day_on_past_and_future() {
    for (from, customer, turns_at) in [
        ("2026-11-01", "customer-002", None),
        ("", "customer-002", None),
        ("2026-12-01", "customer-001", Some("2026-11-30T17:00:00Z")),
    ] {
        let changed = transferred(from);
        let from = if from.is_empty() { "2026-11-23" } else { from };
        assert_eq!(changed.from, Day::parse(from));
        let followed = device().follow(&changed.property, changed.from.unwrap());
        assert_eq!(customers(&followed), pairs(&[("", "customer-001"), (from, "customer-002")]));
        let turns_at = turns_at.map(|text| text.parse::<Timestamp>().unwrap());
        for (present, turns) in [
            (&changed.property.customer_id, changed.property.turns_at),
            (&followed.customer_id, followed.turns_at),
        ] {
            assert_eq!((present.as_str(), turns), (customer, turns_at), "{from}");
        }
        assert!(!followed.is_judged_like(&device()));
    }
}

#[test]
fn the_day_comes_by_itself() {
    let changed = transferred("2026-12-01");
    let before = device().follow(&changed.property, changed.from.unwrap());
    let eve = "2026-11-30T16:59:59Z".parse().unwrap();
    assert_eq!(before.turn(eve), before);
    let turned = before.turn("2026-11-30T17:00:00Z".parse().unwrap());
    assert_eq!((turned.customer_id.as_str(), turned.version, turned.turns_at), ("customer-002", 3, None));
    assert!(turned.is_judged_like(&before), "how days are judged was known all along");
    let property = changed.property.turn("2026-12-05T00:00:00Z".parse().unwrap());
    assert_eq!((property.customer_id.as_str(), property.version), ("customer-002", 3));
}

#[test]
fn the_present_sent_back_says_nothing_and_a_named_day_does() {
    let again = PropertyChange { customer_id: Some("customer-001".into()), ..Default::default() };
    assert_eq!(
        property().change(&again, later()).unwrap(),
        PropertyChanged { property: property(), from: None }
    );
    // It is told that the customer came on a day; then who was there before.
    let came = PropertyChange { effective_from: "2026-10-01".into(), ..again };
    let known = property().change(&came, later()).unwrap().property;
    let before = PropertyChange {
        customer_id: Some("customer-000".into()),
        effective_from: "2026-01-01".into(),
        ..Default::default()
    };
    let changed = known.change(&before, later()).unwrap();
    let followed = device().follow(&known, Day::parse("2026-10-01").unwrap());
    let followed = followed.follow(&changed.property, changed.from.unwrap());
    let expected = [("", "customer-001"), ("2026-01-01", "customer-000"), ("2026-10-01", "customer-001")];
    assert_eq!(customers(&followed), pairs(&expected));
}

#[test]
fn a_move_in_the_past_takes_the_customers_of_the_other_property() {
    let draft = PropertyDraft { customer_id: "customer-003".into(), ..property_draft() };
    let there = Property::admit(draft, "property-2".into(), now()).unwrap();
    let change = DeviceChange { effective_from: "2026-11-10".into(), ..Default::default() };
    let moved = device().change(&change, to(&there), later()).unwrap();
    assert_eq!(customers(&moved), pairs(&[("", "customer-001"), ("2026-11-10", "customer-003")]));
    assert_eq!(moved.property_id, "property-2");
    // What becomes of the first property from then on is no concern of it, and what was before then is.
    let later_on = transferred("2026-11-15");
    assert_eq!(moved.follow(&later_on.property, later_on.from.unwrap()), moved);
    let before = transferred("2026-11-05");
    let expected = [("", "customer-001"), ("2026-11-05", "customer-002"), ("2026-11-10", "customer-003")];
    assert_eq!(customers(&moved.follow(&before.property, before.from.unwrap())), pairs(&expected));
}

#[test]
fn an_exchange_keeps_the_connection_and_changes_the_meter() {
    let wanted = MeterExchange { register_digits: Some(7), wraps_at: Some(1 << 23), ..exchange() };
    let after = device().exchange(&wanted, later()).unwrap();
    assert_eq!((after.id.as_str(), after.device_id.as_str(), after.version), ("device-1", "SN-2", 2));
    assert_eq!(after.former_device_ids(), ["SN-1"]);
    assert_eq!(after.meter, Meter { digits: 7, wraps_at: 1 << 23, ..Meter::HOUSEHOLD });
    let facts = after.facts();
    let at = "2026-11-23T03:00:00Z".parse::<Timestamp>().unwrap().as_second();
    let exchanged = Exchange { at, final_register: 1_204_551, initial_register: 12 };
    assert_eq!(facts.history[1].exchange, Some(exchanged));
    assert_eq!((facts.serial_at(at - 1), facts.serial_at(at)), (Some("SN-1"), Some("SN-2")));
    assert_eq!(after.remarks[0].by, "technician-001");
    assert_eq!(after.exchange(&wanted, later()).unwrap(), after, "the same again changes nothing");
    // A register that was written down wrongly is told again.
    let right = MeterExchange { final_register: "1204.515".into(), ..wanted };
    let corrected = after.exchange(&right, later()).unwrap();
    assert_eq!(corrected.facts().history[1].exchange.unwrap().final_register, 1_204_515);
    assert_eq!((corrected.facts().history.len(), corrected.version), (2, 3));
}

#[test]
fn registers_of_an_exchange_stay_true_when_a_unit_is_corrected() {
    let after = device().exchange(&exchange(), later()).unwrap();
    let right = Correction { unit: Some(Unit::Millilitre), ..correction() };
    let corrected = after.correct(&right, false, later()).unwrap();
    let history = corrected.facts().history;
    assert_eq!((history[0].meter.unit, history[0].meter.digits), (Unit::Millilitre, 11));
    assert_eq!(history[1].meter, Meter::HOUSEHOLD, "the new meter is another one");
    let exchange = history[1].exchange.unwrap();
    assert_eq!((exchange.final_register, exchange.initial_register), (1_204_551_000, 12));
}

#[test]
fn every_wrong_field_of_an_exchange_is_named() {
    let wrong = MeterExchange {
        at: "2027-01-01T00:00:00Z".into(),
        final_register: "1.0005".into(),
        initial_register: "-1".into(),
        device_id: "a b".into(),
        register_digits: Some(99),
        q3_litres_per_hour: Some(0),
        wraps_at: Some(5),
        reason: " ".into(),
        by: String::new(),
        ..MeterExchange::default()
    };
    let problems = device().exchange(&wrong, later()).unwrap_err().to_string();
    for field in [
        "at must not be in the future",
        "final_register",
        "initial_register",
        "device_id",
        "register_digits",
        "q3_litres_per_hour",
        "wraps_at",
        "reason",
        "by is",
    ] {
        assert!(problems.contains(field), "{field} is missing in: {problems}");
    }
    let early = MeterExchange { at: "2026-11-01T00:00:00Z".into(), ..exchange() };
    assert!(device().exchange(&early, later()).unwrap_err().to_string().contains("installation date"));
    let stale = MeterExchange { version: Some(9), ..exchange() };
    assert!(matches!(device().exchange(&stale, later()), Err(Refusal::Stale { .. })));
}

#[test]
fn an_exchanged_meter_may_be_elsewhere_from_then_on() {
    let gone = device().exchange(&exchange(), later()).unwrap();
    let properties = HashMap::from([("property-1".to_owned(), property())]);
    let enrolled = |installation_date: &str, serial: &str| {
        let draft = DeviceDraft {
            device_id: serial.into(),
            installation_date: installation_date.into(),
            ..device_draft()
        };
        let candidate = Device::admit(draft, "device-2".into(), now()).unwrap();
        enrol(&[candidate], &properties, std::slice::from_ref(&gone), false, now())
    };
    assert!(enrolled("2026-11-23T03:00:00Z", "sn-1").is_ok());
    let early = enrolled("2026-11-23T02:59:59Z", "SN-1").unwrap_err();
    assert!(
        matches!(&early, Refusal::Precondition(why) if why.contains("2026-11-23T10:00:00+07:00")),
        "{early}"
    );
    assert!(matches!(
        enrolled("2026-11-24T00:00:00Z", "sn-2"),
        Err(Refusal::Taken { field: "device_id", .. })
    ));
    // So it may come to another connection by an exchange there.
    let other = placed(DeviceDraft { device_id: "SN-9".into(), ..device_draft() }, "device-9");
    let comes = |at: &str| MeterExchange { device_id: "SN-1".into(), at: at.into(), ..exchange() };
    for (at, fits) in [("2026-11-23T03:00:00Z", true), ("2026-11-23T02:00:00Z", false)] {
        let wanted = comes(at);
        let after = other.exchange(&wanted, later()).unwrap();
        assert_eq!(after.check_others(&wanted, &[gone.clone(), after.clone()]).is_ok(), fits, "{at}");
    }
}

#[test]
fn what_was_wrong_is_corrected_from_the_beginning_or_from_a_day_on() {
    let wrong = Correction { resolution: Some(100), q3_litres_per_hour: Some(4_000), ..correction() };
    let corrected = device().correct(&wrong, false, later()).unwrap();
    assert_eq!(corrected.meter, Meter { resolution: 100, q3_litres_per_hour: 4_000, ..Meter::HOUSEHOLD });
    assert_eq!((corrected.holdings().len(), corrected.version), (1, 2), "it has been so all along");
    assert!(!corrected.is_judged_like(&device()));
    let remark = &corrected.remarks[0];
    assert_eq!((remark.by.as_str(), remark.version, remark.at), ("admin-001", 2, later()));
    assert_eq!(remark.what, "q3_litres_per_hour 4000, resolution 100 from the beginning on");
    assert_eq!(corrected.correct(&wrong, false, later()).unwrap(), corrected);

    let from = Correction { from: "2026-11-01".into(), wraps_at: Some(1 << 24), ..correction() };
    let holdings = device().correct(&from, false, later()).unwrap().holdings();
    let expected = [("", "0"), ("2026-11-01", "16777216")];
    assert_eq!(text(&holdings, |holding| holding.meter.wraps_at.to_string()), pairs(&expected));

    let date = Correction { installation_date: Some("2026-01-01T00:00:00Z".into()), ..correction() };
    let dated = device().correct(&date, false, later()).unwrap();
    assert_eq!(dated.facts().installed_at, 1_767_225_600);
    assert!(!dated.is_judged_like(&device()));
}

#[test]
fn a_corrected_unit_takes_the_digits_with_it() {
    let to = |unit| Correction { unit: Some(unit), ..correction() };
    let fine = device().correct(&to(Unit::Millilitre), false, later()).unwrap();
    assert_eq!((fine.meter.unit, fine.meter.digits), (Unit::Millilitre, 11));
    assert_eq!(fine.correct(&to(Unit::Litre), false, later()).unwrap().meter, Meter::HOUSEHOLD);
    let named = Correction { register_digits: Some(9), ..to(Unit::Millilitre) };
    assert_eq!(device().correct(&named, false, later()).unwrap().meter.digits, 9);
    let coarse = Correction { resolution: Some(10), wraps_at: Some(1 << 24), ..correction() };
    let coarse = device().correct(&coarse, false, later()).unwrap();
    let problems = coarse.correct(&to(Unit::Millilitre), false, later()).unwrap_err().to_string();
    assert!(problems.contains("wraps_at") && problems.contains("resolution"), "{problems}");
}

#[test]
fn every_wrong_field_of_a_correction_is_named() {
    let wrong = Correction {
        from: "yesterday".into(),
        register_digits: Some(1),
        q3_litres_per_hour: Some(0),
        wraps_at: Some(-1),
        device_type: Some("kettle".into()),
        installation_date: Some("2030-01-01T00:00:00Z".into()),
        ..Correction::default()
    };
    let problems = device().correct(&wrong, false, later()).unwrap_err().to_string();
    for field in
        ["from must", "register_digits", "q3", "wraps_at", "type", "installation_date", "reason", "by is"]
    {
        assert!(problems.contains(field), "{field} is missing in: {problems}");
    }
    assert!(
        device().correct(&correction(), false, later()).unwrap_err().to_string().contains("says nothing")
    );
    let stale = Correction { version: Some(9), billable: Some(false), ..correction() };
    assert!(matches!(device().correct(&stale, false, later()), Err(Refusal::Stale { .. })));
}

#[test]
fn only_water_meters_are_billed() {
    let sensor =
        Correction { device_type: Some("flow_sensor".into()), from: "2026-11-01".into(), ..correction() };
    let sensor = device().correct(&sensor, false, later()).unwrap();
    assert_eq!(billed(&sensor), pairs(&[("", "true"), ("2026-11-01", "false")]));
    assert_eq!((sensor.device_type, sensor.billable), (DeviceType::FlowSensor, false));
    let told = Correction { billable: Some(true), from: "2026-11-20".into(), ..correction() };
    assert!(sensor.correct(&told, false, later()).unwrap_err().to_string().contains("flow_sensor"));
    let told = DeviceChange { billable: Some(true), ..Default::default() };
    let refused = sensor.change(&told, Surroundings::default(), later()).unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid(why) if why.to_string().contains("billable")), "{refused}");
    let draft = DeviceDraft { device_type: "flow_sensor".into(), billable: Some(true), ..device_draft() };
    assert!(Device::admit(draft, String::new(), now()).unwrap_err().to_string().contains("billable"));
    let draft = DeviceDraft { device_type: "flow_sensor".into(), ..device_draft() };
    assert!(!placed(draft, "device-5").billable);
    let off =
        DeviceChange { billable: Some(false), effective_from: "2026-12-01".into(), ..Default::default() };
    let off = device().change(&off, Surroundings::default(), later()).unwrap();
    assert_eq!((billed(&off), off.billable), (pairs(&[("", "true"), ("2026-12-01", "false")]), true));
}

#[test]
fn a_meter_with_sub_meters_is_not_billed() {
    let main = placed(DeviceDraft { device_id: "SN-0".into(), ..device_draft() }, "main-1");
    let behind = DeviceChange { parent_device_id: Some("main-1".into()), ..Default::default() };
    let ancestors = [main.clone()];
    let around = Surroundings { ancestors: &ancestors, ..Surroundings::default() };
    let sub = device().change(&behind, around, later()).unwrap();
    assert_eq!((sub.parent_device_id.as_deref(), sub.role()), (Some("main-1"), Role::Sub));
    assert!(sub.billable);
    let main = main.become_parent(behind.day(&sub, later()), later());
    assert_eq!(billed(&main), pairs(&[("", "true"), ("2026-11-23", "false")]));
    let around = Surroundings { has_sub_meters: true, ..Surroundings::default() };
    let told = DeviceChange { billable: Some(true), ..Default::default() };
    assert!(matches!(main.change(&told, around, later()), Err(Refusal::Precondition(_))));
    let told = Correction { billable: Some(true), ..correction() };
    assert!(matches!(main.correct(&told, true, later()), Err(Refusal::Precondition(_))));
    let freed = DeviceChange { parent_device_id: Some(String::new()), ..Default::default() };
    assert_eq!(sub.change(&freed, Surroundings::default(), later()).unwrap().role(), Role::Main);
}

#[test]
fn nothing_is_behind_itself_or_across_time_zones() {
    let main = placed(DeviceDraft { parent_device_id: "device-1".into(), ..device_draft() }, "main-1");
    let behind = |parent: &str| DeviceChange { parent_device_id: Some(parent.into()), ..Default::default() };
    let refused = |change: &DeviceChange, ancestors: &[Device]| {
        let around = Surroundings { ancestors, ..Surroundings::default() };
        matches!(device().change(change, around, later()), Err(Refusal::Precondition(_)))
    };
    assert!(refused(&behind("device-1"), &[device()]), "itself");
    assert!(refused(&behind("main-1"), &[main.clone(), device()]), "a circle");
    assert!(refused(&behind("main-1"), &[]), "nobody");
    let far = Device { parent_device_id: None, time_zone: "Asia/Jayapura".into(), ..main.clone() };
    assert!(refused(&behind("main-1"), &[far]), "other days");
    assert!(!refused(&behind("main-1"), &[Device { parent_device_id: None, ..main }]));
}

#[test]
fn mains_and_subs_are_enrolled_together() {
    let properties = HashMap::from([("property-1".to_owned(), property())]);
    let candidate = |id: &str, parent: &str| {
        let draft = DeviceDraft {
            id: id.into(),
            device_id: format!("SN-{id}"),
            parent_device_id: parent.into(),
            installation_date: "2026-11-10T00:00:00Z".into(),
            ..device_draft()
        };
        Device::admit(draft, String::new(), now()).unwrap()
    };
    let there = device();
    let wanted = [candidate("main", ""), candidate("sub", "main"), candidate("other", "device-1")];
    let Enrolled { new, parents } =
        enrol(&wanted, &properties, std::slice::from_ref(&there), false, later()).unwrap();
    assert_eq!(new.iter().map(|device| device.version).collect::<Vec<_>>(), [1, 1, 1]);
    let expected = pairs(&[("", "true"), ("2026-11-10", "false")]);
    assert_eq!((billed(&new[0]), billed(&parents[0])), (expected.clone(), expected));
    assert_eq!((parents.len(), parents[0].id.as_str(), parents[0].version), (1, "device-1", 2));
    for circle in [
        vec![candidate("a", "b"), candidate("b", "a")],
        vec![candidate("a", "a")],
        vec![candidate("a", "nobody")],
    ] {
        let refused = enrol(&circle, &properties, &[], false, now());
        assert!(matches!(refused, Err(Refusal::Precondition(_))), "{refused:?}");
    }
}
