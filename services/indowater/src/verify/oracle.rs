//! What a device's days must be, worked out again from its accepted reads: the simple way, so that it can be read and
//! believed.
//!
//! Nothing here is shared with the code that keeps the daily records. Sort the reads, let one count for each moment, judge
//! each step by the rules of the field, and add up: `net_before(m)` is all that flowed before moment `m`, and a day is
//! the difference of two of them. All of it is exact: integers, and decimals for money.

use std::collections::BTreeMap;

use indowater_common::domain::tariff::TariffBook;
use indowater_common::domain::zone::{Day, Zone};
use rust_decimal::Decimal;

/// An accepted read, as it stands in the readings topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Device time, seconds since the epoch.
    pub at: i64,
    /// Counts of the meter.
    pub register: i64,
    /// Who read it: the higher one counts where two reads of one moment disagree.
    pub rank: i32,
    /// Version of the registry entry that it came with.
    pub version: i64,
    /// The tariff class it came with, as a place in [`Device::classes`].
    pub class: u16,
}

/// The facts of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    /// Counts in a litre.
    pub per_litre: i64,
    /// Digits of the register.
    pub digits: u32,
    /// Permanent flow rate.
    pub q3_litres_per_hour: u32,
}

/// Everything known of a device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its reads in the order of the topic.
    pub reads: Vec<Accepted>,
    /// How many of them were applied, for certain, before the records were looked at.
    pub settled: usize,
    /// Ends (in `reads`) of the messages that may or may not have been applied.
    pub unsettled: Vec<usize>,
    /// Its meter, by the newest registry version seen.
    pub meter: Meter,
    /// That version.
    pub meter_version: i64,
    /// Its zone.
    pub zone: Zone,
    /// Tariff classes it has had.
    pub classes: Vec<Box<str>>,
}

/// What one day must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Net volume, counts.
    pub volume: i64,
    /// What it adds to the month's cost, rupiah.
    pub cost: Decimal,
}

/// The reads that count, in order, with what the register's steps mean.
pub struct Course {
    points: Vec<Accepted>,
    /// Net volume from the first point to each.
    net: Vec<i128>,
    /// Net volume of the step that begins at each point but the last.
    steps: Vec<i128>,
}

impl Course {
    /// Works out the course of the first `count` reads of a device.
    pub fn of(device: &Device, count: usize) -> Self {
        let mut points = device.reads[..count].to_vec();
        points.sort_unstable_by_key(|read| (read.at, -read.rank, read.register));
        points.dedup_by_key(|read| read.at);
        let steps: Vec<i128> =
            points.windows(2).map(|pair| volume(&device.meter, &pair[0], &pair[1])).collect();
        let net = std::iter::once(0)
            .chain(steps.iter().scan(0, |sum, step| {
                *sum += step;
                Some(*sum)
            }))
            .collect();
        Self { points, net, steps }
    }

    /// The moments of the first and the last read.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((self.points.first()?.at, self.points.last()?.at))
    }

    /// The moment of the last read before `at`, or else of the first one.
    pub fn read_before(&self, at: i64) -> Option<i64> {
        let before = self.points.partition_point(|point| point.at < at);
        self.points.get(before.saturating_sub(1)).map(|point| point.at)
    }

    /// All that flowed, net, from the first read to a moment. Between two reads it is linear, rounded down.
    pub fn net_before(&self, moment: i64) -> i128 {
        let passed = self.points.partition_point(|point| point.at <= moment);
        let Some(place) = passed.checked_sub(1) else {
            return 0;
        };
        let Some(step) = self.steps.get(place) else {
            return self.net[place];
        };
        let (from, to) = (self.points[place].at, self.points[place + 1].at);
        let part = (step * i128::from(moment - from)).div_euclid(i128::from(to - from));
        self.net[place] + part
    }

    /// What the registers say of the span up to a moment: the register there less the first one, less the jumps that are
    /// nobody's water, plus the wraps. The register at a moment between reads is what `net_before` puts there.
    pub fn register_difference(&self, moment: i64) -> i128 {
        let passed = self.points.partition_point(|point| point.at <= moment);
        let Some(place) = passed.checked_sub(1) else {
            return 0;
        };
        let register = |place: usize| i128::from(self.points[place].register);
        let jumps: i128 = (0..place).map(|from| register(from + 1) - register(from) - self.steps[from]).sum();
        register(place) - register(0) - jumps + (self.net_before(moment) - self.net[place])
    }
}

