//! Pictures of a study, as SVG.

#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "points of a picture")]

use std::fmt::Write as _;
use std::path::Path;

use anomaly_detector::domain::leak::Hour;
use anyhow::{Context as _, Result};

use super::report::{Precision, Report};
use super::study::Example;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Around what is drawn, for axes and words.
const MARGIN: f64 = 56.0;
/// Colours that are told apart by most eyes (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Writes all pictures into a folder, which is made if it is missing.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn write(folder: &Path, report: &Report, examples: &[Example]) -> Result<()> {
    let put = |name: &str, picture: Picture| {
        let path = folder.join(name);
        std::fs::write(&path, picture.finish()).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    put("time-to-detect.svg", time_to_detect(report))?;
    put("reliability.svg", reliability(&report.precision))?;
    for (example, number) in examples.iter().zip(1..) {
        put(&format!("episode-{number}.svg"), episode(example))?;
    }
    Ok(())
}

/// A picture with axes from zero on.
struct Picture {
    body: String,
    most: (f64, f64),
}

impl Picture {
    fn of(title: &str, (across, up): (&str, &str), most: (f64, f64)) -> Self {
        let mut picture = Self { body: String::new(), most };
        picture.words((WIDTH / 2.0, 24.0), "middle", title, COLOURS[6]);
        picture.words((WIDTH / 2.0, HEIGHT - 12.0), "middle", across, COLOURS[6]);
        picture.words((8.0, MARGIN - 14.0), "start", up, COLOURS[6]);
        for fifth in 0..=5 {
            let share = f64::from(fifth) / 5.0;
            let (x, y) = (share * most.0, share * most.1);
            let at = picture.place((x, 0.0));
            picture.words((at.0, at.1 + 18.0), "middle", &label(x, most.0), COLOURS[6]);
            let at = picture.place((0.0, y));
            picture.words((at.0 - 6.0, at.1 + 4.0), "end", &label(y, most.1), COLOURS[6]);
            picture.line(&[(0.0, y), (most.0, y)], "#dddddd", 1.0);
        }
        picture
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (wide, high) = (WIDTH - 2.0 * MARGIN, HEIGHT - 2.0 * MARGIN);
        (MARGIN + x / self.most.0 * wide, HEIGHT - MARGIN - y.min(self.most.1) / self.most.1 * high)
    }

    fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let mut path = String::new();
        for point in points {
            let (x, y) = self.place(*point);
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        let path = path.trim_end();
        let _ = writeln!(
            self.body,
            r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>"#
        );
    }

    fn bar(&mut self, (left, right): (f64, f64), top: f64, colour: &str) {
        let ((x, y), (end, base)) = (self.place((left, top)), self.place((right, 0.0)));
        let (wide, high) = (end - x, base - y);
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{wide:.1}" height="{high:.1}" fill="{colour}"/>"#
        );
    }

    /// Words at a place of the picture, not of its axes.
    fn words(&mut self, (x, y): (f64, f64), anchor: &str, words: &str, colour: &str) {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}">{words}</text>"#
        );
    }

    fn legend(&mut self, place: usize, words: &str, colour: &str) {
        self.words((WIDTH - MARGIN - 4.0, MARGIN + 16.0 * (place as f64 + 1.0)), "end", words, colour);
    }

    fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
            self.body
        )
    }
}

fn label(value: f64, most: f64) -> String {
    if most <= 2.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Which share of the leaks was told after which time.
fn time_to_detect(report: &Report) -> Picture {
    const DAYS: f64 = 10.0;
    let mut picture = Picture::of("Leaks that were told", ("days after they began", "share"), (DAYS, 1.0));
    let shown = [
        "constant 5",
        "pausing",
        "cyclic 2/2 h, 20",
        "cyclic 6/6",
        "flapper off 60-240 min, 20",
        "constant 3",
    ];
    for ((word, colour), place) in shown.iter().zip(COLOURS).zip(0..) {
        let mut rows = report.scenarios.iter().map(|(name, row)| (name.to_string(), row));
        let Some((name, row)) = rows.find(|(name, _)| name.starts_with(word)) else {
            continue;
        };
        let Some(recall) = row.get("detector") else {
            continue;
        };
        let all = recall.trials.max(1) as f64;
        let mut points = vec![(0.0, 0.0)];
        for (hours, told) in recall.hours.iter().zip(0_u32..) {
            let day = (hours / 24.0).min(DAYS);
            points.extend([(day, f64::from(told) / all), (day, f64::from(told + 1) / all)]);
        }
        points.push((DAYS, points.last().map_or(0.0, |(_, share)| *share)));
        picture.line(&points, colour, 2.0);
        picture.legend(place + 12, &name, colour);
    }
    picture
}

/// What is stated of findings, and between which bounds the share of leaks among them lies.
fn reliability(rows: &[Precision]) -> Picture {
    let mut picture = Picture::of(
        "How far a finding is to be believed",
        ("confidence that is stated", "share of leaks"),
        (1.0, 1.0),
    );
    picture.line(&[(0.0, 0.0), (1.0, 1.0)], "#999999", 1.0);
    for ((row, colour), place) in rows.iter().zip(COLOURS).zip(0..) {
        // Kinds of one confidence stand side by side.
        let x = row.stated + 0.012 * (f64::from(place) - 2.0);
        picture.line(&[(x, row.least), (x, row.most)], colour, 6.0);
        let at = picture.place((x, row.most));
        picture.words((at.0, at.1 - 6.0 - 13.0 * f64::from(place % 2)), "middle", &row.kind, colour);
    }
    picture
}

/// The reads around an opening, beside the usual hours.
fn episode(example: &Example) -> Picture {
    let litres = |millilitres: i64| millilitres as f64 / 1_000.0;
    let begin = example.hours.first().map_or(0, |hour| hour.at - hour.seconds);
    let hours = |at: i64| (at - begin) as f64 / 3_600.0;
    let end = example.hours.last().map_or(1.0, |hour| hours(hour.at));
    let most = example.hours.iter().map(|hour| litres(hour.volume)).fold(40.0, f64::max).min(120.0);
    let title = format!(
        "{} in {}, told after {:.0} h",
        example.leak,
        example.home,
        example.told_after as f64 / 3_600.0
    );
    let mut picture = Picture::of(&title, ("hours", "litres"), (end, most));
    for hour in &example.hours {
        let span = |inset: f64| (hours(hour.at - hour.seconds) + inset, hours(hour.at) - inset);
        picture.bar(span(0.0), litres(hour.usual_at_most), "#eeeeee");
        let colour = if hour.at > example.start { COLOURS[0] } else { COLOURS[5] };
        picture.bar(span(0.15), litres(hour.volume), colour);
    }
    let usual: Vec<(f64, f64)> =
        example.hours.iter().map(|hour: &Hour| (hours(hour.at), litres(hour.usual))).collect();
    picture.line(&usual, "#999999", 1.5);
    for (at, colour, words) in [
        (example.start, COLOURS[1], "it begins"),
        (example.start + example.told_after, COLOURS[2], "it is told"),
    ] {
        picture.line(&[(hours(at), 0.0), (hours(at), most)], colour, 2.0);
        let (x, _) = picture.place((hours(at), 0.0));
        picture.words((x + 4.0, MARGIN + 12.0), "start", words, colour);
    }
    picture.legend(1, "grey: half and nineteen of twenty usual hours take no more", "#777777");
    picture
}
