use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;
use jiff::Timestamp;

use super::*;
use crate::domain::meter::Meter;

pub(super) fn now() -> Timestamp {
    "2026-11-22T10:00:00.123Z".parse().unwrap()
}

pub(super) fn later() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub(super) fn property_draft() -> PropertyDraft {
    PropertyDraft { name: "Rumah Melati".into(), customer_id: "customer-001".into(), ..Default::default() }
}

pub(super) fn property() -> Property {
    Property::admit(property_draft(), "property-1".into(), now()).unwrap()
}

pub(super) fn device_draft() -> DeviceDraft {
    DeviceDraft { device_id: "SN-1".into(), property_id: "property-1".into(), ..Default::default() }
}

pub(super) fn device() -> Device {
    placed(device_draft(), "device-1")
}

pub(super) fn placed(draft: DeviceDraft, id: &str) -> Device {
    let mut device = Device::admit(draft, id.into(), now()).unwrap();
    device.place(&property());
    device
}

#[test]
fn defaults_of_a_property() {
    let property = property();
    assert_eq!(property.id, "property-1");
    assert_eq!(property.property_type, PropertyType::Residential);
    assert_eq!(property.time_zone, "Asia/Jakarta");
    assert_eq!(property.tariff_class, "household-middle-1");
    assert_eq!((property.version, property.created_at), (1, now()));
    for (property_type, class) in [("commercial", "commercial-1"), ("industrial", "industrial-1")] {
        let draft = PropertyDraft { property_type: property_type.into(), ..property_draft() };
        assert_eq!(Property::admit(draft, "p".into(), now()).unwrap().tariff_class, class);
    }
}

#[test]
fn every_wrong_field_of_a_property_is_named() {
    let draft = PropertyDraft {
        id: "a|b".into(),
        name: " ".into(),
        address: "x".repeat(501),
        customer_id: String::new(),
        property_type: "castle".into(),
        time_zone: "Asia/Atlantis".into(),
        tariff_class: "golden".into(),
        area: "a b".into(),
    };
    let problems = Property::admit(draft, String::new(), now()).unwrap_err().to_string();
    for field in
        ["id must", "name", "address", "customer_id", "property_type", "time_zone", "tariff_class", "area"]
    {
        assert!(problems.contains(field), "{field} is missing in: {problems}");
    }
}

#[test]
fn a_time_zone_takes_its_proper_spelling() {
    let draft = PropertyDraft { time_zone: "asia/makassar".into(), ..property_draft() };
    assert_eq!(Property::admit(draft, "p".into(), now()).unwrap().time_zone, "Asia/Makassar");
}

#[test]
fn ids_are_plain() {
    let long = "x".repeat(65);
    for (id, plain) in [
        ("a-Z_0.9:x", true),
        (&long[1..], true),
        (&long, false),
        ("a b", false),
        ("a|b", false),
        ("é", false),
    ] {
        let draft = DeviceDraft { id: id.into(), ..device_draft() };
        assert_eq!(Device::admit(draft, String::new(), now()).is_ok(), plain, "{id}");
    }
}

#[test]
fn a_change_raises_the_version_and_no_change_does_not() {
    let before = property();
    let change = PropertyChange { address: Some("Jl. Melati 7".into()), ..Default::default() };
    let PropertyChanged { property: after, from } = before.change(&change, later()).unwrap();
    assert_eq!((after.version, after.updated_at, after.created_at), (2, later(), now()));
    assert_eq!(from, None, "nothing that its devices have");
    assert_eq!(after.change(&change, later()).unwrap().property, after);
}

#[test]
fn customer_and_class_concern_the_devices() {
    for change in [
        PropertyChange { customer_id: Some("customer-002".into()), ..Default::default() },
        PropertyChange { tariff_class: Some("social-1".into()), ..Default::default() },
    ] {
        let before = property();
        let PropertyChanged { property: after, from } = before.change(&change, later()).unwrap();
        assert_eq!(from, Day::parse("2026-11-23"));
        let followed = device().follow(&after, from.unwrap());
        assert_eq!(
            (&followed.customer_id, &followed.tariff_class),
            (&after.customer_id, &after.tariff_class)
        );
        assert_eq!((followed.version, followed.updated_at), (2, later()));
    }
}