/// What the step between two reads means, in counts; nothing where the jump is nobody's water.
fn volume(meter: &Meter, from: &Accepted, to: &Accepted) -> i128 {
    let difference = i128::from(to.register) - i128::from(from.register);
    // What Q3 would pass in between, times an hour's seconds.
    let at_q3 =
        i128::from(meter.q3_litres_per_hour) * i128::from(meter.per_litre) * i128::from(to.at - from.at);
    // At most 1.1 x Q4 = 1.375 x Q3; a part of a count is a whole one, and the register shows whole counts.
    let can_pass = |counts: i128| (counts - 2) * 8 * 3_600 < at_q3 * 11;
    if difference >= 0 {
        return if can_pass(difference) { difference } else { 0 };
    }
    let capacity = 10_i128.pow(meter.digits);
    if i128::from(from.register) * 10 > capacity * 9 && can_pass(difference + capacity) {
        return difference + capacity;
    }
    // Backflow: at most 10 litres, or Q1 = Q3 / 160.
    let back = -difference;
    let is_backflow = back <= i128::from(10 * meter.per_litre) || (back - 1) * 160 * 3_600 < at_q3;
    if is_backflow { difference } else { 0 }
}

/// What each day must be after the first `count` reads of a device: every day from its first read's to its last read's.
pub fn days(device: &Device, count: usize, tariffs: &TariffBook) -> BTreeMap<Day, Figures> {
    let course = Course::of(device, count);
    let Some((first, last)) = course.span() else {
        return BTreeMap::new();
    };
    let mut classes = first_classes(&device.reads[..count], &device.zone);
    let mut days = BTreeMap::new();
    let (mut month_to_date, mut class) = (0, 0);
    let mut day = device.zone.day_of(first);
    let mut before = course.net_before(device.zone.start_of(day));
    while day <= device.zone.day_of(last) {
        let until = course.net_before(device.zone.start_of(day.next()));
        // A day has no more counts than a register.
        let volume = i64::try_from(until - before).unwrap_or(i64::MAX);
        if day == day.month_start() {
            month_to_date = 0;
        }
        class = classes.remove(&day).unwrap_or(class);
        let class = device.classes.get(usize::from(class)).map_or("", |class| class);
        let price = |counts| month_cost(tariffs, class, day, cubic_metres(counts, device.meter.per_litre));
        let (before_it, with_it) = (price(month_to_date), price(month_to_date + volume));
        let total = cubic_metres(month_to_date + volume, device.meter.per_litre);
        let beyond = charge_beyond_volume(tariffs, class, day, total);
        days.insert(day, Figures { volume, cost: with_it - before_it + beyond });
        month_to_date += volume;
        (before, day) = (until, day.next());
    }
    days
}

/// The class of each day that has reads: that of the oldest registry entry its reads came with.
fn first_classes(reads: &[Accepted], zone: &Zone) -> BTreeMap<Day, u16> {
    let mut of_day: BTreeMap<Day, (i64, u16)> = BTreeMap::new();
    for read in reads {
        let known = of_day.entry(zone.day_of(read.at)).or_insert((read.version, read.class));
        if read.version < known.0 {
            *known = (read.version, read.class);
        }
    }
    of_day.into_iter().map(|(day, (_, class))| (day, class)).collect()
}

/// Counts in cubic metres.
pub fn cubic_metres(counts: i64, per_litre: i64) -> Decimal {
    Decimal::from(counts) / Decimal::from(per_litre) / Decimal::ONE_THOUSAND
}

/// What a month's volume costs: each block's share of it at the block's price.
fn month_cost(tariffs: &TariffBook, class: &str, day: Day, volume: Decimal) -> Decimal {
    let mut floor = Decimal::ZERO;
    let shares = tariffs.on(class, day).blocks.iter().map(|block| {
        let top = block.up_to.unwrap_or(Decimal::MAX);
        let share = volume.clamp(floor, top) - floor;
        floor = top;
        share * block.price
    });
    shares.sum()
}

