use super::*;
use indowater_proto::telemetry::v1::{RegisterRead, Telemetry};
use prost::Message as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// In 2026, so that times in milliseconds are none.
const BEGIN: i64 = 1_790_000_000;

fn run(rates: Rates, reports: i64) -> (Vec<Uplinked>, Counts) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut counts = Counts::default();
    let mut link = Link::new("sim-1".to_owned(), RegisterUnit::Litre, Encoding::Protobuf);
    let mut sent = Vec::new();
    for number in 0..reports {
        let read = Read { at: BEGIN + number, register: number };
        sent.extend(link.report(read, &rates, &mut counts, &mut rng));
    }
    sent.extend(link.finish(&rates, &mut counts, &mut rng));
    (sent, counts)
}

fn times(message: &Uplinked) -> Vec<i64> {
    Telemetry::decode(message.payload.as_slice())
        .unwrap()
        .reads
        .iter()
        .map(|read| read.read_at - BEGIN)
        .collect()
}

fn chance(percent: &str) -> Percent {
    percent.parse().unwrap()
}

#[test]
fn without_faults_every_read_is_one_message_in_order() {
    let (sent, counts) = run(Rates::default(), 500);
    assert_eq!(sent.iter().flat_map(times).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    assert_eq!((counts.messages, counts.reads, counts.accepted), (500, 500, 500));
}

#[test]
fn every_fault_is_counted_exactly() {
    let percent = chance("10");
    let rates =
        Rates { duplicates: percent, disorder: percent, late: percent, gaps: percent, ..Rates::default() };
    let (sent, counts) = run(rates, 5_000);
    let all: Vec<Vec<i64>> = sent.iter().map(times).collect();
    assert_eq!(counts.messages, all.len() as u64);
    assert_eq!(counts.accepted, counts.messages);
    assert_eq!(counts.reads, all.iter().map(Vec::len).sum::<usize>() as u64);
    assert_eq!(counts.late_batches, all.iter().filter(|times| times.len() > 1).count() as u64);
    let distinct: std::collections::BTreeSet<i64> = all.iter().flatten().copied().collect();
    assert_eq!(distinct.len() as u64 + counts.lost_reads, 5_000, "what is not lost arrives");
    assert_eq!(counts.reads - counts.duplicates, distinct.len() as u64);
    let singles: Vec<i64> = all.iter().filter(|times| times.len() == 1).map(|times| times[0]).collect();
    let back = singles.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
    assert!(counts.disordered >= back && back > 0);
    assert!(counts.gaps > 0 && counts.late_batches > 0 && counts.duplicates > 0, "{counts:?}");
}

#[test]
fn garbage_comes_besides_the_good_messages() {
    let (sent, counts) = run(Rates { garbage: chance("100%"), ..Rates::default() }, 600);
    let dead: u64 = counts.dead_letters.values().sum();
    assert_eq!((counts.accepted, dead, sent.len()), (600, 600, 1_200));
    assert_eq!(counts.dead_letters.len(), 6, "{counts:?}");
    let broken = sent.iter().filter(|m| Telemetry::decode(m.payload.as_slice()).is_err()).count() as u64;
    assert_eq!(broken, counts.dead_letters["malformed"]);
}

#[test]
fn a_bad_read_is_one_among_the_good_ones() {
    let rates = Rates { bad_reads: chance("100"), late: chance("10"), ..Rates::default() };
    let (sent, counts) = run(rates, 600);
    let reads: Vec<_> =
        sent.iter().flat_map(|m| Telemetry::decode(m.payload.as_slice()).unwrap().reads).collect();
    let count = |is: &dyn Fn(&RegisterRead) -> bool| reads.iter().filter(|read| is(read)).count() as u64;
    let impossible = count(&|read| read.register < 0 || read.read_at > 2 * BEGIN);
    let early = count(&|read| read.read_at == 3_600);
    assert_eq!((counts.reads, counts.accepted), (600, counts.messages));
    assert_eq!(reads.len() as u64, 600 + counts.messages, "one more in every message");
    let expected = BTreeMap::from([("before_installation", early), ("impossible_value", impossible)]);
    assert_eq!(counts.dead_reads, expected);
    assert_eq!(counts.dead_letters, expected, "a letter for each");
    assert!(early > 0 && impossible > 0 && counts.late_batches > 0);
}

#[test]
fn a_register_that_dips_shows_the_same_wrong_value_for_a_while_and_goes_on() {
    let (sent, counts) = run(Rates { dips: chance("5"), ..Rates::default() }, 2_000);
    let shown: Vec<i64> = sent
        .iter()
        .flat_map(|m| Telemetry::decode(m.payload.as_slice()).unwrap().reads)
        .map(|read| read.register)
        .collect();
    let wrong: Vec<i64> =
        (0..).zip(&shown).filter(|(right, shown)| right != *shown).map(|(_, shown)| *shown).collect();
    assert_eq!((shown.len(), counts.reads), (2_000, 2_000), "nothing is lost by it");
    assert!(counts.dips > 50 && wrong.len() as u64 >= counts.dips && wrong.len() as u64 <= 3 * counts.dips);
    assert!(wrong.iter().all(|shown| SENTINELS.contains(shown)));
}

#[test]
fn a_clock_that_is_ahead_is_a_read_more() {
    let (sent, counts) = run(Rates { clocks: chance("100"), ..Rates::default() }, 300);
    assert_eq!((counts.clocks, counts.reads, counts.accepted), (300, 600, 300));
    assert!(sent.iter().map(times).all(|times| times.len() == 2 && times[1] == times[0] + AHEAD));
}

#[test]
fn sloppy_messages_say_the_same() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let rates = Rates { sloppy: chance("100"), ..Rates::default() };
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let (mut link, mut counts) =
            (Link::new("Sim-1".to_owned(), RegisterUnit::Litre, encoding), Counts::default());
        let sent = link.report(Read { at: BEGIN, register: 6_054 }, &rates, &mut counts, &mut rng);
        assert_eq!((sent.len(), counts.sloppy, counts.reads), (1, 1, 1));
        assert_eq!(sent[0].key, b"Sim-1");
        if encoding == Encoding::Json {
            let text = String::from_utf8(sent[0].payload.clone()).unwrap();
            assert!(text.contains("6.053999999999999") && text.contains("\" sIM-1 \""), "{text}");
        } else {
            let telemetry = Telemetry::decode(sent[0].payload.as_slice()).unwrap();
            assert_eq!((telemetry.device_id.as_str(), telemetry.reads[0].register), (" sIM-1 ", 6_054));
        }
    }
}

#[test]
fn a_chance_is_a_percentage() {
    assert_eq!("0.5%".parse(), Ok(Percent(0.5)));
    assert!("101".parse::<Percent>().is_err() && "often".parse::<Percent>().is_err());
}
