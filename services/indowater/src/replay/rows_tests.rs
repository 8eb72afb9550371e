use std::io::Cursor;

use clap::Parser as _;

use super::super::number::FileUnit;
use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    format: Format,
}

fn format(flags: &str) -> Format {
    Line::parse_from(std::iter::once("replay").chain(flags.split_whitespace())).format
}

fn table(bytes: &[u8], format: &Format) -> Result<Table> {
    let mut table = Table { refused: Lost::of(vec!["f.csv".to_owned()]), ..Table::default() };
    table.read(0, "f.csv".to_owned(), Box::new(Cursor::new(bytes.to_vec())), format)?;
    Ok(table)
}

/// Rows as `meter time value`, refused ones as `reason line`.
fn understood(bytes: &[u8], flags: &str) -> (Vec<String>, Vec<String>) {
    let table = table(bytes, &format(flags)).unwrap();
    let mut rows: Vec<(u64, String)> = Vec::new();
    for meter in &table.meters {
        for row in &meter.rows {
            let when = match row.when {
                When::Wall(wall) => wall.to_string(),
                When::Moment(at) => at.to_string(),
            };
            rows.push((row.place.line, format!("{} {when} {}", meter.name, row.value)));
        }
    }
    rows.sort();
    let refused =
        table.refused.reasons.iter().flat_map(|(reason, group)| {
            group.first.iter().map(move |line| format!("{reason} {}", line.line))
        });
    (rows.into_iter().map(|(_, row)| row).collect(), refused.collect())
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
}

/// What it is, the bytes, the options, and the rows as they are understood.
type Case<'a> = (&'a str, &'a [u8], &'a str, &'a [&'a str]);

