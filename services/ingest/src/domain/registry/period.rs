//! What holds of a property, and of a device, from a day on.

use indowater_common::domain::meter::Unit;
use indowater_common::domain::zone::Day;

use super::DeviceType;
use super::timeline::{Dated, Timeline};
use crate::domain::meter::Meter;

/// One meter taken out and another one put in, as it was told: in millilitres, so that it stays true when the unit of a
/// meter is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// Seconds since the epoch.
    pub at: i64,
    /// The last register of the old meter.
    pub final_millilitres: i64,
    /// The first register of the new meter.
    pub initial_millilitres: i64,
}

/// Whose a property is and in which class it is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Tenancy {
    pub customer_id: String,
    pub tariff_class: String,
}

/// What may be said of a tenancy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TenancyPart {
    pub customer_id: Option<String>,
    pub tariff_class: Option<String>,
}

/// What holds of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Period {
    pub property_id: String,
    pub customer_id: String,
    pub tariff_class: String,
    pub device_type: DeviceType,
    /// As it was said; see [`Self::is_billed`].
    pub billable: bool,
    /// The identifier on the meter.
    pub serial: String,
    /// From the moment of the exchange on, if the period begins with one.
    pub meter: Meter,
    /// The exchange with which the period begins.
    pub exchange: Option<Exchanged>,
}

/// What may be said of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PeriodPart {
    pub property_id: Option<String>,
    pub customer_id: Option<String>,
    pub tariff_class: Option<String>,
    pub device_type: Option<DeviceType>,
    pub billable: Option<bool>,
    pub serial: Option<String>,
    pub unit: Option<Unit>,
    pub digits: Option<u32>,
    pub q3_litres_per_hour: Option<u32>,
    pub wraps_at: Option<i64>,
    pub resolution: Option<u32>,
    pub exchange: Option<Exchanged>,
}

/// Takes over each of the named fields that is there.
macro_rules! take {
    ($part:ident: $($field:ident => $into:expr),+ $(,)?) => {
        $(if let Some(value) = &$part.$field { $into.clone_from(value); })+
    };
}

/// Prefers each of the named fields of `later`.
macro_rules! prefer {
    ($part:ident, $later:ident: $($field:ident),+ $(,)?) => {
        $(if $later.$field.is_some() { $part.$field = $later.$field; })+
    };
}

impl Dated for Tenancy {
    type Part = TenancyPart;

    fn apply(&mut self, part: &TenancyPart) {
        take!(part: customer_id => self.customer_id, tariff_class => self.tariff_class);
    }

    fn add(part: &mut TenancyPart, later: TenancyPart) {
        prefer!(part, later: customer_id, tariff_class);
    }
}

impl Dated for Period {
    type Part = PeriodPart;

    fn apply(&mut self, part: &PeriodPart) {
        take!(part:
            property_id => self.property_id, customer_id => self.customer_id, tariff_class => self.tariff_class,
            device_type => self.device_type, billable => self.billable, serial => self.serial,
            unit => self.meter.unit, digits => self.meter.digits, wraps_at => self.meter.wraps_at,
            q3_litres_per_hour => self.meter.q3_litres_per_hour, resolution => self.meter.resolution,
        );
        if part.exchange.is_some() {
            self.exchange = part.exchange;
        }
    }

    fn add(part: &mut PeriodPart, later: PeriodPart) {
        prefer!(part, later:
            property_id, customer_id, tariff_class, device_type, billable, serial, unit, digits, q3_litres_per_hour,
            wraps_at, resolution, exchange,
        );
    }

    fn lasting(&self) -> Self {
        Self { exchange: None, ..self.clone() }
    }
}

impl Period {
    /// Whether its water is charged for: what a flow sensor measures never is.
    pub fn is_billed(&self) -> bool {
        self.billable && self.device_type == DeviceType::WaterMeter
    }
}