/// A day's share of the month's fixed charge, and on the month's last day what its volume lacks of the minimum.
fn charge_beyond_volume(tariffs: &TariffBook, class: &str, day: Day, month: Decimal) -> Decimal {
    let (tariff, days) = (tariffs.on(class, day), i64::from(day.date().days_in_month()));
    let paid_by =
        |number: i64| (tariff.fixed_charge * Decimal::from(number) / Decimal::from(days)).round_dp(4);
    let number = i64::from(day.date().day());
    let is_last = number == days;
    let lacking = if is_last && month < tariff.minimum {
        month_cost(tariffs, class, day, tariff.minimum) - month_cost(tariffs, class, day, month)
    } else {
        Decimal::ZERO
    };
    paid_by(number) - paid_by(number - 1) + lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;
    /// A midnight in Jakarta: 2026-03-31.
    const MIDNIGHT: i64 = 1_774_890_000;

    fn device(reads: &[(i64, i64)]) -> Device {
        let read = |(at, register): &(i64, i64)| Accepted {
            at: MIDNIGHT + at,
            register: *register,
            rank: 1,
            version: 1,
            class: 0,
        };
        Device {
            reads: reads.iter().map(read).collect(),
            settled: reads.len(),
            unsettled: Vec::new(),
            meter: Meter { per_litre: 1, digits: 8, q3_litres_per_hour: 2_500 },
            meter_version: 1,
            zone: Zone::named("Asia/Jakarta").unwrap(),
            classes: vec!["household-middle-1".into()],
        }
    }

    fn volumes(device: &Device) -> Vec<i64> {
        days(device, device.reads.len(), &TariffBook::built_in()).values().map(|day| day.volume).collect()
    }

    #[test]
    fn midnight_is_interpolated_and_nothing_is_lost() {
        // 10 L over three hours, one of them before midnight.
        let device = device(&[(DAY - HOUR, 100), (DAY + 2 * HOUR, 110), (DAY + 3 * HOUR, 111)]);
        assert_eq!(volumes(&device), [3, 8]);
    }

    #[test]
    fn order_and_repetition_do_not_matter_and_the_lower_register_of_a_moment_counts() {
        let device = device(&[(HOUR, 120), (0, 100), (HOUR, 110), (HOUR, 120), (2 * HOUR, 130)]);
        assert_eq!(volumes(&device), [30]);
        let course = Course::of(&device, device.reads.len());
        assert_eq!(course.net_before(MIDNIGHT + HOUR), 10);
    }

    #[test]
    fn jumps_are_nobodys_water_and_wraps_are() {
        for (case, reads, expected) in [
            ("exchange", vec![(0, 300_000), (HOUR, 51_480), (2 * HOUR, 51_500)], 20),
            ("ceiling", vec![(0, 100), (HOUR, 5_000), (2 * HOUR, 5_010)], 10),
            ("at the ceiling", vec![(0, 0), (HOUR, 3_439)], 3_439),
            ("above it", vec![(0, 0), (HOUR, 3_440)], 0),
            ("rollover", vec![(0, 99_999_900), (HOUR, 60)], 160),
            ("backflow", vec![(0, 500), (HOUR, 499), (2 * HOUR, 509)], 9),
            ("slow backflow", vec![(0, 500), (DAY - 1, 200)], -300),
        ] {
            let device = device(&reads);
            assert_eq!(volumes(&device), [expected], "{case}");
            let course = Course::of(&device, device.reads.len());
            assert_eq!(course.register_difference(MIDNIGHT + DAY), i128::from(expected), "{case}");
        }
    }

    #[test]
    fn the_rules_agree_with_the_shared_ones_at_every_edge() {
        use indowater_common::domain::meter::{Meter as Rules, Point, Unit};
        for (unit, per_litre) in [(Unit::Litre, 1), (Unit::Millilitre, 1_000)] {
            let rules = Rules { unit, digits: 8, q3_litres_per_hour: 2_500 };
            let meter = Meter { per_litre, digits: 8, q3_litres_per_hour: 2_500 };
            for seconds in [1, 7, 59, 1_800, HOUR, DAY, 9 * DAY] {
                let most = 2_500 * per_litre * seconds * 11 / (8 * HOUR);
                let back = 2_500 * per_litre * seconds / (160 * HOUR);
                let edges = (-3..=3).flat_map(|edge| [most + edge, edge - back, edge - 10 * per_litre, edge]);
                for difference in edges {
                    for from in [50_000_000, 90_000_000, 90_000_001, 99_999_999, 3] {
                        let to = (from + difference).rem_euclid(100_000_000);
                        let step =
                            rules.step(Point { at: 0, register: from }, Point { at: seconds, register: to });
                        let read = |at, register| Accepted { at, register, rank: 1, version: 1, class: 0 };
                        let ours = volume(&meter, &read(0, from), &read(seconds, to));
                        assert_eq!(ours, i128::from(step.volume), "{from} -> {to} in {seconds} s");
                    }
                }
            }
        }
    }

    #[test]
    fn the_days_of_a_month_cost_what_the_month_costs_and_a_new_month_begins_at_the_first_block() {
        // A cubic metre an hour for two days, over the end of March.
        let reads: Vec<_> = (0..=48).map(|hour| (hour * HOUR, hour * 1_000)).collect();
        let days = days(&device(&reads), 49, &TariffBook::built_in());
        let cost: Vec<_> = days.values().map(|day| day.cost).collect();
        // 10 x 4,900 + 10 x 9,500 + 4 x 12,500, each day alone in its month; then a day that only its midnight read begins.
        assert_eq!(cost, [Decimal::from(194_000), Decimal::from(194_000), Decimal::ZERO]);
        assert_eq!(
            days.keys().map(ToString::to_string).collect::<Vec<_>>(),
            ["2026-03-31", "2026-04-01", "2026-04-02"]
        );
    }
}
