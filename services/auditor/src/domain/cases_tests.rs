//! Meters of the field, each with the days worked out by hand.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::days::{Course, Figures, Quality};
use super::example::{DAY, HOUR, HOUSEHOLD, MIDNIGHT, entry, facts, household, read, reads};
use super::facts::{Entry, Exchange, Facts, Meter};
use super::reads::Sent;
use super::tariff::Tariffs;

fn days(sent: &[Sent], facts: &Facts) -> Vec<Figures> {
    let days = Course::of(sent, facts).days(&Tariffs::built_in(), &BTreeMap::new());
    days.into_values().collect()
}

fn litres(days: &[Figures]) -> Vec<i128> {
    assert!(days.iter().all(|day| day.volume % 1_000 == 0), "whole litres are expected: {days:?}");
    days.iter().map(|day| day.volume / 1_000).collect()
}

fn flags(day: &Figures) -> Vec<&'static str> {
    day.flags.iter().copied().collect()
}

/// Read at every midnight, 400 L a day, but for those days that show something else.
fn daily(last: i64, other: &[(i64, i128)]) -> Vec<Sent> {
    let usual = (0..=last).map(|day| {
        let other = other.iter().find(|(of, _)| *of == day).map(|(_, litres)| *litres);
        read(day * DAY, other.unwrap_or(30_000 + 400 * i128::from(day)))
    });
    usual.collect()
}

/// Read every hour, 20 L an hour, but for those hours that show something else.
fn hourly(last: i64, other: &[(i64, i128)]) -> Vec<Sent> {
    let usual = (0..=last).map(|hour| {
        let other = other.iter().find(|(of, _)| *of == hour).map(|(_, litres)| *litres);
        read(hour * HOUR, other.unwrap_or(30_000 + 20 * i128::from(hour)))
    });
    usual.collect()
}

#[test]
fn a_day_that_reads_nothing_is_bridged() {
    let days = days(&daily(9, &[(3, 0)]), &household());
    assert_eq!(litres(&days), [400, 400, 400, 400, 400, 400, 400, 400, 400, 0]);
    assert_eq!((flags(&days[3]), days[3].glitches, days[3].reads), (vec!["glitch"], 1, 1));
    // Midnight of the fourth day lies in the middle of two days, which for this meter is no gap.
    let qualities: Vec<Quality> = days.iter().map(|day| day.quality).collect();
    assert_eq!(
        qualities[..5],
        [
            Quality::Measured,
            Quality::Measured,
            Quality::Interpolated,
            Quality::Interpolated,
            Quality::Measured
        ]
    );
    assert_eq!((days[2].error_bound, days[3].error_bound, days[4].error_bound), (400_000, 400_000, 0));
    // Before a meter's first interval is known it is taken for an hourly one.
    assert_eq!(flags(&days[0]), ["gap"]);
    assert!(days[1..].iter().all(|day| day.flags.is_empty() || day.glitches > 0));
    let complete: Vec<bool> = days.iter().map(|day| day.complete).collect();
    assert_eq!(complete, [true, true, true, true, true, true, true, true, true, false]);
}

#[test]
fn whatever_shows_instead_is_bridged() {
    let ten_digits = facts(vec![entry(None, Meter { wrap: 10_000_000_000_000, ..HOUSEHOLD })]);
    for (case, facts, other) in [
        ("two zeros", household(), vec![(3, 0), (4, 0)]),
        ("three zeros after three days", household(), vec![(3, 0), (4, 0), (5, 0)]),
        ("three zeros", household(), vec![(5, 0), (6, 0), (7, 0)]),
        ("an error code that the meter cannot show", household(), vec![(4, 4_294_967_295)]),
        ("an error code that it can", ten_digits.clone(), vec![(4, 4_294_967_295)]),
        ("for two days", ten_digits, vec![(4, 4_294_967_295), (5, 4_294_967_295)]),
        ("up and back, within what may pass in a day", household(), vec![(3, 30_000 + 1_200 + 80_000)]),
    ] {
        let days = days(&daily(9, &other), &facts);
        assert_eq!(litres(&days), [400, 400, 400, 400, 400, 400, 400, 400, 400, 0], "{case}");
        let glitches: Vec<i64> =
            (0_i64..).zip(&days).filter(|(_, day)| day.glitches == 1).map(|(n, _)| n).collect();
        assert_eq!(glitches, other.iter().map(|(day, _)| *day).collect::<Vec<_>>(), "{case}");
        let only = |day: &Figures| day.flags.iter().all(|flag| *flag == "glitch" || flag.contains("gap"));
        assert!(days.iter().all(only), "{case}: {days:?}");
    }
}

