//! Every message in both languages, in a file that a person can read: `texts/preview.md`.

use std::fmt::Write as _;

use indowater_common::domain::zone::Zone;

use crate::domain::content::{Content, Tampering};
use crate::domain::figures::Figure;
use crate::domain::kinds::TABLE;
use crate::domain::leak::Manner;
use crate::domain::person::Language;
use crate::domain::words::{Catalogue, Text};

const PREVIEW: &str = include_str!("../texts/preview.md");
const TWO_TEN: i64 = 1_795_547_400;
const DAY: i32 = 20_782;

/// Each kind, each choice of words in it, and each figure that may be missing.
fn samples() -> Vec<Content> {
    let device = || "device-001".to_owned();
    let (leak_id, location) = (|| "leak-1".to_owned(), || "Halaman depan".to_owned());
    let mut all = Vec::new();
    for manner in Manner::ALL {
        let (rate, cost_a_day) = match manner {
            Manner::Drip => (4_200, None),
            Manner::Burst => (1_840_000, Some(552_000)),
            _ => (38_000, Some(9_400)),
        };
        all.push(Content::LeakFound {
            device_id: device(),
            leak_id: leak_id(),
            manner,
            rate,
            since: TWO_TEN,
            cost_a_day,
        });
    }
    for (manner, cost_a_day) in [(Manner::Growing, Some(21_000)), (Manner::Burst, None)] {
        all.push(Content::LeakWorse {
            device_id: device(),
            leak_id: leak_id(),
            manner,
            rate: 95_000,
            since: TWO_TEN,
            cost_a_day,
        });
    }
    all.push(Content::LeakOver { device_id: device(), lost: 2_731_000, cost: 25_600 });
    for days_left in [None, Some(0), Some(1), Some(12)] {
        all.push(Content::BalanceLow { balance: 48_500, threshold: 50_000, days_left });
    }
    all.extend([0, 1, 3].map(|days_left| Content::BalanceShort { balance: 21_300, days_left }));
    all.push(Content::BalanceEmpty { balance: -1_250 });
    for days_left in [None, Some(0), Some(1), Some(27)] {
        all.push(Content::BalanceRestored { balance: 151_200, days_left });
    }
    for usual in [Some(412_000), None] {
        all.push(Content::UsageHigh {
            device_id: device(),
            day: DAY,
            volume: 1_284_000,
            usual,
            limit: 1_000_000,
        });
    }
    all.push(Content::UsageUsual { device_id: device() });
    for location in [location(), String::new()] {
        all.push(Content::DeviceSilent { device_id: device(), location, last_seen: TWO_TEN });
    }
    all.push(Content::DeviceBack { device_id: device(), location: location() });
    let payment_id = || "pay-1".to_owned();
    all.push(Content::PaymentReceived { payment_id: payment_id(), amount: 100_000 });
    all.push(Content::PaymentRefused { payment_id: payment_id(), amount: 100_000 });
    all.push(Content::PaymentReturned { payment_id: payment_id(), amount: 100_000 });
    for tampering in Tampering::ALL {
        all.push(Content::TamperingSeen {
            device_id: device(),
            event_id: "t-1".to_owned(),
            tampering,
            day: DAY,
        });
    }
    all
}

fn preview() -> String {
    let (catalogue, zone) = (Catalogue::open().unwrap(), Zone::named("Asia/Jakarta").unwrap());
    let mut text = "# Every message, in both languages\n\nPrinted by a test from the catalogues beside it; the figures are made up.\n".to_owned();
    let mut before = None;
    for content in samples() {
        if before.replace(content.kind()) != Some(content.kind()) {
            let parameters: Vec<&str> = content.figures().into_iter().map(|(name, _)| name).collect();
            let parameters = if parameters.is_empty() { "nothing".to_owned() } else { parameters.join(", ") };
            writeln!(text, "\n## {}\n\nParameters: {parameters}.\n", content.kind().name()).unwrap();
        }
        for language in Language::ALL {
            let Text { title, message } = catalogue.text(&content, language, &zone);
            writeln!(text, "- {} **{title}** — {message}", language.code()).unwrap();
        }
    }
    text.push_str("\n## Around them\n\n");
    let around: [(&str, &[(&str, Figure<'_>)]); 8] = [
        ("over_budget", &[]),
        ("digest-title", &[("count", Figure::Count(1))]),
        ("digest-title", &[("count", Figure::Count(3))]),
        ("mail-greeting", &[("name", Figure::Name("Budi Santoso"))]),
        ("mail-greeting", &[("name", Figure::Choice("none"))]),
        ("mail-more", &[]),
        ("mail-footer", &[]),
        ("digest-title", &[("count", Figure::Count(1_200))]),
    ];
    for (name, figures) in around {
        for language in Language::ALL {
            let phrase = catalogue.phrase(language, &zone, name, figures);
            writeln!(text, "- {} {phrase}", language.code()).unwrap();
        }
    }
    text
}

#[test]
fn the_preview_shows_every_message_as_it_is_sent() {
    let preview = preview();
    for (number, (line, expected)) in preview.lines().zip(PREVIEW.lines()).enumerate() {
        assert_eq!(
            line,
            expected,
            "line {} of texts/preview.md; `cargo test -p notifier -- --ignored` writes it anew",
            number + 1
        );
    }
    assert_eq!(preview, PREVIEW);
}

#[test]
#[ignore = "writes texts/preview.md, for whoever changed a text"]
fn write_the_preview() {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/texts/preview.md"), preview()).unwrap();
}

#[test]
fn every_kind_is_shown_and_no_text_lacks_a_word() {
    let kinds: Vec<_> = samples().iter().map(Content::kind).collect();
    for row in &TABLE {
        assert!(kinds.contains(&row.kind), "{}", row.name);
    }
    for hole in ["{", "}", "$", "-title", "-message", "  ", " none"] {
        assert!(
            !preview().replace("leak_", "").lines().any(|line| !line.starts_with('#') && line.contains(hole)),
            "{hole:?}"
        );
    }
}

#[test]
fn parameters_of_templates_are_never_empty() {
    let zone = Zone::named("Asia/Jakarta").unwrap();
    for content in samples() {
        for language in Language::ALL {
            let parameters = Catalogue::parameters(&content, language, &zone);
            assert!(parameters.iter().all(|one| !one.is_empty() && !one.contains('\n')), "{parameters:?}");
        }
    }
}
