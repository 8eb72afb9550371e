//! The detector as a whole, on simulated homes.

use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// A Sunday, 17:00 UTC: midnight in Jakarta.
const BEGIN: i64 = 1_782_061_200;
const L: i64 = 1_000;

/// Chance without a crate: a linear congruential generator (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The hourly reads of an ordinary home: millilitres, whole litres. `leak` says what leaks in an hour of the home, litres.
fn home(seed: u64, days: i64, leak: impl Fn(i64) -> i64) -> Vec<Read> {
    let mut chance = Chance(seed);
    let mut litres = 0;
    let mut reads = vec![Read { at: BEGIN, register: 0, joined: false }];
    for hour in 0..days * 24 {
        let wet_in_a_hundred = [8, 50, 45, 55][usize::try_from(hour % 24 / 6).unwrap()];
        if chance.below(100) < wet_in_a_hundred {
            // One to three uses of a flush to a shower.
            litres += (0..=chance.below(3)).map(|_| 3 + chance.below(25).cast_signed()).sum::<i64>();
        }
        litres += leak(hour);
        reads.push(Read { at: BEGIN + (hour + 1) * HOUR, register: litres * L, joined: true });
    }
    reads
}

fn jakarta() -> Zone {
    Zone::named("Asia/Jakarta").unwrap()
}

fn watch(reads: &[Read], periods: &[Period]) -> Vec<Signal> {
    replay(&Meter::default(), reads, &Setting { zone: &jakarta(), resolution: L, household: true, periods }).1
}

/// Hours since the beginning, change and kind.
fn told(signals: &[Signal]) -> Vec<(i64, Change, Kind)> {
    let news = signals.iter().filter(|signal| signal.change != Change::Grew);
    news.map(|signal| ((signal.at - BEGIN) / HOUR, signal.change, signal.episode.kind)).collect()
}

/// From the 20th day on for five days.
fn for_five_days(rate: i64) -> impl Fn(i64) -> i64 {
    move |hour| if (480..600).contains(&hour) { rate } else { 0 }
}

#[test]
fn a_meter_is_small() {
    assert!(size_of::<Meter>() < 500, "{}", size_of::<Meter>());
}

#[test]
fn an_ordinary_home_tells_nothing() {
    for seed in 0..10 {
        assert_eq!(told(&watch(&home(seed, 60, |_| 0), &[])), [], "home {seed}");
    }
}

/// The hourly reads of a meter that is no household's: litres by day of the week and hour, give or take a fifth, and a leak.
fn business(days: i64, usual: impl Fn(i64, i64) -> i64, leak: impl Fn(i64) -> i64) -> Vec<Read> {
    let mut chance = Chance(7);
    let mut litres = 0;
    let reads = (0..=days * 24).map(|hour| {
        if hour > 0 {
            let usual = usual((hour - 1) / 24 % 7, (hour - 1) % 24);
            litres += usual * (80 + chance.below(41).cast_signed()) / 100 + leak(hour);
        }
        Read { at: BEGIN + hour * HOUR, register: litres * L, joined: hour > 0 }
    });
    reads.collect()
}

fn watch_business(reads: &[Read], household: bool) -> Vec<(i64, Change, Kind)> {
    let setting = Setting { zone: &jakarta(), resolution: L, household, periods: &[] };
    told(&replay(&Meter::default(), reads, &setting).1)
}

#[test]
fn a_factory_that_runs_day_and_night_is_no_leak() {
    // Two shifts on workdays; pumps and cooling run on in the nights and on the day of rest.
    let usual = |day, hour| if day > 0 && (6..22).contains(&hour) { 1_400 } else { 30 };
    let reads = business(90, usual, |_| 0);
    assert_eq!(watch_business(&reads, false), []);
    let as_a_home = watch_business(&reads, true);
    assert!(matches!(as_a_home[..], [(..=48, Change::Opened, _), ..]), "{as_a_home:?}");
    // What is far above all it took before is news there as well.
    let burst = business(90, usual, |hour| if hour >= 1_500 { 4_000 } else { 0 });
    let told = watch_business(&burst, false);
    assert!(matches!(told[..], [(1_500..=1_501, Change::Opened, Kind::Burst), ..]), "{told:?}");
}

#[test]
fn a_shop_that_rests_at_night_shows_its_leak() {
    let usual = |day, hour| if day > 0 && (8..20).contains(&hour) { 60 } else { 0 };
    assert_eq!(watch_business(&business(90, usual, |_| 0), false), []);
    let leaking = business(90, usual, |hour| if hour >= 1_200 { 15 } else { 0 });
    let told = watch_business(&leaking, false);
    assert!(matches!(told[..], [(1_200..=1_230, Change::Opened, Kind::Constant)]), "{told:?}");
}

