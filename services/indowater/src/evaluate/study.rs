//! The study: which trials are made, and what is counted of them.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "shares and rates of findings; nothing is billed by them"
)]

use std::collections::BTreeMap;

use anomaly_detector::domain::leak::{Change, Hour, Kind, Meter, Read, confidence, explain};

use super::home::Home;
use super::leak::Pattern;
use super::plateau;
use super::report::{Opened, Precision, Recall, Report, Robust, Stops};
use super::trial::{self, Limit, Outcome, Scenario, Watched};
use super::watch::{Rule, Ruled, Watch};

/// What a study depends on besides the homes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Of all chance.
    pub seed: u64,
    /// How often each leak is put into each home.
    pub trials: usize,
    /// Which share of homes begins to leak in a month, in thousandths.
    pub prevalence: u32,
}

const DAY: i64 = 86_400;
/// A month of days, on average.
const MONTH: f64 = 30.44 * 86_400.0;
/// The detector may know a home for so long before a leak begins.
const LEARNING: i64 = 60 * DAY;

const fn within_hours(pattern: Pattern, hours: i64) -> Scenario {
    Scenario { pattern, limit: Limit::Hours(hours) }
}

const fn with_read(pattern: Pattern, read: usize) -> Scenario {
    Scenario { pattern, limit: Limit::Reads(read) }
}

/// What is asked of a detector.
const SCENARIOS: [Scenario; 22] = [
    within_hours(Pattern::Constant(5), 30),
    within_hours(Pattern::Constant(10), 30),
    within_hours(Pattern::Constant(20), 30),
    within_hours(Pattern::Constant(50), 30),
    within_hours(Pattern::Pausing(10), 72),
    within_hours(Pattern::Pausing(30), 72),
    within_hours(Pattern::Cyclic(2, 2, 10), 168),
    within_hours(Pattern::Cyclic(2, 2, 20), 168),
    within_hours(Pattern::Cyclic(2, 2, 30), 168),
    within_hours(Pattern::Cyclic(1, 1, 20), 168),
    within_hours(Pattern::Cyclic(3, 3, 20), 168),
    within_hours(Pattern::Cyclic(6, 6, 20), 168),
    within_hours(Pattern::Growing(1), 240),
    within_hours(Pattern::Flapper(20, 10, 40), 240),
    within_hours(Pattern::Flapper(10, 60, 240), 240),
    within_hours(Pattern::Flapper(20, 60, 240), 240),
    within_hours(Pattern::Flapper(40, 60, 240), 240),
    within_hours(Pattern::Constant(2), 240),
    within_hours(Pattern::Constant(3), 240),
    within_hours(Pattern::Constant(4), 240),
    with_read(Pattern::Until(300, 12), 3),
    with_read(Pattern::Until(1_000, 12), 2),
];

/// The leaks that homes are supposed to have, all as often: by these the worth of a finding is told.
const MIX: [Pattern; 7] = [
    Pattern::Constant(10),
    Pattern::Pausing(10),
    Pattern::Cyclic(2, 2, 20),
    Pattern::Flapper(20, 60, 240),
    Pattern::Growing(1),
    Pattern::Constant(3),
    Pattern::Until(1_000, 12),
];

/// What is tried where reads are lost or few, or a home is hardly known.
const HARD: [Scenario; 3] = [
    within_hours(Pattern::Constant(10), 36),
    within_hours(Pattern::Cyclic(2, 2, 20), 168),
    within_hours(Pattern::Constant(20), 240),
];

/// Makes all trials.
pub fn study(homes: &[Home], plan: Plan) -> Report {
    let starts: Vec<Vec<i64>> =
        homes.iter().map(|home| trial::starts(home, LEARNING, plan.trials, plan.seed)).collect();
    let meter_months = months(homes);
    let detector: Vec<_> = homes.iter().map(|home| Watched::of(home, &Meter::default())).collect();
    let opened = opened("detector", &detector, meter_months);
    let rules = [
        ("24 h without a dry hour", Rule::NoDryHour(0)),
        ("24 h above 3.785 L/h", Rule::NoDryHour(3_785)),
        ("three wet nights", Rule::WetNights),
    ];
    let mut recalls: Vec<BTreeMap<&'static str, Recall>> = vec![BTreeMap::new(); SCENARIOS.len()];
    let mut told = Vec::new();
    for (scenario, row) in SCENARIOS.iter().zip(&mut recalls) {
        let made = outcomes(&detector, &starts, scenario, plan.seed);
        row.insert("detector", Recall::of(&made));
        told.push((scenario.pattern, made));
    }
    let mut openings = vec![opened];
    for (name, rule) in rules {
        let ruled: Vec<_> = homes.iter().map(|home| Watched::of(home, &Ruled::by(rule))).collect();
        openings.push(self::opened(name, &ruled, meter_months));
        for (scenario, row) in SCENARIOS.iter().zip(&mut recalls) {
            row.insert(name, Recall::of(&outcomes(&ruled, &starts, scenario, plan.seed)));
        }
    }
    Report {
        homes: homes.len(),
        meter_months,
        seed: plan.seed,
        trials: starts.iter().map(Vec::len).sum(),
        prevalence: plan.prevalence,
        scenarios: SCENARIOS.iter().zip(recalls).map(|(scenario, row)| (scenario.into(), row)).collect(),
        precision: precision(&detector, &told, meter_months, plan.prevalence),
        stops: stops(&detector, &starts, plan.seed),
        robust: robust(homes, &starts, plan),
        plateaus_by_chance: plateau::by_chance(homes),
        openings,
    }
}