#[test]
fn a_spike_counts_until_the_next_reads_deny_it() {
    let spike = [(3, 111_200)];
    assert_eq!(litres(&days(&daily(3, &spike), &household())), [400, 400, 80_400, 0]);
    assert_eq!(litres(&days(&daily(4, &spike), &household())), [400, 400, 400, 400, 0]);
}

#[test]
fn hourly_dips_are_bridged() {
    let seven: Vec<(i64, i128)> = (10..17).map(|hour| (hour, 0)).collect();
    let days = days(&hourly(48, &seven), &household());
    assert_eq!(litres(&days), [480, 480, 0]);
    assert_eq!((days[0].glitches, days[0].reads), (7, 24));
    // From 9 to 17 o'clock: more than three hours, less than a day.
    assert_eq!((flags(&days[0]), flags(&days[1])), (vec!["gap", "glitch"], vec![]));
}

#[test]
fn of_two_series_the_longer_one_is_the_meter() {
    let mut both = hourly(48, &[]);
    both.extend((0..24).map(|n| read(2 * n * HOUR + HOUR / 2, 500 + 10 * i128::from(n))));
    let days = days(&both, &household());
    assert_eq!(litres(&days), [480, 480, 0]);
    assert_eq!((days[0].glitches, days[0].reads, flags(&days[0])), (12, 36, vec!["glitch"]));
}

#[test]
fn of_one_moment_the_one_that_fits_counts() {
    let sent = reads(&[(0, 1_000), (12 * HOUR, 1_100), (12 * HOUR, 0), (DAY, 1_200)]);
    let found = days(&sent, &household());
    assert_eq!(litres(&found), [200, 0]);
    assert_eq!((flags(&found[0]), found[0].glitches, found[0].reads), (vec!["conflict"], 0, 3));
    // Where both fit, the lower one.
    let sent = reads(&[(0, 1_000), (12 * HOUR, 1_100), (12 * HOUR, 1_050)]);
    assert_eq!(litres(&days(&sent, &household())), [50]);
    // A verified manual read wins over either.
    let manual = Sent { manual: true, ..read(12 * HOUR, 1_150) };
    let sent = [sent, vec![manual]].concat();
    let found = days(&sent, &household());
    assert_eq!((litres(&found), found[0].is_manual), (vec![150], false));
    assert!(days(&[manual], &household())[0].is_manual);
}

#[test]
fn coarse_registers_are_billed() {
    // Whole cubic metres, every quarter of an hour: 859 L may pass in one, and a count.
    let told = Meter { resolution: 1_000_000, ..HOUSEHOLD };
    let quarter = |steps: &[i128]| -> Vec<Sent> {
        (0..96)
            .map(|n| {
                read(n * 900, 5_000 + 1_000 * steps.iter().filter(|at| **at <= i128::from(n)).count() as i128)
            })
            .collect()
    };
    let once = quarter(&[40]);
    assert_eq!(litres(&days(&once, &facts(vec![entry(None, told)]))), [1_000]);
    // Nobody told, and one step does not show it: the first read after it is set aside, and the next one counts it.
    let unknown = days(&once, &household());
    assert_eq!((litres(&unknown), unknown[0].glitches, flags(&unknown[0])), (vec![1_000], 1, vec!["glitch"]));
    // Two steps, all of them whole cubic metres, do.
    let twice = days(&quarter(&[40, 70]), &household());
    assert_eq!((litres(&twice), flags(&twice[0])), (vec![2_000], vec![]));
    // A step back of one count is a wobble.
    let mut wobble = quarter(&[40, 70]);
    wobble[80] = read(80 * 900, 6_000);
    let wobble = days(&wobble, &household());
    assert_eq!(
        (litres(&wobble), flags(&wobble[0]), wobble[0].reverse),
        (vec![2_000], vec!["backflow"], 1_000_000)
    );
}