#[test]
fn a_stale_version_is_refused() {
    let change = PropertyChange { version: Some(7), ..Default::default() };
    assert!(matches!(property().change(&change, later()), Err(Refusal::Stale { expected: 7, is: 1, .. })));
    let change = DeviceChange { version: Some(7), ..Default::default() };
    assert!(matches!(
        device().change(&change, Surroundings::default(), later()),
        Err(Refusal::Stale { expected: 7, is: 1, .. })
    ));
}

#[test]
fn defaults_of_a_device() {
    let device = device();
    assert_eq!((device.meter, device.billable, device.role()), (Meter::HOUSEHOLD, true, Role::Main));
    assert_eq!((device.status, device.device_type), (Status::Active, DeviceType::WaterMeter));
    assert_eq!((device.installation_date, device.calibration_date), (now(), None));
    assert_eq!((device.customer_id.as_str(), device.time_zone.as_str()), ("customer-001", "Asia/Jakarta"));
    let fine = DeviceDraft { unit: Some(Unit::Millilitre), ..device_draft() };
    assert_eq!(Device::admit(fine, "d".into(), now()).unwrap().meter.digits, 11);
}

#[test]
fn every_wrong_field_of_a_device_is_named() {
    let draft = DeviceDraft {
        id: "a|b".into(),
        device_id: String::new(),
        property_id: "?".into(),
        device_type: "kettle".into(),
        status: "asleep".into(),
        location: "x".repeat(201),
        installation_date: "yesterday".into(),
        calibration_date: "2026-13-01".into(),
        unit: None,
        register_digits: 19,
        q3_litres_per_hour: u32::MAX,
        wraps_at: 7,
        resolution: 5,
        billable: None,
        parent_device_id: "a b".into(),
    };
    let problems = Device::admit(draft, String::new(), now()).unwrap_err().to_string();
    for field in [
        "id must",
        "device_id",
        "property_id",
        "type",
        "status",
        "location",
        "installation_date",
        "calibration_date",
        "register_digits",
        "q3_litres_per_hour",
        "wraps_at",
        "parent_device_id",
    ] {
        assert!(problems.contains(field), "{field} is missing in: {problems}");
    }
}

pub(super) fn to(property: &Property) -> Surroundings<'_> {
    Surroundings { property: Some(property), ..Surroundings::default() }
}

#[test]
fn a_device_moves_within_its_time_zone_only() {
    let draft = PropertyDraft { customer_id: "customer-002".into(), ..property_draft() };
    let there = Property::admit(draft, "property-2".into(), now()).unwrap();
    let moved = device().change(&DeviceChange::default(), to(&there), later()).unwrap();
    assert_eq!((moved.property_id.as_str(), moved.customer_id.as_str()), ("property-2", "customer-002"));
    assert_eq!(moved.version, 2);
    let far = Property { time_zone: "Asia/Jayapura".into(), ..there };
    let refused = device().change(&DeviceChange::default(), to(&far), later());
    assert!(matches!(refused, Err(Refusal::Precondition(_))), "{refused:?}");
}

#[test]
fn a_device_changes_field_by_field() {
    let change = DeviceChange {
        status: Some("inactive".into()),
        calibration_date: Some("2026-01-31T08:00:00Z".into()),
        q3_litres_per_hour: Some(4_000),
        ..Default::default()
    };
    let changed = device().change(&change, Surroundings::default(), later()).unwrap();
    assert_eq!((changed.status, changed.meter.q3_litres_per_hour), (Status::Inactive, 4_000));
    assert!(!changed.facts().active);
    let cleared = DeviceChange { calibration_date: Some(String::new()), ..Default::default() };
    assert_eq!(changed.change(&cleared, Surroundings::default(), later()).unwrap().calibration_date, None);
    let wrong = DeviceChange { q3_litres_per_hour: Some(0), status: Some("?".into()), ..Default::default() };
    let problems = changed.change(&wrong, Surroundings::default(), later()).unwrap_err().to_string();
    assert!(problems.contains("q3_litres_per_hour") && problems.contains("status"), "{problems}");
}

