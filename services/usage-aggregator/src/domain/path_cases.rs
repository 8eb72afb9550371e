//! What reads mean that one meter cannot have shown in that order: each case with its right figures.

use super::super::super::finding::FindingKind;
use super::*;

/// Reads every so many seconds, by their registers in litres.
fn every(interval: i64, litres: impl IntoIterator<Item = i64>) -> Vec<Read> {
    (0..).zip(litres).map(|(index, litres)| telemetry(MIDNIGHT + index * interval, litres)).collect()
}

/// A register that rises by `litres` with each read, and says something else for some of them.
fn except(many: usize, litres: i64, others: &[(usize, i64)]) -> Vec<i64> {
    let mut registers: Vec<i64> = (0..).map(|index| 30_000 + index * litres).take(many).collect();
    others.iter().for_each(|(index, other)| registers[*index] = *other);
    registers
}

#[test]
fn down_and_back_is_bridged() {
    let world = World::with(meter(10));
    let sentinel = 4_294_967_295;
    for (case, others) in [
        ("one 0", vec![(3, 0)]),
        ("two", vec![(3, 0), (4, 0)]),
        ("three", vec![(3, 0), (4, 1), (5, 1)]),
        ("two apart", vec![(3, 0), (5, 0)]),
        ("a sentinel", vec![(3, sentinel)]),
        ("sentinels", vec![(3, sentinel), (4, sentinel)]),
        ("down, then up", vec![(3, 0), (4, sentinel)]),
    ] {
        let reads = every(DAY, except(12, 400, &others));
        assert_eq!(world.litres(&reads)[..11], [400; 11], "{case}, daily");
        let days = world.days(&reads);
        let flagged: Vec<usize> = (0..12).filter(|day| days[*day].figures.flags.has(Flags::GLITCH)).collect();
        assert_eq!(flagged, others.iter().map(|(day, _)| *day).collect::<Vec<_>>(), "{case}");
        assert!(days.iter().all(|day| day.figures.findings.is_empty()), "{case} raises nothing");
    }
    for long in 1..=15 {
        let others: Vec<_> =
            (0..long).map(|index| (30 + index, if index % 3 == 2 { 5 } else { 0 })).collect();
        assert_eq!(world.litres(&every(HOUR, except(73, 20, &others))), [480, 480, 480, 0], "{long} hours");
    }
    let interleaved = (0..96).map(|index| if index % 3 == 2 { 900_000 + index } else { 30_000 + index * 20 });
    let days = world.days(&every(HOUR, interleaved));
    assert_eq!(days[..3].iter().map(|day| day.figures.volume / L).collect::<Vec<_>>(), [480; 3]);
}

#[test]
fn up_and_back_is_bridged() {
    // 80 m3 are within the ceiling of a day.
    let reads = every(DAY, except(10, 400, &[(4, 111_600)]));
    assert_eq!(World::with(meter(8)).litres(&reads)[..9], [400; 9]);
    let newest = World::with(meter(8)).days(&reads[..5]);
    assert_eq!(newest[3].figures.volume, 80_400 * L, "believed until it is contradicted");
}

#[test]
fn an_exchange_that_nobody_knows_is_found_when_the_new_series_goes_on() {
    let world = World::with(meter(8));
    for (interval, patience) in [(DAY, 3), (HOUR, 8)] {
        let registers = |new: usize| {
            let old = (0..20).map(|index| 300_000 + index * 40);
            old.chain((0..).map(|index| 51_480 + index * 40).take(new)).collect::<Vec<_>>()
        };
        let all = |new: usize| {
            let days = world.days(&every(interval, registers(new)));
            let found: Vec<FindingKind> =
                days.iter().flat_map(|day| day.figures.findings.iter()).map(|finding| finding.kind).collect();
            (days.iter().map(|day| day.figures.volume / L).sum::<i64>(), found)
        };
        assert_eq!(all(patience - 1), (19 * 40, vec![]), "{interval}");
        let counted = i64::try_from(patience - 1).unwrap() * 40;
        assert_eq!(all(patience), (19 * 40 + counted, vec![FindingKind::Exchange]), "{interval}");
        assert_eq!(all(30), (19 * 40 + 29 * 40, vec![FindingKind::Exchange]), "{interval}");
    }
}

#[test]
fn a_jump_up_beyond_the_ceiling_is_not_billed_and_looked_at() {
    let world = World::with(meter(8));
    let registers = (0..40).map(|hour| if hour < 20 { 1_000 + hour * 10 } else { 400_000 + hour * 10 });
    let days = world.days(&every(HOUR, registers));
    assert_eq!(days.iter().map(|day| day.figures.volume / L).sum::<i64>(), 380);
    let day = &days[0].figures;
    assert_eq!((day.flags, day.findings[0].kind), (Flags::CEILING, FindingKind::Jump));
    assert_eq!(day.unbilled, (400_200 - 1_190) * L);
}

