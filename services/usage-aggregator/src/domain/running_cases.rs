//! Days of many reads: adding to what a day came to gives what computing it anew gives.

use super::*;

/// A meter that reports every ten seconds or so, from noon to past midnight: how much later than ten seconds each read
/// comes, what flowed, and what is odd about it.
fn dense() -> impl Strategy<Value = Vec<Read>> {
    let odd = prop_oneof![
        300 => Just(0_u8),
        1 => 1_u8..6,
    ];
    let step = (prop_oneof![8 => Just(0_i64), 1 => -9_i64..200], -1_i64..9, odd);
    (9_i64..12, prop::collection::vec(step, 300..700)).prop_map(|(hours, steps)| {
        let (mut at, mut litres) = (MIDNIGHT + hours * HOUR, 999_000);
        let mut reads = Vec::new();
        for (late, volume, odd) in steps {
            at += if odd == 5 { 13 * HOUR } else { 60 + late };
            litres += volume.max(if litres < 10 { 0 } else { -9 });
            let read = telemetry(at, litres.rem_euclid(1_000_000));
            reads.push(match odd {
                1 => telemetry(at, 3),
                2 => Read { clock_corrected: true, ..read },
                3 => Read { source: Source::Manual, ..read },
                _ => read,
            });
            if odd == 4 {
                reads.push(telemetry(at, litres.rem_euclid(1_000_000) + 1));
            }
        }
        reads
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// In whatever batches, with reads that come late and again: the same records, and the same whether or not what a day
    /// came to is remembered.
    #[test]
    fn a_running_day_is_the_day_computed_anew(
        reads in dense(),
        batches in prop::collection::vec((1_usize..20, 0_u8..12), 20..120),
    ) {
        let world = World::jakarta();
        let mut service = Service::default();
        let (mut begin, mut late) = (0, Vec::new());
        for (many, then) in batches.into_iter().cycle() {
            let batch = &reads[begin..(begin + many).min(reads.len())];
            begin += batch.len();
            match then {
                0 => late.extend_from_slice(batch),
                1 => service.merge(&[std::mem::take(&mut late), batch.to_vec()].concat(), &world),
                2 => { service.merge(batch, &world); service.merge(batch, &world); }
                3 => { service.merge(batch, &world); service.flush(&world); service.history = None; }
                _ => service.merge(batch, &world),
            }
            service.flush(&world);
            if begin == reads.len() {
                break;
            }
        }
        service.merge(&late, &world);
        service.flush(&world);
        let got: Vec<_> = service.stored.into_values().map(content).collect();
        prop_assert_eq!(got, world.days(&reads));
    }
}

/// What a read costs is the steps it has judged: one in the evening, as in the morning.
#[test]
fn an_ordinary_read_of_a_dense_day_is_added_to_it() {
    let world = World::jakarta();
    let mut history = History::default();
    let read = |nth: i64| telemetry(MIDNIGHT + nth * 10, 500 + nth / 7);
    let mut anew = 0;
    for nth in 0..8_640 {
        history.add(&[read(nth)]);
        if !history.go_on(world.context()) {
            history.settle(world.context()).unwrap();
            anew += 1;
        }
    }
    // The morning's first reads, until there are many.
    assert!((100..200).contains(&anew), "{anew}");
    let reads: Vec<Read> = (0..8_640).map(read).collect();
    assert_eq!(history.days.into_iter().map(content).collect::<Vec<_>>(), world.days(&reads));
}
