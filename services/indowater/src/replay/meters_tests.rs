use clap::Parser as _;

use super::*;
use crate::telemetry::Read;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    facts: Facts,
}

fn facts(flags: &str) -> Facts {
    Line::parse_from(std::iter::once("replay").chain(flags.split_whitespace())).facts
}

fn meter(reads: &[(i64, i64)], known: Option<Device>) -> Meter {
    let reads: Vec<Read> = reads.iter().map(|(at, register)| Read { at: *at, register: *register }).collect();
    let reads = Reads { places: vec![Default::default(); reads.len()], reads, decimals_cut: 0 };
    Meter { device_id: "replay-a".to_owned(), reads, known }
}

fn device() -> Device {
    Device {
        device_id: "replay-a".to_owned(),
        customer_id: "c-1".to_owned(),
        installation_date: "2026-01-01T00:00:00Z".to_owned(),
        unit: RegisterUnit::Litre.into(),
        register_digits: 8,
        q3_litres_per_hour: 2_500,
        time_zone: "Asia/Jakarta".to_owned(),
        tariff_class: "household-middle-1".to_owned(),
        ..Device::default()
    }
}

const SAID: Said = Said { unit: None, zone_matters: true, values: Values::Register };
const IN_TIME: i64 = 1_780_000_000;

#[test]
fn digits_are_each_meters_own_and_no_sentinels() {
    const HOUR: i64 = 3_600;
    for (case, reads, expected, beyond_it) in [
        ("household", vec![(0, 68_321), (HOUR, 68_400)], 8, 0),
        ("nine digits", vec![(0, 168_321_000), (HOUR, 168_321_400)], 9, 0),
        ("sentinel", vec![(0, 68_321), (HOUR, 4_294_967_295), (2 * HOUR, 68_400)], 8, 1),
        (
            "more sentinels",
            vec![(0, 1), (HOUR, 4_294_967_295), (2 * HOUR, 3), (3 * HOUR, 99_999_999_999), (4 * HOUR, 5)],
            8,
            2,
        ),
        ("passes into nine digits", vec![(0, 99_999_000), (HOUR, 99_999_900), (2 * HOUR, 100_000_700)], 9, 0),
        ("no more than a meter has", vec![(0, i64::MAX)], 15, 1),
    ] {
        let meter = meter(&reads, None);
        let digits = digits(&meter, &facts(""), RegisterUnit::Litre);
        let outliers = beyond(&meter, &facts(""), RegisterUnit::Litre);
        assert_eq!((digits, outliers), (expected, beyond_it), "{case}");
    }
    let told = digits(&meter(&[(0, 5)], None), &facts("--register-digits 6"), RegisterUnit::Litre);
    assert_eq!(told, 6);
    assert_eq!(digits(&meter(&[(0, 5)], None), &facts(""), RegisterUnit::Millilitre), 11);
    let known = meter(&[(0, 5)], Some(Device { register_digits: 5, ..device() }));
    assert_eq!(digits(&known, &facts(""), RegisterUnit::Litre), 5);
    // Its digits are those of its own unit, whatever the file counts in.
    let unit = RegisterUnit::Millilitre.into();
    let fine = meter(&[(0, 99_999), (60, 100_000)], Some(Device { unit, register_digits: 8, ..device() }));
    assert_eq!(beyond(&fine, &facts(""), RegisterUnit::Litre), 1);
    assert_eq!(beyond(&fine, &facts(""), RegisterUnit::Millilitre), 0);
}