/// The time that homes were watched; a gap of more than a day is not.
fn months(homes: &[Home]) -> f64 {
    let pairs = homes.iter().flat_map(|home| home.reads.windows(2));
    let seconds: i64 = pairs.map(|pair| (pair[1].at - pair[0].at).min(DAY)).sum();
    seconds as f64 / MONTH
}

fn outcomes<W: Watch>(
    watched: &[Watched<'_, W>],
    starts: &[Vec<i64>],
    scenario: &Scenario,
    seed: u64,
) -> Vec<Option<Outcome>> {
    let trials = watched.iter().zip(starts);
    trials.flat_map(|(home, starts)| starts.iter().map(|start| home.trial(scenario, *start, seed))).collect()
}

fn opened<W: Watch>(name: &'static str, watched: &[Watched<'_, W>], months: f64) -> Opened {
    let mut opened = Opened { method: name, ..Opened::default() };
    for home in watched {
        for told in &home.told {
            if !matches!(told.change, Change::Opened | Change::Returned) {
                continue;
            }
            let plateau = plateau::is_near(home.home, told.at);
            let kind = opened.kinds.entry(format!("{:?}", told.kind)).or_default();
            for counts in [&mut opened.counts, kind] {
                counts.add(told.change == Change::Opened, plateau);
            }
        }
    }
    opened.months = months;
    opened
}