#[test]
fn three_nights_without_rest_tell_of_a_valve_that_sticks() {
    // On for half an hour in every third one, from the 30th day on.
    let flapper = |hour: i64| if hour >= 720 && hour % 3 == 0 { 9 } else { 0 };
    let told = told(&watch(&home(3, 45, flapper), &[]));
    assert!(matches!(told[..], [(792..=850, Change::Opened, Kind::Cyclic), ..]), "{told:?}");
}

#[test]
fn a_constant_leak_opens_within_thirty_hours_and_stops_after_its_repair() {
    for rate in [5, 12, 40] {
        let signals = watch(&home(1, 60, for_five_days(rate)), &[]);
        let opened = signals[0];
        assert_eq!((opened.change, opened.episode.kind), (Change::Opened, Kind::Constant));
        assert!((503..=510).contains(&((opened.at - BEGIN) / HOUR)), "{opened:?}");
        assert!((opened.episode.since - BEGIN - 480 * HOUR).abs() <= 3 * HOUR, "{opened:?}");
        let stopped = signals.iter().find(|signal| signal.change == Change::Stopped).unwrap();
        assert!(stopped.at - BEGIN <= (600 + 48) * HOUR, "{stopped:?}");
        let Episode { rate: found, lost, until, runs, .. } = stopped.episode;
        assert!(!runs && (until - BEGIN - 600 * HOUR).abs() <= 10 * HOUR, "{stopped:?}");
        assert!((found - rate * L).abs() <= rate * L / 5 + L, "{stopped:?}");
        assert!((lost - rate * L * 120).abs() <= rate * L * 120 / 5, "{stopped:?}");
        let closed = signals.last().unwrap();
        assert_eq!((closed.change, closed.episode.opened), (Change::Closed, opened.at));
        assert!(closed.at > until + life::MEMORY && closed.at <= until + life::MEMORY + DAY);
    }
}

#[test]
fn what_comes_back_within_two_weeks_is_the_same_episode() {
    let twice = |hour| if (480..600).contains(&hour) || (800..900).contains(&hour) { 15 } else { 0 };
    let signals = watch(&home(2, 60, twice), &[]);
    let changes: Vec<Change> = told(&signals).into_iter().map(|(_, change, _)| change).collect();
    assert_eq!(changes, [Change::Opened, Change::Stopped, Change::Returned, Change::Stopped, Change::Closed]);
    assert!(signals.iter().all(|signal| signal.episode.opened == signals[0].at));
    assert!(signals.windows(2).all(|pair| pair[0].episode.lost <= pair[1].episode.lost));
}

#[test]
fn kinds_are_told_apart() {
    let pausing = |hour| if hour >= 480 && hour % 24 > 1 { 15 } else { 0 };
    let cyclic = |hour| if hour >= 720 && hour % 4 < 2 { 20 } else { 0 };
    let growing = |hour| if hour >= 480 { 5 + (hour - 480) / 12 } else { 0 };
    let drip = |hour| if hour >= 480 { 3 } else { 0 };
    // By day, for at night one hour is enough.
    let burst = |hour| if hour >= 490 { 400 } else { 0 };
    let kinds = |leak: &dyn Fn(i64) -> i64| {
        let told = told(&watch(&home(3, 40, leak), &[]));
        told.into_iter().map(|(hour, change, kind)| (hour - 480, change, kind)).collect::<Vec<_>>()
    };
    let [(hours, Change::Opened, Kind::Pausing)] = kinds(&pausing)[..] else {
        panic!("{:?}", kinds(&pausing));
    };
    assert!(hours <= 72, "{hours}");
    let [(hours, Change::Opened, Kind::Cyclic)] = kinds(&cyclic)[..] else {
        panic!("{:?}", kinds(&cyclic));
    };
    assert!((240..=240 + 7 * 24).contains(&hours), "{hours}");
    let [(_, Change::Opened, Kind::Constant), (_, Change::Worse, Kind::Growing)] = kinds(&growing)[..] else {
        panic!("{:?}", kinds(&growing));
    };
    let [(hours, Change::Opened, Kind::Drip)] = kinds(&drip)[..] else {
        panic!("{:?}", kinds(&drip));
    };
    assert!((110..=140).contains(&hours), "{hours}");
    assert_eq!(kinds(&burst), [(12, Change::Opened, Kind::Burst)]);
}

#[test]
fn a_burst_on_an_open_drip_is_told_anew() {
    let leak = |hour| match hour {
        480..700 => 3,
        700..710 => 1_200,
        710.. => 3,
        _ => 0,
    };
    let signals = watch(&home(4, 40, leak), &[]);
    let told = told(&signals);
    assert_eq!(told[0].2, Kind::Drip, "{told:?}");
    assert_eq!(told[1], (701, Change::Worse, Kind::Burst), "{told:?}");
    // Once it is stemmed the drip is what is left.
    let after = signals.iter().find(|signal| signal.at > BEGIN + 712 * HOUR).unwrap();
    assert_eq!((after.change, after.episode.kind), (Change::Grew, Kind::Drip), "{after:?}");
    assert!(after.at <= BEGIN + 720 * HOUR);
}