#[test]
fn registers_wrap_where_they_wrap() {
    let radio = Meter { wrap: 16_777_216_000, ..HOUSEHOLD };
    let sent = reads(&[(0, 16_777_190), (HOUR, 16_777_200), (2 * HOUR, 10), (3 * HOUR, 30)]);
    let at_two_to_24 = days(&sent, &facts(vec![entry(None, radio)]));
    assert_eq!((litres(&at_two_to_24), flags(&at_two_to_24[0])), (vec![10 + 26 + 20], vec!["rollover"]));
    let sent = reads(&[(0, 99_999_900), (HOUR, 60), (2 * HOUR, 61)]);
    let at_eight_digits = days(&sent, &household());
    assert_eq!((litres(&at_eight_digits), flags(&at_eight_digits[0])), (vec![161], vec!["rollover"]));
}

#[test]
fn a_true_exchange_is_found_after_three_days() {
    let other = |last: i64| (6..=last).map(|day| (day, 100 + 400 * i128::from(day - 6))).collect::<Vec<_>>();
    let early = days(&daily(7, &other(7)), &household());
    assert_eq!(litres(&early), [400, 400, 400, 400, 400, 0, 0, 0]);
    assert_eq!((early[6].glitches, early[7].glitches, early[5].complete), (1, 1, false));
    let found = days(&daily(8, &other(8)), &household());
    assert_eq!(litres(&found), [400, 400, 400, 400, 400, 0, 400, 400, 0]);
    assert_eq!((flags(&found[6]), found[6].glitches, found[6].unbilled), (vec!["exchange"], 0, 0));
    // A read stands at each of its midnights.
    assert_eq!(found[5].quality, Quality::Measured);
}

#[test]
fn a_true_exchange_is_found_after_eight_hours() {
    let other =
        |last: i64| (20..=last).map(|hour| (hour, 7 + 20 * i128::from(hour - 20))).collect::<Vec<_>>();
    assert_eq!(litres(&days(&hourly(26, &other(26)), &household())), [380, 0]);
    let found = days(&hourly(27, &other(27)), &household());
    assert_eq!((litres(&found), flags(&found[0])), (vec![380 + 80, 60], vec!["exchange"]));
}

#[test]
fn a_jump_up_for_good_is_not_billed_and_said() {
    let other: Vec<(i64, i128)> = (20..=30).map(|hour| (hour, 130_000 + 20 * i128::from(hour))).collect();
    let found = days(&hourly(30, &other), &household());
    assert_eq!((litres(&found), flags(&found[0])), (vec![380 + 80, 120], vec!["ceiling"]));
    assert_eq!((found[0].unbilled, found[0].rises), (100_020_000, false));
    // A register that keeps rising so is nobody's water, however it is summed up.
    let sent: Vec<Sent> = (0..12).map(|hour| read(hour * HOUR, 1_000 + 60_000 * i128::from(hour))).collect();
    let found = days(&sent, &household());
    assert_eq!((litres(&found), found[0].rises), (vec![0], true));
}

fn exchanged(meter: Meter, last: i128, first: i128) -> Facts {
    // At ten in the morning of the third.
    let exchange = Exchange { at: MIDNIGHT + 2 * DAY + 10 * HOUR, last, first };
    facts(vec![
        entry(None, HOUSEHOLD),
        Entry { exchange: Some(exchange), ..entry(Some("2026-03-03"), meter) },
    ])
}