/// Of findings of each kind, how many would be leaks if so many homes began to leak a month.
fn precision(
    watched: &[Watched<'_, Meter>],
    told: &[(Pattern, Vec<Option<Outcome>>)],
    months: f64,
    prevalence: u32,
) -> Vec<Precision> {
    let untouched = opened("detector", watched, months);
    let kinds = [Kind::Drip, Kind::Cyclic, Kind::Pausing, Kind::Constant, Kind::Growing, Kind::Burst];
    let mix: Vec<_> = told.iter().filter(|(pattern, _)| MIX.contains(pattern)).collect();
    let share_of = |kind: Kind| {
        let shares = mix.iter().map(|(_, outcomes)| {
            let known: Vec<_> = outcomes.iter().flatten().collect();
            let of_kind =
                known.iter().filter(|outcome| outcome.told.is_some_and(|(_, as_what)| as_what == kind));
            of_kind.count() as f64 / known.len().max(1) as f64
        });
        shares.sum::<f64>() / mix.len().max(1) as f64
    };
    let rows = kinds.into_iter().map(|kind| {
        let true_ones = f64::from(prevalence) / 1_000.0 * share_of(kind);
        let counts = untouched.kinds.get(&format!("{kind:?}")).copied().unwrap_or_default();
        let all = true_ones + f64::from(counts.opened) / months;
        let plateaus = f64::from(counts.opened - counts.opened_without_plateau) / months;
        Precision {
            kind: format!("{kind:?}"),
            stated: f64::from(confidence(kind, 0, 0)) / 1_000.0,
            leaks_a_month: true_ones,
            others: counts.opened,
            others_without_plateau: counts.opened_without_plateau,
            least: true_ones / all.max(f64::MIN_POSITIVE),
            most: (true_ones + plateaus) / all.max(f64::MIN_POSITIVE),
        }
    });
    rows.filter(|row| row.leaks_a_month > 0.0 || row.others > 0).collect()
}

/// How long after its repair a leak of four days is told to have stopped.
fn stops(watched: &[Watched<'_, Meter>], starts: &[Vec<i64>], seed: u64) -> Vec<Stops> {
    let patterns = [Pattern::Until(5, 96), Pattern::Until(25, 96), Pattern::Until(1_000, 12)];
    let rows = patterns.into_iter().map(|pattern| {
        let hours = if let Pattern::Until(_, hours) = pattern { hours } else { 0 };
        let outcomes = outcomes(watched, starts, &within_hours(pattern, 96), seed);
        let told: Vec<_> = outcomes.into_iter().flatten().filter(|outcome| outcome.told.is_some()).collect();
        let mut after: Vec<f64> = told
            .iter()
            .filter_map(|outcome| outcome.stopped)
            .map(|stopped| (stopped - hours * 3_600) as f64 / 3_600.0)
            .collect();
        after.sort_by(f64::total_cmp);
        let at = |percent: usize| after.get(percent * after.len() / 100).copied();
        Stops {
            leak: pattern.to_string(),
            told: told.len(),
            stopped: after.len(),
            median: at(50),
            most: at(90),
        }
    });
    rows.collect()
}

/// The same where it is hard.
fn robust(homes: &[Home], starts: &[Vec<i64>], plan: Plan) -> Vec<Robust> {
    let mut rows = Vec::new();
    let altered = |name: &str, change: &dyn Fn(&Home) -> Home| {
        let altered: Vec<Home> = homes.iter().map(change).collect();
        let watched: Vec<_> = altered.iter().map(|home| Watched::of(home, &Meter::default())).collect();
        let recalls = HARD.iter().map(|hard| Recall::of(&outcomes(&watched, starts, hard, plan.seed)));
        let told = watched.iter().flat_map(|home| &home.told);
        let opened = told.filter(|told| told.change == Change::Opened).count() as f64 / months(&altered);
        Robust { name: name.to_owned(), opened: Some(opened), recalls: recalls.collect() }
    };
    for share in [0.05, 0.1, 0.2, 0.3] {
        let name = format!("{:.0} % of the reads lost", share * 100.0);
        rows.push(altered(&name, &|home| home.losing(share, plan.seed)));
    }
    for (name, seconds) in [("read every 6 h", 6 * 3_600), ("read every day", DAY)] {
        rows.push(altered(name, &|home| home.every(seconds)));
    }
    for days in [3, 7, 14] {
        let recalls = HARD.iter().map(|hard| {
            let trials = homes.iter().zip(starts).flat_map(|(home, starts)| {
                let one = |start: &i64| {
                    trial::run(home, Meter::default(), hard, start - days * DAY, *start, plan.seed)
                };
                starts.iter().map(one).collect::<Vec<_>>()
            });
            Recall::of(&trials.collect::<Vec<_>>())
        });
        rows.push(Robust {
            name: format!("known for {days} days"),
            opened: None,
            recalls: recalls.collect(),
        });
    }
    rows
}

/// What the rows of [`Robust`] try.
pub fn hard() -> Vec<String> {
    HARD.iter().map(|scenario| super::report::ScenarioName::from(scenario).to_string()).collect()
}

/// A trial to look at.
#[derive(Debug, Clone)]
pub struct Example {
    /// Which home.
    pub home: String,
    /// Which leak.
    pub leak: String,
    /// When it began, seconds since the epoch.
    pub start: i64,
    /// How long after that it was told, seconds.
    pub told_after: i64,
    /// The hours around it, beside what the detector held for usual.
    pub hours: Vec<Hour>,
}

/// A few trials to look at: the first that were told.
pub fn examples(homes: &[Home], plan: Plan) -> Vec<Example> {
    let patterns = [Pattern::Constant(10), Pattern::Cyclic(2, 2, 20), Pattern::Flapper(20, 60, 240)];
    let first = |pattern: Pattern| {
        let mut trials = homes.iter().flat_map(|home| {
            let starts = trial::starts(home, LEARNING, plan.trials, plan.seed);
            starts.into_iter().map(move |start| (home, start))
        });
        trials.find_map(|(home, start)| example(home, pattern, start, plan.seed))
    };
    patterns.into_iter().filter_map(first).collect()
}

fn example(home: &Home, pattern: Pattern, start: i64, seed: u64) -> Option<Example> {
    let setting = trial::setting(home);
    let before = home.between(i64::MIN, start);
    let mut meter = Meter::default();
    for read in before {
        meter.read(*read, &setting);
    }
    if meter.episode().is_some() {
        return None;
    }
    let leaking = trial::leaking(home, pattern, start, seed);
    let told = leaking.iter().find(|read| !meter.read(**read, &setting).is_empty())?.at;
    let shown = |read: &&Read| (start - DAY..told + DAY / 2).contains(&read.at);
    let reads: Vec<Read> = before.iter().chain(&leaking).filter(shown).copied().collect();
    Some(Example {
        home: home.name.clone(),
        leak: pattern.to_string(),
        start,
        told_after: told - start,
        hours: explain(&meter, &reads, &setting).hours,
    })
}