#[test]
fn what_is_stated_counts_from_when_to_when_it_is_stated() {
    let leaking = home(5, 34, |hour| if hour >= 480 { 10 } else { 0 });
    let from = BEGIN + 480 * HOUR;
    let stated = |what| [Period { from, until: i64::MAX, what }];
    assert_eq!(watch(&leaking, &stated(Stated::Normal(normal_after(10 * L)))), []);
    assert_eq!(watch(&leaking, &stated(Stated::Quiet)), []);
    // A leak above what is normal is one.
    assert!(!watch(&leaking, &stated(Stated::Normal(4 * L))).is_empty());
    // Nobody is at home: the first use is news.
    let away = watch(&home(5, 34, |_| 0), &stated(Stated::Away));
    assert_eq!((away[0].change, away[0].episode.kind), (Change::Opened, Kind::WhileAway));
    assert!(away[0].at <= from + DAY);
}

#[test]
fn an_exchange_is_no_flow() {
    let mut reads = home(6, 40, |_| 0);
    for read in &mut reads[480..] {
        read.register += 90_000 * L;
    }
    reads[480].joined = false;
    assert_eq!(watch(&reads, &[]), []);
    reads[480].joined = true;
    assert_eq!(told(&watch(&reads, &[]))[0].2, Kind::Burst);
}

/// One read in so many.
fn thinned(reads: &[Read], every: usize) -> Vec<Read> {
    reads.iter().step_by(every).copied().collect()
}

#[test]
fn meters_that_report_seldom_or_count_coarsely_are_judged_by_longer_slots() {
    let reads = home(7, 80, |hour| if hour >= 1_200 { 25 } else { 0 });
    let zone = jakarta();
    for (every, resolution, scale, days) in
        [(6, L, Scale::SixHours, 4), (24, L, Scale::Day, 6), (1, 10 * L, Scale::SixHours, 4)]
    {
        let mut reads = thinned(&reads, every);
        reads.iter_mut().for_each(|read| read.register = read.register / resolution * resolution);
        let setting = Setting { zone: &zone, resolution, household: true, periods: &[] };
        let (meter, signals) = replay(&Meter::default(), &reads, &setting);
        assert_eq!(meter.scale(), scale);
        let (hour, change, _) = told(&signals)[0];
        assert_eq!(change, Change::Opened);
        assert!((1_200..=1_200 + days * 24).contains(&hour), "{scale:?}: {hour}");
        let rate = meter.episode().unwrap().rate;
        assert!((20 * L..=33 * L).contains(&rate), "{scale:?}: {rate}");
    }
}

#[test]
fn reads_every_quarter_of_an_hour_are_hours() {
    let hourly = home(8, 34, |hour| if hour >= 480 { 12 } else { 0 });
    let quarters: Vec<Read> = hourly
        .windows(2)
        .flat_map(|pair| {
            // All of an hour's use in its second quarter, and the leak all along.
            let (from, to) = (pair[0].register, pair[1].register);
            let leak = if pair[0].at >= BEGIN + 480 * HOUR { 3 * L } else { 0 };
            let register = move |quarter: i64| {
                from + quarter * leak + if quarter > 1 { to - from - 4 * leak } else { 0 }
            };
            (1..=4).map(move |quarter| Read {
                at: pair[0].at + quarter * 900,
                register: register(quarter),
                joined: true,
            })
        })
        .collect();
    let told = told(&watch(&quarters, &[]));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 - 480 <= 30, "{told:?}");
}

#[test]
fn an_explanation_shows_hours_beside_usual_ones() {
    let reads = home(9, 24, |hour| if hour >= 480 { 10 } else { 0 });
    let (zone, periods) = (jakarta(), []);
    let setting = Setting { zone: &zone, resolution: L, household: true, periods: &periods };
    let (meter, _) = replay(&Meter::default(), &reads, &setting);
    let Explanation { hours, dry, usually_dry, least } = explain(&meter, &reads[504..], &setting);
    assert_eq!((hours.len(), dry, least), (reads.len() - 505, 0, Some(10 * L)));
    assert!(usually_dry > hours.len() / 3);
    let night = hours.iter().find(|hour| (hour.at - BEGIN) % DAY == 3 * HOUR).unwrap();
    assert!(night.usually_dry > 80 && night.usual == 0 && night.volume == 10 * L, "{night:?}");
    let evening = hours.iter().find(|hour| (hour.at - BEGIN) % DAY == 20 * HOUR).unwrap();
    assert!(evening.usually_dry < 60 && evening.usual_at_most > 20 * L, "{evening:?}");
}