#[test]
fn flow_above_the_ceiling_for_long_is_not_billed_and_looked_at() {
    let world = World::with(meter(8));
    for (interval, hours) in [(HOUR, 1), (DAY, 24)] {
        let days = world.days(&every(interval, (0..12).map(|index| 1_000 + index * 60_000 * hours)));
        assert_eq!(days.iter().map(|day| day.figures.volume).sum::<i64>(), 0);
        let findings: Vec<_> = days.iter().flat_map(|day| day.figures.findings.iter()).collect();
        assert!(!findings.is_empty() && findings.iter().all(|found| found.kind == FindingKind::AboveCeiling));
        assert!(days.iter().map(|day| day.figures.unbilled).sum::<i64>() > 0);
    }
    // A meter that was right for weeks and then counts a thousand times as much.
    let registers = (0..60).map(|h| if h < 40 { 1_000 + h * 10 } else { 1_400 + (h - 40) * 10_000 });
    let days = world.days(&every(HOUR, registers));
    assert!(days.iter().any(|d| d.figures.findings.iter().any(|f| f.kind == FindingKind::AboveCeiling)));
}

#[test]
fn what_was_found_and_is_explained_later_is_withdrawn() {
    let world = World::with(meter(8));
    let mut service = Service::default();
    let dip: Vec<_> = (20..29).map(|index| (index, 7)).collect();
    let reads = every(HOUR, except(40, 20, &dip));
    service.merge(&reads[..28], &world);
    service.flush(&world);
    let day = service.stored.keys().copied().next().unwrap();
    assert_eq!(service.stored[&day].figures.findings[0].kind, FindingKind::Exchange);
    service.merge(&reads[28..], &world);
    service.flush(&world);
    let record = &service.stored[&day];
    assert!(record.figures.findings.is_empty());
    assert_eq!(record.withdrawn[0].kind, FindingKind::Exchange);
}

#[test]
fn of_two_registers_at_one_moment_the_one_that_fits_counts() {
    let world = World::with(meter(8));
    let at = |hour: i64, litres| telemetry(MIDNIGHT + hour * HOUR, litres);
    let reads = [at(0, 1_000), at(12, 1_100), at(12, 0), at(24, 1_200)];
    assert_eq!(world.litres(&reads), [200, 0]);
    assert_eq!(world.litres(&reads[..3]), [100], "also while it is the newest");
    let day = &world.days(&reads)[0].figures;
    assert_eq!((day.flags, day.glitches), (Flags::CONFLICT, 0));
    let both_fit = [at(0, 1_000), at(12, 1_100), at(12, 1_150), at(24, 1_200)];
    assert_eq!(world.days(&both_fit)[0].off_path[0].register, 1_150 * L);
}

#[test]
fn coarse_registers_are_billed_by_the_step_they_were_seen_to_count_in() {
    let world = World::with(meter(8));
    for (step, interval) in [(1_000, 900), (100, 60), (10, 5)] {
        let registers = (0..40).map(|index| 12_000 * step + index / 8 * step);
        let litres = world.litres(&every(interval, registers));
        assert_eq!(litres.iter().sum::<i64>(), 4 * step, "{step} L in {interval} s");
    }
    let told = World::with(MeterFacts { resolution: 1_000 * L, ..meter(8) });
    assert_eq!(told.litres(&every(900, [12_000, 12_000, 13_000, 13_000])), [1_000]);
}

#[test]
fn a_register_wraps_where_its_meter_says() {
    let radio = World::with(MeterFacts { wraps_at: (1 << 24) * L, ..meter(8) });
    let wraps = (1 << 24) - 100;
    let registers = (0..12).map(|index| (wraps + index * 20) % (1 << 24));
    let days = radio.days(&every(HOUR, registers));
    assert_eq!((days[0].figures.volume, days[0].figures.flags), (220 * L, Flags::ROLLOVER));
}

#[test]
fn a_month_of_backflow_is_no_credit() {
    let world = World::with(meter(8));
    let mut reads = every(DAY, (0..10).map(|day| 20_000 + day * 100));
    reads.extend((0..10).map(|day| telemetry(MIDNIGHT + (40 + day) * DAY, 9_900 + day * 100)));
    assert_eq!(world.litres(&reads).iter().sum::<i64>(), 9 * 100 + 9 * 100);
    assert!(world.litres(&reads).iter().all(|litres| *litres >= 0));
}
