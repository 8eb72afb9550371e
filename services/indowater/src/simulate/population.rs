//! Who is simulated: properties with their meters, drawn from one seed, so that a second run finds the same ones. Another
//! seed is another population, so two fleets with different seeds can report side by side.

use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;
use rand::{Rng, RngExt as _};

use super::draws::Profile;
use super::meter::{Identity, Leak};
use crate::telemetry::Encoding;

/// A meter with where it stands, what flows through it and how it speaks.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// Where it stands.
    pub property: Property,
    /// Its registry entry.
    pub device: Device,
    /// What flows through it.
    pub profile: Profile,
    /// The root of its chance.
    pub identity: Identity,
    /// How it speaks.
    pub encoding: Encoding,
    /// What its register shows before its first read, in litres.
    pub first_register: u64,
    /// What leaks behind it.
    pub leak: Option<Leak>,
}

/// How many meters, and how they are spread.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    /// How many meters.
    pub meters: u64,
    /// Meters of one property, which are all of one class; each property is one customer's.
    pub meters_per_property: u64,
    /// The seed that everything follows from, identifiers included.
    pub seed: u64,
}

/// What a generator is for besides an hour; no hour is that long ago.
const OF_THE_PROPERTY: i64 = i64::MIN;
const OF_THE_METER: i64 = i64::MIN + 1;

/// Where the registers of some radio modules wrap: 2^24 litres.
const WRAPS_AT: i64 = 16_777_216;

/// The three time zones of Indonesia, roughly as its people live in them.
const ZONES: [(&str, u32); 3] = [("Asia/Jakarta", 80), ("Asia/Makassar", 15), ("Asia/Jayapura", 5)];

/// What a property is in the registry.
struct Kind {
    property_type: &'static str,
    tariff_classes: &'static [&'static str],
    location: &'static str,
    /// Of a hundred properties.
    share: u32,
}

const KINDS: [Kind; 3] = [
    Kind {
        property_type: "residential",
        tariff_classes: &[
            "household-simple-1",
            "household-simple-2",
            "household-middle-1",
            "household-middle-2",
        ],
        location: "Front yard",
        share: 85,
    },
    Kind {
        property_type: "commercial",
        tariff_classes: &["commercial-1"],
        location: "Plant room",
        share: 12,
    },
    Kind { property_type: "industrial", tariff_classes: &["industrial-1"], location: "Pump house", share: 3 },
];

impl Population {
    /// All its meters; `installed` is when their installation is said to have been.
    pub fn meters(&self, installed: Timestamp) -> impl Iterator<Item = Simulated> {
        let population = *self;
        (1..=self.meters).map(move |number| population.meter(number, installed))
    }

    fn meter(&self, number: u64, installed: Timestamp) -> Simulated {
        let property_number = number.div_ceil(self.meters_per_property.max(1));
        let mut of_property = Identity { seed: self.seed, number: property_number }.chance(OF_THE_PROPERTY);
        let kind = pick(&KINDS, |kind| kind.share, &mut of_property);
        let (time_zone, _) = pick(&ZONES, |(_, share)| *share, &mut of_property);
        let class = kind.tariff_classes[of_property.random_range(0..kind.tariff_classes.len())];
        let property = Property {
            id: format!("sim-property-{}-{property_number:06}", self.seed),
            name: format!("Simulated property {property_number}"),
            address: format!("Jl. Simulasi No. {property_number}"),
            customer_id: format!("sim-customer-{}-{property_number:06}", self.seed),
            property_type: kind.property_type.to_owned(),
            time_zone: (*time_zone).to_owned(),
            tariff_class: class.to_owned(),
            ..Default::default()
        };
        let identity = Identity { seed: self.seed, number };
        let mut rng = identity.chance(OF_THE_METER);
        let profile = profile(kind, &mut rng);
        // Some meters of every fleet count finer, and some speak JSON.
        let (unit, digits) =
            if number % 10 == 7 { (RegisterUnit::Millilitre, 12) } else { (RegisterUnit::Litre, 9) };
        // And some count coarsely, or wrap at a power of two, soon.
        let resolution = if number % 10 == 3 { 10 } else { 0 };
        let wraps_at = if number % 10 == 9 { WRAPS_AT } else { 0 };
        let device = Device {
            id: format!("sim-device-{}-{number:06}", self.seed),
            device_id: format!("sim-{}-{number:06}", self.seed),
            property_id: property.id.clone(),
            r#type: "water_meter".to_owned(),
            status: "active".to_owned(),
            location: kind.location.to_owned(),
            installation_date: installed.to_string(),
            unit: unit.into(),
            register_digits: digits,
            q3_litres_per_hour: profile.q3_litres_per_hour(),
            resolution,
            wraps_at,
            ..Default::default()
        };
        let encoding = if number.is_multiple_of(5) { Encoding::Json } else { Encoding::Protobuf };
        Simulated {
            property,
            device,
            profile,
            identity,
            encoding,
            first_register: match u64::try_from(wraps_at) {
                Ok(wraps_at) if wraps_at > 0 => wraps_at - rng.random_range(20..=2_000),
                _ => rng.random_range(5_000..=2_000_000),
            },
            leak: None,
        }
    }
}

fn profile(kind: &Kind, rng: &mut impl Rng) -> Profile {
    match kind.property_type {
        "commercial" => Profile::Commercial {
            opens: rng.random_range(7..=10),
            closes: rng.random_range(16..=22),
            visitors: rng.random_range(5..=40),
        },
        "industrial" => Profile::Industrial {
            shifts: rng.random_range(1..=3),
            litres_per_hour: rng.random_range(800..=3_000),
        },
        _ => Profile::Household { people: rng.random_range(2..=6) },
    }
}

/// One of `all`, by weight.
fn pick<'a, T>(all: &'a [T], weight: impl Fn(&T) -> u32, rng: &mut impl Rng) -> &'a T {
    let mut left = rng.random_range(0..all.iter().map(&weight).sum());
    all.iter()
        .find(|one| {
            let found = left < weight(one);
            left = left.saturating_sub(weight(one));
            found
        })
        .unwrap_or(&all[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use indowater_common::domain::tariff::TariffBook;

    const POPULATION: Population = Population { meters: 2_000, meters_per_property: 4, seed: 1 };

    #[test]
    fn most_are_homes_and_every_class_has_a_tariff() {
        let book = TariffBook::built_in();
        let all: Vec<_> = POPULATION.meters(Timestamp::UNIX_EPOCH).collect();
        let homes = all.iter().filter(|meter| matches!(meter.profile, Profile::Household { .. })).count();
        assert!((1_550..1_850).contains(&homes), "{homes} of 2,000");
        for meter in &all {
            assert!(book.classes().any(|class| class == meter.property.tariff_class), "{:?}", meter.property);
            assert_eq!(meter.device.property_id, meter.property.id);
        }
        assert!(ZONES.iter().all(|(zone, _)| all.iter().any(|meter| meter.property.time_zone == *zone)));
    }

    #[test]
    fn a_larger_population_begins_with_the_same_meters() {
        let larger = Population { meters: 3_000, ..POPULATION };
        let of = |population: Population| -> Vec<_> {
            population
                .meters(Timestamp::UNIX_EPOCH)
                .take(2_000)
                .map(|m| (m.device, m.property, m.profile))
                .collect()
        };
        assert_eq!(of(POPULATION), of(larger));
    }
}