#[test]
fn what_options_say_otherwise_than_the_registry_is_never_ignored() {
    for (flags, word) in [
        ("--customer c-2", "customer is c-1"),
        ("--tariff-class household-simple-1", "class is household-middle-1"),
        ("--q3 4000", "Q3 is 2500"),
        ("--register-digits 9", "digits is 8"),
        ("--time-zone Asia/Makassar", "zone is Asia/Jakarta"),
    ] {
        let meters = [meter(&[(IN_TIME, 1)], Some(device()))];
        let error = check(&meters, &facts(flags), SAID).unwrap_err().to_string();
        for word in ["replay-a", word, "nothing is sent", "--keep-registry"] {
            assert!(error.contains(word), "{flags}: {error}");
        }
        assert_eq!(error.matches("--keep-registry").count(), 1, "said once: {error}");
        assert!(check(&meters, &facts(&format!("{flags} --keep-registry")), SAID).is_ok(), "{flags}");
    }
    let meters = [meter(&[(IN_TIME, 1)], Some(device()))];
    assert!(check(&meters, &facts(""), SAID).is_ok());
    assert!(check(&meters, &facts("--customer c-1 --q3 2500 --register-digits 8"), SAID).is_ok());
    let unit = Said { unit: Some(FileUnit::Millilitre), ..SAID };
    assert!(check(&meters, &facts(""), unit).unwrap_err().to_string().contains("unit is litre"));
    // Its default zone matters where wall times were read in it.
    let elsewhere =
        [meter(&[(IN_TIME, 1)], Some(Device { time_zone: "Asia/Jayapura".to_owned(), ..device() }))];
    assert!(check(&elsewhere, &facts(""), SAID).is_err());
    assert!(check(&elsewhere, &facts(""), Said { zone_matters: false, ..SAID }).is_ok());
}

#[test]
fn a_new_meter_at_an_old_property_is_held_against_the_defaults_too() {
    let meters = [meter(&[(IN_TIME, 1)], Some(device()))];
    let error = check(&meters, &facts("").complete(), SAID).unwrap_err().to_string();
    assert!(error.contains("customer is c-1 in the registry, not replay-customer"), "{error}");
    let (property, device) = drafts(&meters[0], &facts("").complete(), RegisterUnit::Litre, "f.csv").unwrap();
    assert_eq!(
        (property.customer_id.as_str(), property.tariff_class.as_str()),
        ("replay-customer", DEFAULT_CLASS)
    );
    assert_eq!(device.installation_date, "1970-01-01T00:00:00Z");
}

#[test]
fn reads_from_before_the_installation_are_refused_before_anything_is_sent() {
    let early = (1_700_000_000, 1);
    let known = [meter(&[early], Some(device()))];
    let error = check(&known, &facts(""), SAID).unwrap_err().to_string();
    for word in ["replay-a", "2026-01-01T00:00:00Z", "2023-11-14T22:13:20Z", "registry correct"] {
        assert!(error.contains(word), "{error}");
    }
    assert!(check(&known, &facts("--keep-registry"), SAID).is_ok());
    // A new meter was always there, unless somebody says when it came.
    let new = [meter(&[early], None)];
    assert!(check(&new, &facts(""), SAID).is_ok());
    assert!(check(&new, &facts("--installed 2023-11-14"), SAID).is_ok());
    assert!(check(&new, &facts("--installed 2023-11-16"), SAID).is_err());
}

#[test]
fn summed_intervals_do_not_begin_again_on_a_meter_that_has_reads() {
    let said = Said { values: Values::Interval, ..SAID };
    let silent = [meter(&[(IN_TIME, 1)], Some(device()))];
    assert!(check(&silent, &facts(""), said).is_ok());
    let device = Device { last_reading_date: Some("2026-02-01T00:00:00Z".to_owned()), ..device() };
    let heard = [meter(&[(IN_TIME, 1)], Some(device))];
    let error = check(&heard, &facts("--keep-registry"), said).unwrap_err().to_string();
    assert!(error.contains("replay-a") && error.contains("in one call"), "{error}");
}

#[test]
fn identifiers_are_safe_in_keys_and_none_comes_twice() {
    assert_eq!(identifier("replay-", "a|b/ç 7"), "replay-a-b---7");
    let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Reads::default())).collect();
    assert_eq!(identified(named(&["a", "b"]), "").unwrap().len(), 2);
    let error = identified(named(&["a b", "A/b"]), "").unwrap_err().to_string();
    assert!(error.contains("\"a b\"") && error.contains("\"A/b\""), "{error}");
    assert!(identified(named(&[&"x".repeat(60)]), "").is_err());
}
