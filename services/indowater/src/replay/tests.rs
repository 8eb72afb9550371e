use std::io::Write as _;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// Files with these texts, and the options of a command line for them.
fn options(texts: &[&str], flags: &str) -> (Vec<tempfile::NamedTempFile>, Options) {
    let files: Vec<_> = texts
        .iter()
        .map(|text| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        })
        .collect();
    let paths = files.iter().map(|file| file.path().to_str().unwrap().to_owned());
    let flags = flags.split_whitespace().map(str::to_owned);
    let line = Line::parse_from(std::iter::once("replay".to_owned()).chain(paths).chain(flags));
    (files, line.options)
}

/// 2026-11-25T00:00:00Z.
const NOW: i64 = 1_795_564_800;

fn prepared(texts: &[&str], flags: &str) -> Result<Prepared> {
    let (_files, options) = options(texts, flags);
    let mut prepared = prepare(Table::open(&options.files, &options.format)?, &options, NOW)?;
    prepared.finish(&options);
    Ok(prepared)
}

fn meter(times: &[i64]) -> Meter {
    let reads: Vec<Read> = times.iter().map(|at| Read { at: *at, register: *at }).collect();
    let reads = Reads { places: vec![Place::default(); reads.len()], reads, decimals_cut: 0 };
    Meter { device_id: "m".to_owned(), reads, known: None }
}

#[test]
fn meters_are_interleaved_and_each_keeps_its_order() {
    let meters = [meter(&[10, 20, 5, 6, 30]), meter(&[1, 2, 25])];
    let order: Vec<_> =
        batches(&meters, 2).into_iter().map(|batch| (batch.meter, batch.reads, batch.due)).collect();
    assert_eq!(order, [(1, 0..2, 2), (0, 0..2, 20), (0, 2..4, 20), (1, 2..3, 25), (0, 4..5, 30)]);
}

#[test]
fn every_message_declares_a_backfill() {
    let record = backfill("m", RegisterUnit::Litre, &[Read { at: 60, register: 7 }]);
    assert_eq!(record.headers, [("indowater-backfill", "true".to_owned())]);
}

#[test]
fn files_are_read_as_one_and_the_first_rows_are_shown() {
    let newer = "meter,time,register\na,2026-03-01 00:00,500\nb,2026-03-01T00:00:00Z,7\n";
    let older = "meter;time;register\nA;2026-02-01 00:00;100\nb;soon;7\n";
    let Prepared { meters, summary, .. } = prepared(&[newer, older], "").unwrap();
    assert_eq!((summary.rows, summary.reads, summary.meters, summary.refused.count), (4, 3, 2, 1));
    let line = &summary.refused.reasons["time"].first[0];
    assert_eq!((line.file.as_str(), line.line), (summary.files[1].file.as_str(), 3));
    assert_eq!(meters[0].reads.reads.iter().map(|read| read.register).collect::<Vec<_>>(), [500, 100]);
    let shown: Vec<_> = summary
        .first_rows
        .iter()
        .map(|row| (row.line, row.meter.as_str(), row.at.as_str(), row.register))
        .collect();
    let expected = [
        (2, "replay-a", "2026-03-01T00:00:00+07:00", 500),
        (3, "replay-b", "2026-03-01T07:00:00+07:00", 7),
        (2, "replay-a", "2026-02-01T00:00:00+07:00", 100),
    ];
    assert_eq!(shown, expected);
    let span = ("2026-02-01T00:00:00+07:00".to_owned(), "2026-03-01T07:00:00+07:00".to_owned());
    assert_eq!(summary.span, Some(span));
}

#[test]
fn times_without_offset_are_those_of_the_meters_or_of_the_file() {
    let file = "meter,time,register\na,2026-03-01 00:00,500\n";
    for (flags, at, zone_matters) in [
        ("", "2026-03-01T00:00:00+07:00", true),
        ("--time-zone Asia/Jayapura", "2026-03-01T00:00:00+09:00", true),
        ("--times-in UTC", "2026-03-01T07:00:00+07:00", false),
        ("--times-in UTC --time-zone Asia/Makassar", "2026-03-01T08:00:00+08:00", false),
    ] {
        let Prepared { summary, said, .. } = prepared(&[file], flags).unwrap();
        assert_eq!((summary.first_rows[0].at.as_str(), said.zone_matters), (at, zone_matters), "{flags}");
    }
}

#[test]
fn reads_that_are_still_to_come_are_refused() {
    let file = "meter,time,register\na,2026-11-25T00:05:00Z,1\na,2026-11-25T00:05:01Z,2\n";
    let summary = prepared(&[file], "").unwrap().summary;
    assert_eq!((summary.reads, summary.refused.reasons["future"].first[0].line), (1, 3));
}

#[test]
fn volumes_are_refused_with_a_hint_or_summed() {
    let file = "meter,time,register\n\
        a,2026-03-01 01:00,12\na,2026-03-01 02:00,0\na,2026-03-01 03:00,30\na,2026-03-01 04:00,7\na,2026-03-01 05:00,7\n\
        a,2026-03-01 06:00,9\n";
    let error = prepared(&[file], "").err().unwrap().to_string();
    assert!(error.contains("--values interval") && error.contains("--register-column"), "{error}");
    let meters = prepared(&[file], "--values interval").unwrap().meters;
    let registers: Vec<i64> = meters[0].reads.reads.iter().map(|read| read.register).collect();
    assert_eq!(registers, [0, 12, 12, 42, 49, 56, 65]);
    let taken = prepared(&[file], "--values register").unwrap().summary;
    assert_eq!((taken.reads, taken.values), (6, "register"));
}

#[test]
fn one_oversized_value_is_counted_and_sets_nothing() {
    let file = "meter,time,register\n\
        a,2026-03-01 01:00,4294967295\na,2026-03-01 02:00,100\na,2026-03-01 03:00,130\na,2026-03-01 04:00,137\n\
        b,2026-03-01 01:00,5\n";
    let Prepared { meters, summary, .. } = prepared(&[file], "").unwrap();
    assert_eq!(summary.beyond_digits, 1);
    let (_files, options) = options(&[file], "");
    let digits: Vec<u32> =
        meters.iter().map(|meter| meters::digits(meter, &options.facts, RegisterUnit::Litre)).collect();
    assert_eq!(digits, [8, 8]);
}

#[tokio::test]
async fn a_dry_run_says_what_can_be_known_without_a_system() {
    let (_files, options) =
        options(&["meter,time,register\na,2026-03-01 00:00,500\na,soon,7\n"], "--dry-run");
    let summary = preview(Err(anyhow::anyhow!("no system runs")), &options).await.unwrap();
    assert!(summary.dry_run && summary.outcome.is_none());
    assert_eq!((summary.reads, summary.messages, summary.meters_made), (1, 1, None));
    assert_eq!(summary.shortfall().unwrap(), "1 rows were refused");
    let text = summary.to_string();
    for word in ["to send", "no system runs", "2026-03-01T00:00:00+07:00", "registers in litres", "soon"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let json: serde_json::Value = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["refused"]["reasons"]["time"]["first"][0]["line"], 3);
}