#[test]
fn a_known_exchange_loses_nothing() {
    let sent = reads(&[(12 * HOUR, 30_000), (DAY + 12 * HOUR, 30_400), (2 * DAY + 12 * HOUR, 25)]);
    // 500 L by the old meter until ten, 20 L by the new one until noon: 520 L, half of them on either side of midnight.
    let found = days(&sent, &exchanged(HOUSEHOLD, 30_900, 5));
    assert_eq!(litres(&found), [200, 200 + 260, 260]);
    assert_eq!((flags(&found[2]), found[2].glitches), (vec!["exchange"], 0));
    assert_eq!((found[0].quality, found[1].quality), (Quality::Interpolated, Quality::Estimated));
    // The new meter counts millilitres: what it showed is told in its own unit.
    let millilitres = Meter { count: 1, wrap: 1_000_000_000, ..HOUSEHOLD };
    assert_eq!(litres(&days(&sent, &exchanged(millilitres, 30_900, 5_000))), [200, 460, 260]);
    // A part that makes no sense counts for nothing, and the other one stays.
    assert_eq!(litres(&days(&sent, &exchanged(HOUSEHOLD, 900, 5))), [200, 200 + 10, 10]);
    // Until the exchange the old meter stands, on its day too: a read in between is the old one's.
    let before = [sent, reads(&[(2 * DAY + 9 * HOUR, 30_862)])].concat();
    assert_eq!(
        litres(&days(&before, &exchanged(HOUSEHOLD, 30_900, 5))).iter().sum::<i128>(),
        400 + 462 + 38 + 20
    );
}

#[test]
fn backflow_is_of_a_day_at_most() {
    // Eleven cubic metres less after thirty days, as nobody's pipe gives back.
    let days_and_litres =
        [(0, 50_000), (1, 50_400), (2, 50_800), (3, 51_200), (33, 40_200), (34, 40_600), (35, 41_000)];
    let sent: Vec<Sent> = days_and_litres.map(|(day, litres)| read(day * DAY, litres)).into();
    let found = days(&sent, &household());
    assert_eq!(found.iter().map(|day| day.volume / 1_000).sum::<i128>(), 1_200 + 800);
    assert!(found.iter().all(|day| day.reverse == 0));
    assert_eq!(flags(&found[33]), ["exchange"]);
    // And dry for more than a week.
    assert_eq!(flags(&found[15]), ["gap", "prolonged_gap", "zero"]);
    // 375 L a day do flow back.
    let back = days(&reads(&[(0, 1_000), (DAY, 625), (2 * DAY, 700)]), &household());
    assert_eq!(
        (litres(&back), back[0].reverse, flags(&back[1])),
        (vec![-375, 75, 0], 375_000, vec!["backflow"])
    );
}

#[test]
fn a_meter_has_its_own_rhythm() {
    // Read daily at five past midnight: no gap, and within a tenth of its interval of each midnight.
    let sent: Vec<Sent> = (0..6).map(|day| read(day * DAY + 300, 1_000 + 288 * i128::from(day))).collect();
    let found = days(&sent, &household());
    assert!(found[1..].iter().all(|day| day.flags.is_empty()), "{found:?}");
    assert!(found.iter().all(|day| day.quality == Quality::Measured), "{found:?}");
    // 288 L in 288 times five minutes: a litre of each day's lies before the midnight that ends it.
    assert_eq!(litres(&found), [287, 288, 288, 288, 288, 1]);
    // Hourly reads ten minutes off are more than a tenth of an interval off.
    let sent: Vec<Sent> = (0..50).map(|n| read(n * HOUR + 600, 6 * i128::from(n))).collect();
    assert_eq!(days(&sent, &household())[0].quality, Quality::Interpolated);
    let sent: Vec<Sent> = (0..50).map(|n| read(n * HOUR + 360, 10 * i128::from(n))).collect();
    assert_eq!(days(&sent, &household())[0].quality, Quality::Measured);
}

