//! The figures of a small made-up set are pinned: a change of the rules that moves them is meant to.

use super::*;

const PLAN: Plan = Plan { seed: 1, trials: 1, prevalence: 10 };

/// What was told in time by the detector, of how many, and by the three rules.
fn recalls(report: &report::Report) -> Vec<String> {
    let rules = ["24 h without a dry hour", "24 h above 3.785 L/h", "three wet nights"];
    let rows = report.scenarios.iter().map(|(name, row)| {
        let report::Recall { in_time, trials, .. } = row["detector"];
        format!(
            "{name}: {in_time} of {trials}; {}",
            rules.map(|rule| row[rule].in_time.to_string()).join(" ")
        )
    });
    rows.collect()
}

#[test]
fn figures_of_made_up_homes() {
    let homes = synthetic::homes(8, 100, 11);
    let report = study::study(&homes, PLAN);
    let openings: Vec<String> = report
        .openings
        .iter()
        .map(|row| format!("{}: {} and {} again", row.method, row.counts.opened, row.counts.returned))
        .collect();
    assert_eq!(openings, OPENINGS);
    assert_eq!(recalls(&report), RECALLS);
    assert!(report.precision.iter().all(|row| (0.0..=row.most).contains(&row.least) && row.most <= 1.0));
    assert!(report.precision.iter().any(|row| row.kind == "Constant" && row.leaks_a_month > 0.0));
    let ends: Vec<(usize, usize)> = report.stops.iter().map(|row| (row.told, row.stopped)).collect();
    assert_eq!(ends, [(8, 7), (8, 8), (8, 8)]);
    let shown = report.to_string();
    for words in ["three wet nights", "flapper off 60-240 min, 20 L/h in 10 d", "30 % of the reads lost"] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    let folder = tempfile::tempdir().unwrap();
    plots::write(folder.path(), &report, &study::examples(&homes, PLAN)).unwrap();
    for name in ["time-to-detect.svg", "reliability.svg", "episode-1.svg"] {
        let picture = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(
            picture.starts_with("<svg") && picture.ends_with("</svg>\n") && !picture.contains("NaN"),
            "{name}"
        );
    }
}

/// Of homes in which nothing leaks, in 26 months of one meter.
const OPENINGS: [&str; 4] = [
    "detector: 4 and 0 again",
    "24 h without a dry hour: 6 and 0 again",
    "24 h above 3.785 L/h: 1 and 0 again",
    "three wet nights: 1 and 0 again",
];

/// Told in time by the detector; by the rules (24 h without a dry hour, 24 h above 3.785 L/h, three wet nights).
const RECALLS: [&str; 22] = [
    "constant 5 L/h in 30 h: 5 of 8; 8 8 0",
    "constant 10 L/h in 30 h: 8 of 8; 8 8 0",
    "constant 20 L/h in 30 h: 8 of 8; 8 8 0",
    "constant 50 L/h in 30 h: 8 of 8; 8 8 0",
    "pausing 1.5 h a day, 10 L/h in 72 h: 8 of 8; 6 6 2",
    "pausing 1.5 h a day, 30 L/h in 72 h: 8 of 8; 7 6 2",
    "cyclic 2/2 h, 10 L/h in 7 d: 8 of 8; 7 4 6",
    "cyclic 2/2 h, 20 L/h in 7 d: 8 of 8; 7 6 6",
    "cyclic 2/2 h, 30 L/h in 7 d: 8 of 8; 7 6 6",
    "cyclic 1/1 h, 20 L/h in 7 d: 8 of 8; 8 6 8",
    "cyclic 3/3 h, 20 L/h in 7 d: 8 of 8; 7 4 8",
    "cyclic 6/6 h, 20 L/h in 7 d: 8 of 8; 6 4 7",
    "growing 1 L/h a day in 10 d: 8 of 8; 8 8 8",
    "flapper off 10-40 min, 20 L/h in 10 d: 8 of 8; 8 8 8",
    "flapper off 60-240 min, 10 L/h in 10 d: 7 of 8; 6 1 1",
    "flapper off 60-240 min, 20 L/h in 10 d: 8 of 8; 6 2 3",
    "flapper off 60-240 min, 40 L/h in 10 d: 8 of 8; 6 3 3",
    "constant 2 L/h in 10 d: 8 of 8; 8 1 8",
    "constant 3 L/h in 10 d: 8 of 8; 8 2 8",
    "constant 4 L/h in 10 d: 8 of 8; 8 8 8",
    "300 L/h for 12 h in 3 reads: 7 of 8; 0 0 0",
    "1000 L/h for 12 h in 2 reads: 8 of 8; 0 0 0",
];