#[test]
fn pages_are_bounded_and_end() {
    assert_eq!(Page::new(0, String::new()).unwrap().size, 50);
    assert!(Page::new(501, String::new()).is_err() && Page::new(-1, String::new()).is_err());
    let page = Page::new(2, String::new()).unwrap();
    let cut = |ids: &[&'static str]| page.cut(ids.to_vec(), |id| (*id).to_owned());
    assert_eq!(cut(&["a", "b", "c"]), (vec!["a", "b"], "b".to_owned()));
    assert_eq!(cut(&["a", "b"]), (vec!["a", "b"], String::new()));
    assert_eq!(cut(&[]), (vec![], String::new()));
}

fn candidate(id: &str, device_id: &str) -> Device {
    let draft = DeviceDraft { id: id.into(), device_id: device_id.into(), ..device_draft() };
    Device::admit(draft, String::new(), now()).unwrap()
}

#[test]
fn enrolment_takes_the_new_and_passes_over_the_same() {
    let properties = std::collections::HashMap::from([("property-1".to_owned(), property())]);
    let present = [device()];
    let wanted = [candidate("device-1", "SN-1"), candidate("device-2", "SN-2")];
    let new = enrol(&wanted, &properties, &present, true, now()).unwrap().new;
    assert_eq!(new.len(), 1);
    assert_eq!((new[0].id.as_str(), new[0].customer_id.as_str()), ("device-2", "customer-001"));

    let taken = |candidate, again| enrol(&[candidate], &properties, &present, again, now()).unwrap_err();
    for (candidate, again, field) in [
        (candidate("device-1", "SN-1"), false, "id"),
        (candidate("device-1", "SN-9"), true, "id"),
        (candidate("device-9", "SN-1"), true, "device_id"),
        (candidate("device-9", " sn-1 "), true, "device_id"),
        (candidate("device-9", "Sn-1"), false, "device_id"),
    ] {
        assert!(matches!(taken(candidate, again), Refusal::Taken { field: f, .. } if f == field));
    }
    let same = enrol(&[candidate("device-1", "sn-1")], &properties, &present, true, now());
    assert_eq!(same.unwrap(), Enrolled::default());
    let nowhere = enrol(&wanted, &std::collections::HashMap::new(), &[], false, now());
    assert!(matches!(nowhere, Err(Refusal::Precondition(_))));
}

#[test]
fn every_problem_of_every_device_is_named() {
    let good = DeviceDraft { id: "a".into(), ..device_draft() };
    let bad = DeviceDraft { status: "asleep".into(), register_digits: 99, ..good.clone() };
    let admitted = |drafts: Vec<DeviceDraft>| {
        admit_all(drafts, || "new".to_owned(), now()).map_err(|problems| problems.to_string())
    };
    let problems =
        admitted(vec![good.clone(), DeviceDraft { device_id: " sn-1 ".into(), ..good.clone() }, bad])
            .unwrap_err();
    for part in
        ["devices[2].status", "devices[2].register_digits", "id \"a\" comes twice", "\"sn-1\" comes twice"]
    {
        assert!(problems.contains(part), "{part} is missing in: {problems}");
    }
    let other = DeviceDraft { id: "b".into(), device_id: " sn-1".into(), ..good.clone() };
    assert!(admitted(vec![good.clone(), other]).unwrap_err().contains("\"sn-1\" comes twice"));
    assert!(admitted(vec![good.clone(); 1_001]).unwrap_err().contains("1000"));
    assert_eq!(admitted(vec![good]).unwrap().len(), 1);
}
