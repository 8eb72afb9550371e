//! The demo's properties and meters: of every kind, in every time zone of Indonesia.

use indowater_proto::registry::v1::{Device, Property};
use indowater_proto::telemetry::v1::RegisterUnit;
use jiff::Timestamp;

use crate::simulate::Simulated;
use crate::simulate::draws::Profile;
use crate::simulate::meter::{Identity, Leak};
use crate::telemetry::Encoding;

struct Place {
    id: &'static str,
    name: &'static str,
    address: &'static str,
    customer_id: &'static str,
    property_type: &'static str,
    time_zone: &'static str,
    tariff_class: &'static str,
    meters: &'static [(&'static str, Profile)],
}

const fn home(people: u32) -> Profile {
    Profile::Household { people }
}

const PLACES: [Place; 7] = [
    Place {
        id: "property-001",
        name: "Rumah Kebayoran",
        address: "Jl. Wijaya I No. 12, Kebayoran Baru, Jakarta Selatan",
        customer_id: "customer-001",
        property_type: "residential",
        time_zone: "Asia/Jakarta",
        tariff_class: "household-middle-1",
        meters: &[("Halaman depan", home(4)), ("Paviliun belakang", home(2))],
    },
    Place {
        id: "property-002",
        name: "Warung Bu Siti",
        address: "Jl. Danau Tamblingan No. 45, Sanur, Denpasar",
        customer_id: "customer-001",
        property_type: "commercial",
        time_zone: "Asia/Makassar",
        tariff_class: "commercial-1",
        meters: &[("Dapur", Profile::Commercial { opens: 8, closes: 22, visitors: 18 })],
    },
    Place {
        id: "property-003",
        name: "Pabrik Tahu Rahayu",
        address: "Jl. Raya Narogong Km 12, Bekasi",
        customer_id: "customer-001",
        property_type: "industrial",
        time_zone: "Asia/Jakarta",
        tariff_class: "industrial-1",
        meters: &[
            ("Ruang pompa, jalur produksi", Profile::Industrial { shifts: 2, litres_per_hour: 1_400 }),
            ("Kantor", Profile::Commercial { opens: 7, closes: 17, visitors: 12 }),
        ],
    },
    Place {
        id: "property-004",
        name: "Rumah Abepura",
        address: "Jl. Raya Abepura No. 8, Jayapura",
        customer_id: "customer-002",
        property_type: "residential",
        time_zone: "Asia/Jayapura",
        tariff_class: "household-simple-1",
        meters: &[("Samping rumah", home(5))],
    },
    Place {
        id: "property-005",
        name: "Rumah Gubeng",
        address: "Jl. Sulawesi No. 21, Gubeng, Surabaya",
        customer_id: "customer-003",
        property_type: "residential",
        time_zone: "Asia/Jakarta",
        tariff_class: "household-middle-2",
        meters: &[("Halaman depan", home(6))],
    },
    Place {
        id: "property-006",
        name: "Kantor Losari",
        address: "Jl. Penghibur No. 3, Makassar",
        customer_id: "customer-004",
        property_type: "commercial",
        time_zone: "Asia/Makassar",
        tariff_class: "commercial-1",
        meters: &[("Basement", Profile::Commercial { opens: 8, closes: 18, visitors: 30 })],
    },
    Place {
        id: "property-007",
        name: "Rumah Dago",
        address: "Jl. Ir. H. Juanda No. 77, Bandung",
        customer_id: "customer-005",
        property_type: "residential",
        time_zone: "Asia/Jakarta",
        tariff_class: "household-simple-2",
        meters: &[("Halaman depan", home(3))],
    },
];

/// Numbers of the demo's meters, beyond those of any simulated population with the same seed.
const FIRST_NUMBER: u64 = 1 << 40;

/// The demo's meter that leaks, so that a newcomer finds a leak: a cistern that has run in the garden house for some days of the half year
/// that the demo comes with.
const LEAKS: (u64, Leak) = (2, Leak { after: 177 * 86_400, litres_per_hour: 18 });

/// The demo's meters; `installed` is when the new ones are said to have been installed.
pub fn meters(seed: u64, installed: Timestamp) -> impl Iterator<Item = Simulated> {
    let meters = PLACES.iter().flat_map(|place| place.meters.iter().map(move |meter| (place, meter)));
    meters.zip(1_u64..).map(move |((place, (location, profile)), number)| {
        let device = Device {
            id: format!("device-{number:03}"),
            device_id: format!("IW-{:08}", 24_000_000 + number),
            property_id: place.id.to_owned(),
            r#type: "water_meter".to_owned(),
            status: "active".to_owned(),
            location: (*location).to_owned(),
            installation_date: installed.to_string(),
            unit: RegisterUnit::Litre.into(),
            register_digits: 8,
            q3_litres_per_hour: profile.q3_litres_per_hour(),
            ..Default::default()
        };
        Simulated {
            property: property(place),
            device,
            profile: *profile,
            identity: Identity { seed, number: FIRST_NUMBER + number },
            encoding: if number % 2 == 0 { Encoding::Json } else { Encoding::Protobuf },
            first_register: 100_000 * number + 2_345,
            leak: (number == LEAKS.0).then_some(LEAKS.1),
        }
    })
}

fn property(place: &Place) -> Property {
    Property {
        id: place.id.to_owned(),
        name: place.name.to_owned(),
        address: place.address.to_owned(),
        customer_id: place.customer_id.to_owned(),
        property_type: place.property_type.to_owned(),
        time_zone: place.time_zone.to_owned(),
        tariff_class: place.tariff_class.to_owned(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::ACCOUNTS;

    #[test]
    fn the_demo_customer_owns_one_property_of_each_type() {
        let mine = PLACES.iter().filter(|place| place.customer_id == "customer-001");
        let types: Vec<_> = mine.map(|place| place.property_type).collect();
        assert_eq!(types, ["residential", "commercial", "industrial"]);
        assert_eq!(meters(1, Timestamp::UNIX_EPOCH).count(), 9);
    }

    #[test]
    fn every_owner_has_an_account() {
        for place in &PLACES {
            assert!(
                ACCOUNTS.iter().any(|a| a.id == place.customer_id && a.role == "customer"),
                "{}",
                place.id
            );
        }
    }
}
