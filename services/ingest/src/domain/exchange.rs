//! A register that jumps back: neither rollover nor backflow, so somebody exchanged or reset the meter, and somebody
//! must look. The jump itself is never billed; that is the usage-aggregator's rule, made of the same step.
//!
//! Only reads newer than the newest known one are judged. A late read cannot tell an exchange from a gap that a later
//! message fills, and billing, which sees all reads in the end, does not depend on this.

use indowater_common::domain::meter::{Kind, Meter, Point};
use indowater_common::domain::zone::Zone;

use super::accept::Read;
use super::facts::Facts;

/// Judges the reads (by rising time) that are newer than `last`, moves `last` on, and hands each jump back to `found`.
pub fn watch(meter: &Meter, last: &mut Option<Point>, reads: &[Read], mut found: impl FnMut(Point, Point)) {
    for to in reads.iter().map(Read::point) {
        match *last {
            Some(from) if to.at <= from.at => continue,
            // Judging takes divisions; nearly every register just rises.
            Some(from) if to.register < from.register && meter.step(from, to).kind == Kind::Exchange => {
                found(from, to)
            }
            _ => {}
        }
        *last = Some(to);
    }
}

/// The order to go and look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkOrder {
    /// One for each device and local day, so that repetition is harmless and a meter that went mad is one order a day.
    pub id: String,
    /// `devices.id`.
    pub device_id: String,
    /// Where.
    pub property_id: String,
    /// Whose.
    pub customer_id: String,
    /// In short.
    pub title: String,
    /// With the final and the initial read.
    pub description: String,
    /// When the message came that showed it, seconds since the epoch.
    pub raised_at: i64,
}

impl WorkOrder {
    /// The order for a jump back of a device's register.
    pub fn for_exchange(device_id: &str, facts: &Facts, from: Point, to: Point, raised_at: i64) -> Self {
        let final_read = Told::new(from, facts);
        let initial_read = Told::new(to, facts);
        Self {
            id: format!("exchange-{}-{}", facts.id, initial_read.day),
            device_id: facts.id.to_string(),
            property_id: facts.property_id.to_string(),
            customer_id: facts.customer_id.to_string(),
            title: format!("Check meter {device_id}: its register jumped back"),
            description: format!(
                "Final read {}, initial read {}. This is neither a rollover nor backflow: the meter was exchanged or \
                 reset. The jump is not billed.",
                final_read.text, initial_read.text
            ),
            raised_at,
        }
    }
}

/// A read as a technician reads it.
struct Told {
    day: String,
    text: String,
}

impl Told {
    fn new(point: Point, facts: &Facts) -> Self {
        let (day, time) = match Zone::named(&facts.time_zone) {
            Some(zone) => (zone.day_of(point.at).to_string(), zone.rfc3339(point.at)),
            // The registry admits no such zone; a moment is a name for the order all the same.
            None => (point.at.to_string(), point.at.to_string()),
        };
        Self { day, text: format!("{} m3 at {time}", facts.meter.unit.cubic_metres(point.register)) }
    }
}

#[cfg(test)]
mod tests {
    use indowater_common::domain::meter::Unit;

    use super::*;
    use crate::domain::facts::example;

    const METER: Meter = Meter { unit: Unit::Litre, digits: 8, q3_litres_per_hour: 2_500 };

    type Pair = (i64, i64);

    /// The jumps (from, to) found after `last` (time, register), and the newest read afterwards.
    fn watched(last: Option<Pair>, reads: &[Pair]) -> (Vec<Pair>, Option<Pair>) {
        let point = |(at, register)| Point { at, register };
        let reads: Vec<Read> = reads
            .iter()
            .map(|(at, register)| Read { at: *at, register: *register, ..Read::default() })
            .collect();
        let (mut last, mut jumps) = (last.map(point), Vec::new());
        watch(&METER, &mut last, &reads, |from, to| jumps.push((from.register, to.register)));
        (jumps, last.map(|point| (point.at, point.register)))
    }

    #[test]
    fn a_jump_back_is_found_and_nothing_else() {
        for (case, last, reads, jumps, newest) in [
            ("first read ever", None, vec![(10, 500)], vec![], (10, 500)),
            ("flow", Some((0, 400)), vec![(10, 500)], vec![], (10, 500)),
            ("exchange", Some((0, 300_000)), vec![(3_600, 12)], vec![(300_000, 12)], (3_600, 12)),
            (
                "exchange within a message",
                None,
                vec![(0, 300_000), (3_600, 12)],
                vec![(300_000, 12)],
                (3_600, 12),
            ),
            ("backflow", Some((0, 500)), vec![(3_600, 495)], vec![], (3_600, 495)),
            ("rollover", Some((0, 99_999_990)), vec![(3_600, 5)], vec![], (3_600, 5)),
            ("late", Some((7_200, 300_000)), vec![(3_600, 12)], vec![], (7_200, 300_000)),
            ("repeated", Some((3_600, 12)), vec![(0, 300_000), (3_600, 12)], vec![], (3_600, 12)),
        ] {
            assert_eq!(watched(last, &reads), (jumps, Some(newest)), "{case}");
        }
    }

    #[test]
    fn the_order_names_both_reads_and_repeats_itself() {
        let facts = example();
        let order = |at| {
            let (from, to) = (Point { at: 0, register: 300_000 }, Point { at, register: 51_480 });
            WorkOrder::for_exchange("SN-1", &facts, from, to, at + 9)
        };
        // 17:00 UTC is the next day in Jakarta.
        assert_eq!(order(16 * 3_600).id, "exchange-device-1-1970-01-01");
        assert_eq!(order(17 * 3_600).id, "exchange-device-1-1970-01-02");
        assert_eq!(order(3_600), order(3_600));
        let text = order(3_600).description;
        assert!(text.contains("300.000 m3 at 1970-01-01T07:00:00+07:00"), "{text}");
        assert!(text.contains("51.480 m3 at 1970-01-01T08:00:00+07:00"), "{text}");
    }
}