#[test]
fn what_is_measured_only_costs_nothing() {
    let sensor = Entry { billable: false, ..entry(None, HOUSEHOLD) };
    let found = days(&daily(3, &[]), &facts(vec![sensor]));
    assert_eq!(litres(&found), [400, 400, 400, 0]);
    assert!(found.iter().all(|day| day.cost.is_zero()));
    // 400 L at Rp 4,900.
    assert_eq!(days(&daily(3, &[]), &household())[0].cost, Decimal::from(1_960));
    // Nor does it take a place in a block of what is charged for later.
    let sensor = Entry { billable: false, ..entry(None, HOUSEHOLD) };
    let later = facts(vec![sensor, entry(Some("2026-03-03"), HOUSEHOLD)]);
    let found = days(&daily(4, &[]), &later);
    assert_eq!(found.iter().map(|day| day.month_to_date / 1_000).collect::<Vec<_>>(), [0, 0, 0, 400, 800]);
}

#[test]
fn a_move_begins_the_blocks_anew() {
    let moved = facts(vec![
        entry(None, HOUSEHOLD),
        Entry { customer: "new".to_owned(), ..entry(Some("2026-03-16"), HOUSEHOLD) },
    ]);
    // A cubic metre a day in March.
    let sent: Vec<Sent> = (0..=31).map(|day| read(day * DAY, 1_000 * i128::from(day))).collect();
    let found = days(&sent, &moved);
    let cost = |days: &[Figures]| days.iter().map(|day| day.cost).sum::<Decimal>();
    // 10 x 4,900 + 5 x 9,500, then 10 x 4,900 + 6 x 9,500.
    assert_eq!((cost(&found[..15]), cost(&found[15..31])), (Decimal::from(96_500), Decimal::from(106_000)));
    let month_to_date = |day: usize| found[day].month_to_date / 1_000_000;
    assert_eq!([14, 15, 16, 30, 31].map(month_to_date), [14, 0, 1, 15, 0]);
}

#[test]
fn reads_from_before_the_installation_count_for_nothing() {
    let sent = reads(&[(0, 90_000), (HOUR, 90_100), (2 * HOUR, 10), (3 * HOUR, 30), (4 * HOUR, 50)]);
    let zone = household().zone().clone();
    let installed = Facts::new(zone, Some(MIDNIGHT + 2 * HOUR), vec![entry(None, HOUSEHOLD)]).unwrap();
    let found = days(&sent, &installed);
    assert_eq!((litres(&found), found[0].reads, found[0].glitches), (vec![40], 5, 0));
    assert!(found[0].flags.is_empty());
}

#[test]
fn eight_reads_of_a_moment_stay() {
    let mut sent: Vec<Sent> = (0..20).map(|n| read(HOUR, 1_000 + n)).collect();
    sent.push(read(0, 900));
    let found = days(&sent, &household());
    assert_eq!((litres(&found), found[0].reads), (vec![100], 9));
}

#[test]
fn an_assumed_unit_is_the_newest_facts() {
    let assumed = |after, register| Sent { assumed: true, register, ..read(after, 0) };
    let sent = [assumed(0, 5_000), assumed(HOUR, 5_040)];
    assert_eq!(days(&sent, &household())[0].volume, 40_000);
    let millilitres = Meter { count: 1, ..HOUSEHOLD };
    assert_eq!(days(&sent, &facts(vec![entry(None, millilitres)]))[0].volume, 40);
}

#[test]
fn what_is_out_of_the_ordinary_is_marked() {
    // Three weeks of 400 L, a day of 20 m3, eight days of nothing.
    let register = |day: i64| match day {
        ..=21 => 400 * i128::from(day),
        _ => 8_400 + 20_000,
    };
    let sent: Vec<Sent> = (0..=30).map(|day| read(day * DAY, register(day))).collect();
    let found = days(&sent, &household());
    let marked = |is: fn(&Figures) -> bool| (0..31).filter(|day| is(&found[*day])).collect::<Vec<usize>>();
    assert_eq!(marked(|day| day.is_anomaly), [21]);
    // Dry from the 22nd day on: the seventh of them and the next.
    assert_eq!(marked(|day| day.flags.contains("zero")), [28, 29]);
}