impl PeriodPart {
    /// All facts of a meter.
    pub fn of_meter(meter: Meter) -> Self {
        Self {
            unit: Some(meter.unit),
            digits: Some(meter.digits),
            q3_litres_per_hour: Some(meter.q3_litres_per_hour),
            wraps_at: Some(meter.wraps_at),
            resolution: Some(meter.resolution),
            ..Self::default()
        }
    }
}

/// How long a device stands at one property.
struct Stay {
    begin: Option<Day>,
    end: Option<Day>,
    property_id: String,
}

impl Timeline<Period> {
    /// Takes over whose the property is and in which class, for the days from `from` on on which the device stands
    /// there.
    pub fn follow(&mut self, property_id: &str, tenancies: &Timeline<Tenancy>, from: Option<Day>) {
        for Stay { begin, end, .. } in self.stays().into_iter().filter(|stay| stay.property_id == property_id)
        {
            let within = |day: Day| end.is_none_or(|end| day < end);
            if from.is_some_and(|from| !within(from)) {
                continue;
            }
            self.revise(from.max(begin), end, |part| (part.customer_id, part.tariff_class) = (None, None));
            if from <= begin {
                let Tenancy { customer_id, tariff_class } = tenancies.on(begin);
                self.say(begin, owned(Some(customer_id), Some(tariff_class)));
            }
            let later = |day: &Day| Some(*day) > begin && Some(*day) >= from && within(*day);
            for (day, part) in tenancies.said().filter(|(day, _)| later(day)) {
                self.say(Some(day), owned(part.customer_id.clone(), part.tariff_class.clone()));
            }
        }
    }

    /// It stands at a property from a day on, until the next day from which it is known to stand elsewhere.
    pub fn move_to(&mut self, property_id: &str, tenancies: &Timeline<Tenancy>, from: Day) {
        self.say(
            Some(from),
            PeriodPart { property_id: Some(property_id.to_owned()), ..PeriodPart::default() },
        );
        self.follow(property_id, tenancies, Some(from));
    }

    /// Its water is not charged for from a day on, whatever was said of later days.
    pub fn end_billing(&mut self, from: Day) {
        self.revise(Some(from), None, |part| part.billable = None);
        self.say(Some(from), PeriodPart { billable: Some(false), ..PeriodPart::default() });
    }

    fn stays(&self) -> Vec<Stay> {
        let mut begins = vec![(None, self.base().property_id.clone())];
        begins.extend(self.said().filter_map(|(day, part)| Some((Some(day), part.property_id.clone()?))));
        let ends: Vec<_> = begins.iter().skip(1).map(|(day, _)| *day).chain([None]).collect();
        let stay = |((begin, property_id), end)| Stay { begin, end, property_id };
        std::iter::zip(begins, ends).map(stay).collect()
    }
}

fn owned(customer_id: Option<String>, tariff_class: Option<String>) -> PeriodPart {
    PeriodPart { customer_id, tariff_class, ..PeriodPart::default() }
}

