//! Findings in words, for people who read no registers.

use rust_decimal::Decimal;

use super::event::LeakEvent;
use super::leak::Kind;
use super::names::{self, MINUTES};
use super::tampering::{Evidence, TamperingEvent};

/// The languages of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Indonesian.
    Indonesian,
}

/// What a leak is and what speaks for it, in a few sentences.
pub fn leak(event: &LeakEvent, language: Language) -> String {
    let episode = &event.episode;
    let (hours, flow) = ((episode.until - episode.since) / (60 * MINUTES), litres(episode.rate));
    let loss = litres(episode.lost);
    let mut words = match language {
        Language::English => format!(
            "{} About {flow} L/h, seen for {hours} h; about {loss} L lost so far, Rp {}.",
            english(episode.kind),
            event.rupiah
        ),
        Language::Indonesian => format!(
            "{} Sekitar {flow} L/jam, terlihat selama {hours} jam; sekitar {loss} L terbuang sejauh ini, Rp {}.",
            indonesian(episode.kind),
            event.rupiah
        ),
    };
    if let Some(explanation) = &event.explanation
        && !explanation.hours.is_empty()
    {
        let (many, dry, usually) = (explanation.hours.len(), explanation.dry, explanation.usually_dry);
        words += &match language {
            Language::English => format!(
                " Of the last {many} hours before it was found, {dry} were without flow; usually it would have been about {usually}."
            ),
            Language::Indonesian => format!(
                " Dari {many} jam terakhir sebelum ditemukan, {dry} jam tanpa aliran; biasanya sekitar {usually}."
            ),
        };
    }
    words
}

/// Millilitres as litres, to a tenth.
fn litres(millilitres: i64) -> Decimal {
    Decimal::new(millilitres, 3).round_dp(1).normalize()
}

const fn english(kind: Kind) -> &'static str {
    match kind {
        Kind::Drip => "A drip: a little water runs day and night.",
        Kind::Cyclic => {
            "Water runs for some hours and rests for some, day after day, as a cistern does that seeps."
        }
        Kind::Pausing => "Water runs nearly all day, with a short pause.",
        Kind::Constant => "Water runs without a pause.",
        Kind::WhileAway => "Water runs although nobody is said to be there.",
        Kind::Growing => "Water runs, and more than when it was found.",
        Kind::Burst => "Far more water runs than this meter ever took in an hour: a pipe may have burst.",
    }
}

const fn indonesian(kind: Kind) -> &'static str {
    match kind {
        Kind::Drip => "Tetesan: sedikit air mengalir siang dan malam.",
        Kind::Cyclic => {
            "Air mengalir beberapa jam lalu berhenti beberapa jam, hari demi hari, seperti tangki yang merembes."
        }
        Kind::Pausing => "Air mengalir hampir sepanjang hari, dengan jeda singkat.",
        Kind::Constant => "Air mengalir tanpa henti.",
        Kind::WhileAway => "Air mengalir walaupun rumah dinyatakan kosong.",
        Kind::Growing => "Air mengalir, dan lebih banyak daripada saat ditemukan.",
        Kind::Burst => "Air mengalir jauh lebih banyak daripada biasanya dalam satu jam: pipa mungkin pecah.",
    }
}

/// What speaks for tampering, in a sentence.
pub fn tampering(event: &TamperingEvent) -> String {
    if let Some(foreign) = &event.foreign {
        return foreign.description.clone();
    }
    let mut parts: Vec<String> = Vec::new();
    for seen in &event.seen {
        let words = of_evidence(seen.evidence);
        let days = event.seen.iter().filter(|other| other.evidence == seen.evidence).count();
        let part = if days > 1 { format!("{words} (on {days} days)") } else { words.to_owned() };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    if parts.is_empty() {
        return "Later reads explain what was seen.".to_owned();
    }
    format!("{}: {}.", names::TYPES.name(event.of_type), parts.join("; "))
}

const fn of_evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Magnet => "the meter felt a magnet",
        Evidence::CaseOpen => "the meter's case was opened",
        Evidence::Tilt => "the meter was tilted",
        Evidence::ReverseFlow => "water ran backwards",
        Evidence::SteppedBack => "the register stepped back, and no exchange is known",
        Evidence::Drop => "a fortnight with less than a fifth of the usual water",
        Evidence::Dry => "a fortnight without water where there was a habit of it",
        Evidence::FlowWhileClosed => "water flowed while the connection was closed",
    }
}

#[cfg(test)]
mod tests {
    use indowater_common::domain::zone::Day;

    use super::super::leak::{Episode, Explanation};
    use super::super::tampering::{Seen, Type};
    use super::*;

    #[test]
    fn a_leak_is_told_in_two_languages() {
        let episode = Episode {
            opened: 108_000,
            since: 0,
            until: 108_000,
            kind: Kind::Constant,
            rate: 12_340,
            lost: 370_200,
            runs: true,
        };
        let hour = super::super::leak::Hour {
            at: 0,
            seconds: 3_600,
            volume: 0,
            usually_dry: 0,
            usual: 0,
            usual_at_most: 0,
        };
        let event = LeakEvent {
            id: String::new(),
            device_id: String::new(),
            customer_id: String::new(),
            property_id: String::new(),
            opened: 108_000,
            episode,
            rupiah: 3_517,
            confidence: 930,
            explanation: Some(Explanation { hours: vec![hour; 72], dry: 1, usually_dry: 30, least: None }),
            steps: Vec::new(),
            decision: None,
            withdrawn: false,
            revision: 1,
            is_foreign: false,
        };
        assert_eq!(
            leak(&event, Language::English),
            "Water runs without a pause. About 12.3 L/h, seen for 30 h; about 370.2 L lost so far, Rp 3517. Of the last 72 hours \
             before it was found, 1 were without flow; usually it would have been about 30."
        );
        assert!(
            leak(&event, Language::Indonesian).starts_with("Air mengalir tanpa henti. Sekitar 12.3 L/jam")
        );
    }

    #[test]
    fn evidence_is_told_once_with_its_days() {
        let seen = |evidence, day| Seen { evidence, day: Day(day), at: 0 };
        let event = TamperingEvent {
            id: String::new(),
            device_id: String::new(),
            customer_id: String::new(),
            property_id: String::new(),
            of_type: Type::Physical,
            begun: 0,
            seen: vec![seen(Evidence::Tilt, 1), seen(Evidence::CaseOpen, 1), seen(Evidence::Tilt, 2)],
            inspection: None,
            revision: 0,
            foreign: None,
        };
        assert_eq!(
            tampering(&event),
            "physical: the meter was tilted (on 2 days); the meter's case was opened."
        );
    }
}