fn each_is_read(cases: &[Case<'_>]) {
    for (case, bytes, flags, expected) in cases {
        let (rows, refused) = understood(bytes, flags);
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!((rows, refused), (expected, vec![]), "{case}");
    }
}

const WALL: &[&str] = &["a 2016-03-01T00:00:00 10"];
const MOMENT: &[&str] = &["a 2016-03-01T00:00:00Z 10"];

#[test]
fn every_way_of_writing_times_and_numbers() {
    each_is_read(&[
        ("plain", b"meter,time,register\na,2016-03-01 00:00:00,10\n", "", WALL),
        ("Z", b"meter,time,register\na,2016-03-01T00:00:00Z,10\n", "", MOMENT),
        ("offset", b"meter,time,register\na,2016-03-01T07:00:00+07:00,10\n", "", MOMENT),
        ("seconds", b"meter,time,register\na,1456790400,10\n", "", MOMENT),
        ("milliseconds", b"meter,time,register\na,1456790400000,10\n", "", MOMENT),
        ("24:00", b"meter,time,register\na,2016-02-29 24:00,10\n", "", WALL),
        ("Excel", b"meter;time;register\na;42430,0;10\n", "", WALL),
        (
            "two columns",
            b"meter,date,clock,register\na,1/3/2016,14:30,10\nb,13/3/2016,1:00,7\n",
            "--date-column date --time-column clock",
            &["a 2016-03-01T14:30:00 10", "b 2016-03-13T01:00:00 7"],
        ),
        (
            "decimal comma",
            b"meter;time;register\na;2016-03-01 00:00;12,345\n",
            "--decimal comma --unit cubic-metre",
            &["a 2016-03-01T00:00:00 12.345"],
        ),
        (
            "thousands",
            b"meter;time;register\na;2016-03-01 00:00;67.000\n",
            "--decimal comma",
            &["a 2016-03-01T00:00:00 67000"],
        ),
        (
            "thousands in quotes",
            b"meter,time,register\na,2016-03-01 00:00,\"67,000\"\n",
            "--decimal point",
            &["a 2016-03-01T00:00:00 67000"],
        ),
    ]);
}

#[test]
fn every_way_of_laying_out_a_file() {
    let le = utf16("meter;time;register\r\na;2016-03-01 00:00;10\r\n", u16::to_le_bytes);
    let be = utf16("meter\ttime\tregister\na\t2016-03-01 00:00\t10", u16::to_be_bytes);
    each_is_read(&[
        (
            "one meter",
            b"time,register\n2016-03-01 00:00,10\n",
            "--meter SN-7",
            &["SN-7 2016-03-01T00:00:00 10"],
        ),
        (
            "lines before the header",
            b"PDAM; 2016\n\nmeter;time;register\na;2016-03-01 00:00;10\n",
            "--skip-lines 2",
            WALL,
        ),
        ("tab", b"meter\ttime\tregister\na\t2016-03-01 00:00\t10\n", "", WALL),
        ("semicolon", b"meter;time;register\na;2016-03-01 00:00;10\n", "", WALL),
        ("UTF-8 with a mark", b"\xef\xbb\xbfmeter,time,register\na,2016-03-01 00:00,10\n", "", WALL),
        ("UTF-16, little end first", &le, "", WALL),
        ("UTF-16, big end first", &be, "", WALL),
        ("blanks", b" meter ; time ; register \n  a ; 2016-03-01 00:00 ; 10 \n", "", WALL),
        ("quotes", b"\"meter\"; \"time\" ;\"register\"\n\"a\"; \"2016-03-01 00:00\";\"10\"\n", "", WALL),
        ("no newline at the end", b"meter,time,register\na,2016-03-01 00:00,10", "", WALL),
        ("CRLF, blank lines", b"meter,time,register\r\n\r\na,2016-03-01 00:00,10\r\n,,\r\n", "", WALL),
    ]);
}

#[test]
fn bad_rows_are_refused_by_reason_and_line_and_good_ones_stay() {
    let file = b"meter;time;register\n\
        a;01/03/2016 00:28:55;10\n\
        a;soon;11\n\
        b;01/03/2016 00:30:00;7\n\
        a;01/03/2016 00:20:00;9\n\
        b;01/03/2016 01:00:00;much\n\
        ;01/03/2016 01:00:00;5\n\
        b;15/03/2016;5\n\
        b;31/04/2016 00:00;5\n\
        b;01/03/2016 01:00:00;-5\n\
        b;01/03/2016 01:00:00;12.5\n\
        b;01/03/2016 01:00:00;99999999999999999999\n\
        b\n\
        B ;01/03/2016 02:00:00;8";
    let (rows, refused) = understood(file, "--date-order dmy");
    let expected = [
        "a 2016-03-01T00:28:55 10",
        "b 2016-03-01T00:30:00 7",
        "a 2016-03-01T00:20:00 9",
        "b 2016-03-01T02:00:00 8",
    ];
    assert_eq!(rows, expected);
    let expected = [
        "date_only 8",
        "decimals 11",
        "meter 7",
        "negative 10",
        "number 6",
        "time 3",
        "time 9",
        "time 13",
        "too_large 12",
    ];
    assert_eq!(refused, expected);
    let table = table(file, &format("--date-order dmy")).unwrap();
    assert_eq!((table.rows, table.refused.count, table.meters.len()), (13, 9, 2));
    // Whoever says in what the register counts, knows that decimals are cut off.
    let (rows, _) = understood(b"meter,time,register\na,2016-03-01 00:00,12.5\n", "--unit litre");
    assert_eq!(rows, ["a 2016-03-01T00:00:00 12.5"]);
}

#[test]
fn a_sum_below_the_rows_raises_no_doubt_about_them() {
    let (rows, refused) = understood(b"meter,time,register\na,2016-03-01 00:00,950\nTotal,,\"23,807\"\n", "");
    assert_eq!((rows, refused), (vec!["a 2016-03-01T00:00:00 950".to_owned()], vec!["time 3".to_owned()]));
}

#[test]
fn a_quotation_mark_alone_takes_no_rows_in_silence() {
    let file = b"meter,time,register,note\n\
        a,2016-03-01 00:00,10,fine\n\
        a,2016-03-02 00:00,20,\"broken\n\
        a,2016-03-03 00:00,30,\n\
        a,2016-03-04 00:00,40,end\"\n\
        a,2016-03-05 00:00,50,\"two\nlines\"\n";
    let (rows, refused) = understood(file, "");
    assert_eq!(rows, ["a 2016-03-01T00:00:00 10", "a 2016-03-05T00:00:00 50"]);
    assert_eq!(refused, ["quote 3"]);
    let table = table(file, &format("")).unwrap();
    assert_eq!((table.rows, table.refused.count), (5, 3));
}

#[test]
fn a_doubt_stops_the_file_with_the_option_that_ends_it() {
    for (file, flags, words) in [
        ("meter;time;register\na;2016-03-01 00:00;67.000\n", "", &["67.000", "line 2", "--decimal"][..]),
        (
            "meter;time;register\na;2016-03-01 00:00;5\na;2016-03-02 00:00;12,5\n",
            "--unit cubic-metre",
            &["line 3"],
        ),
        ("meter;time;register\na;03/04/2016 00:00;5\n", "", &["line 2", "--date-order"]),
        ("meter;time;register\na;13/04/2016 00:00;5\na;04/13/2016 00:00;6\n", "", &["line 2", "line 3"]),
        ("user key;datetime\n", "", &["user key, datetime", "--meter-column", "--skip-lines", "--delimiter"]),
        ("", "", &["no column"]),
    ] {
        let error = format!("{:#}", table(file.as_bytes(), &format(flags)).expect_err(file));
        assert!(words.iter().all(|word| error.contains(word)), "{file}: {error}");
    }
    // With the option, the other reading of a date is no doubt but a row of no use.
    let (rows, refused) =
        understood(b"meter,time,register\na,13/04/2016 00:00,5\na,04/13/2016 00:00,6\n", "--date-order mdy");
    assert_eq!((rows, refused), (vec!["a 2016-04-13T00:00:00 6".to_owned()], vec!["time 2".to_owned()]));
}

#[test]
fn meters_are_the_same_but_for_case_and_blanks() {
    let file = b"meter,time,register\n70b3d5,2016-03-01 00:00,1\n 70B3D5 ,2016-03-02 00:00,2\n";
    let table = table(file, &format("")).unwrap();
    assert_eq!((table.meters.len(), table.meters[0].rows.len()), (1, 2));
    assert_eq!(table.meters[0].name, "70b3d5");
}

#[test]
fn what_was_recognised_is_said() {
    let table =
        table(b"meter\ttime\tregister\na\t13/04/2016 00:00\t5\na\t1460505600\t6\n", &format("")).unwrap();
    let facts = &table.files[0];
    assert_eq!(
        (facts.encoding, facts.delimiter.as_str(), facts.date_order),
        ("UTF-8", "tab", Some("day, month, year"))
    );
    assert_eq!(facts.times.values().sum::<u64>(), 2);
    assert_eq!(format("--unit cubic-metre").unit(), FileUnit::CubicMetre);
}