#[cfg(test)]
impl Period {
    /// A household's, for the tests of this crate.
    pub(crate) fn example() -> Self {
        Self {
            property_id: "property-1".into(),
            customer_id: "customer-001".into(),
            tariff_class: "household-middle-1".into(),
            device_type: DeviceType::WaterMeter,
            billable: true,
            serial: "SN-1".into(),
            meter: Meter::HOUSEHOLD,
            exchange: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenancies(said: &[(Option<i32>, &str)]) -> Timeline<Tenancy> {
        let base = Tenancy { customer_id: "first".into(), tariff_class: "class".into() };
        let mut timeline = Timeline::new(base);
        for (day, customer) in said {
            let customer_id = Some((*customer).to_owned());
            timeline.say(day.map(Day), TenancyPart { customer_id, ..TenancyPart::default() });
        }
        timeline
    }

    fn customers(timeline: &Timeline<Period>) -> Vec<(Option<i32>, String)> {
        let mut all: Vec<(Option<i32>, String)> = Vec::new();
        for (day, period) in timeline.periods() {
            if all.last().is_none_or(|(_, customer)| *customer != period.customer_id) {
                all.push((day.map(|day| day.0), period.customer_id));
            }
        }
        all
    }

    #[test]
    fn a_device_has_the_customers_of_where_it_stands() {
        let here = tenancies(&[(None, "a"), (Some(5), "b"), (Some(20), "c")]);
        let there = tenancies(&[(None, "x"), (Some(12), "y")]);
        let mut device = Timeline::new(Period::example());
        device.follow("property-1", &here, None);
        device.move_to("property-2", &there, Day(10));
        let expected = [(None, "a"), (Some(5), "b"), (Some(10), "x"), (Some(12), "y")];
        assert_eq!(customers(&device), expected.map(|(day, customer)| (day, customer.to_owned())));
        // It has left: what becomes of the first property is no concern of it.
        let before = device.clone();
        device.follow("property-1", &tenancies(&[(None, "a"), (Some(15), "z")]), Some(Day(15)));
        assert_eq!(device, before);
    }

    #[test]
    fn a_change_from_a_day_on_leaves_the_days_before_as_they_are() {
        // A document of another system may name another customer than its property does.
        let mut device = Timeline::new(Period { customer_id: "own".into(), ..Period::example() });
        device.follow("property-1", &tenancies(&[(None, "a"), (Some(5), "b")]), Some(Day(5)));
        assert_eq!(customers(&device), [(None, "own".to_owned()), (Some(5), "b".to_owned())]);
    }

    #[test]
    fn billing_ends_for_good_and_a_flow_sensor_is_never_billed() {
        let billable = |yes| PeriodPart { billable: Some(yes), ..PeriodPart::default() };
        let mut device = Timeline::new(Period::example());
        device.say(Some(Day(8)), billable(true));
        device.end_billing(Day(5));
        let billed = |day| device.on(Some(Day(day))).is_billed();
        assert_eq!([4, 5, 8, 100].map(billed), [true, false, false, false]);
        let sensor = Period { device_type: DeviceType::FlowSensor, ..Period::example() };
        assert!(sensor.billable && !sensor.is_billed());
    }

    proptest! {
        /// Whether a move or the properties' changes are known first, the device's customers are those of the places where
        /// it stood.
        #[test]
        fn moves_and_tenancies_are_known_in_any_order(
            told in proptest::collection::btree_map(0..9_i32, 0..3_usize, 0..4),
            moves in proptest::collection::btree_map(0..9_i32, any::<bool>(), 0..4),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 8),
        ) {
            const NAMES: [&str; 3] = ["a", "b", "c"];
            let mut steps: Vec<(i32, Result<usize, bool>)> = told.iter().map(|(day, to)| (*day, Ok(*to))).collect();
            steps.extend(moves.iter().map(|(day, there)| (*day, Err(*there))));
            for (place, with) in order.iter().enumerate() {
                if place < steps.len() {
                    let with = with.index(steps.len());
                    steps.swap(place, with);
                }
            }
            let mut device = Timeline::new(Period::example());
            let (mut here, there) = (tenancies(&[]), tenancies(&[(None, "x"), (Some(4), "y")]));
            device.follow("property-1", &here, None);
            for (day, step) in steps {
                match step {
                    Ok(to) => {
                        let customer_id = Some(NAMES[to].to_owned());
                        here.say(Some(Day(day)), TenancyPart { customer_id, ..TenancyPart::default() });
                        device.follow("property-1", &here, Some(Day(day)));
                    }
                    Err(true) => device.move_to("property-2", &there, Day(day)),
                    Err(false) => device.move_to("property-1", &here, Day(day)),
                }
            }
            for day in 0..10 {
                let away = moves.range(..=day).next_back().is_some_and(|(_, there)| *there);
                let expected = if away { &there } else { &here }.on(Some(Day(day))).customer_id;
                prop_assert_eq!(device.on(Some(Day(day))).customer_id, expected, "day {}", day);
            }
        }
    }
}