/// A pipe broke, ran for a week and was mended: what spoke for it is over, and is no leak that comes back.
#[test]
fn a_burst_that_was_mended_is_not_found_again_in_its_own_past() {
    let reads = home(18, 45, |hour| if (123..296).contains(&hour) { 237 } else { 0 });
    let signals = watch(&reads, &[]);
    let changes: Vec<Change> = told(&signals).into_iter().map(|(_, change, _)| change).collect();
    assert_eq!(changes, [Change::Opened, Change::Stopped, Change::Closed]);
    let lost = signals.last().unwrap().episode.lost;
    let run_in_sight = (296 - 137) * 237 * L;
    assert!((lost - run_in_sight).abs() <= run_in_sight / 10, "{lost}");
}

#[test]
fn bytes_of_anything_else_are_refused() {
    let meter = replay(
        &Meter::default(),
        &home(1, 30, for_five_days(9)),
        &Setting { zone: &jakarta(), resolution: L, household: true, periods: &[] },
    )
    .0;
    let bytes = meter.encode();
    assert!(bytes.len() <= 450, "{}", bytes.len());
    for end in 0..bytes.len() {
        assert_eq!(Meter::decode(&bytes[..end]), None, "{end} bytes");
    }
    assert_eq!(Meter::decode(&[&bytes[..], &[0]].concat()), None);
    assert_eq!(Meter::decode(&[&[99], &bytes[1..]].concat()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Late, repeated and shuffled reads, in whatever batches and with a restart between: the same signals and the same meter.
    #[test]
    fn signals_are_a_function_of_the_set_of_reads(
        seed in 0_u64..1_000,
        rate in 0_i64..40,
        on in 1_i64..6,
        lost in proptest::collection::vec(0_usize..700, 0..60),
        cut in 1_usize..700,
        swaps in proptest::collection::vec((0_usize..700, 0_usize..700), 0..200),
    ) {
        let mut reads = home(seed, 30, |hour| if hour > 300 && hour % 6 < on { rate } else { 0 });
        for place in lost {
            let after = reads.get(place + 1).map(|read| read.joined);
            if let (Some(true), true) = (after, reads.len() > 400) {
                reads.remove(place);
                if place == 0 {
                    reads[0].joined = false;
                }
            }
        }
        let zone = jakarta();
        let setting = Setting { zone: &zone, resolution: L, household: true, periods: &[] };
        let (whole, signals) = replay(&Meter::default(), &reads, &setting);

        let mut shuffled = reads.clone();
        shuffled.extend(reads.iter().step_by(7));
        let all = shuffled.len();
        swaps.iter().for_each(|(one, two)| shuffled.swap(one % all, two % all));
        prop_assert_eq!(&replay(&Meter::default(), &shuffled, &setting), &(whole.clone(), signals.clone()));

        let (first, second) = reads.split_at(cut.min(reads.len()));
        let (snapshot, mut parts) = replay(&Meter::default(), first, &setting);
        let bytes = snapshot.encode();
        prop_assert!(bytes.len() <= 450, "{} bytes", bytes.len());
        let restarted = Meter::decode(&bytes);
        prop_assert_eq!(restarted.as_ref(), Some(&snapshot));
        // The reads of before come again with those of after.
        let (meter, later) = replay(&restarted.unwrap(), &[first, second].concat(), &setting);
        parts.extend(later);
        prop_assert_eq!(meter, whole);
        prop_assert_eq!(parts, signals);
    }

    /// One episode at a time, whose losses only rise and never exceed what was counted.
    #[test]
    fn lives_are_orderly(seed in 0_u64..1_000, rate in 0_i64..400, from in 100_i64..500, hours in 1_i64..300) {
        let reads = home(seed, 45, |hour| if (from..from + hours).contains(&hour) { rate } else { 0 });
        let signals = watch(&reads, &[]);
        let mut before: Option<Signal> = None;
        for signal in signals {
            let Signal { at, change, episode } = signal;
            prop_assert!(episode.since <= episode.opened && episode.since <= episode.until && episode.until <= at);
            let counted: i64 = reads.iter().rev().find(|read| read.at <= at).unwrap().register;
            prop_assert!(episode.lost <= counted, "{episode:?} of {counted}");
            let follows = match before {
                Some(last) if last.change != Change::Closed => {
                    change != Change::Opened
                        && episode.opened == last.episode.opened
                        && last.episode.lost <= episode.lost
                        && matches!(change, Change::Returned | Change::Closed) != last.episode.runs
                }
                _ => change == Change::Opened && episode.opened == at,
            };
            prop_assert!(follows, "{before:?} then {signal:?}");
            prop_assert_eq!(episode.runs, !matches!(change, Change::Stopped | Change::Closed));
            before = Some(signal);
        }
    }
}
