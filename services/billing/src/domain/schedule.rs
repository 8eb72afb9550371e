//! The tariffs of a class through time, and the rules that a new one has to keep.

use indowater_common::domain::number::{NotANumber, PRICE_PLACES};
use indowater_common::domain::tariff::{Block, Tariff};
use indowater_common::domain::zone::Day;
use rust_decimal::Decimal;

/// A version of a class's tariff and who set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The tariff.
    pub tariff: Tariff,
    /// `users.id`; empty for what the platform comes with.
    pub set_by: String,
}

/// All versions of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The class.
    pub class: String,
    /// By rising first day.
    pub versions: Vec<Version>,
    /// Starts at 1, rises with every change.
    pub revision: i64,
    /// Seconds since the epoch.
    pub updated_at: i64,
}

/// Why a tariff is not taken: the field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Wrong {
    /// Path of the field.
    pub field: String,
    /// What is wrong.
    pub why: String,
}

fn wrong(field: impl Into<String>, why: impl Into<String>) -> Wrong {
    Wrong { field: field.into(), why: why.into() }
}

/// Rupiah per m3, and per month, beyond which a tariff is a typing error.
const HIGHEST: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);
const MOST_BLOCKS: usize = 20;
const LONGEST_CLASS: usize = 64;

impl Schedule {
    /// The schedule that a class starts from: what the platform comes with.
    pub fn first(class: &str, versions: &[Tariff], now: i64) -> Self {
        let version = |tariff: &Tariff| Version { tariff: tariff.clone(), set_by: String::new() };
        Self {
            class: class.to_owned(),
            versions: versions.iter().map(version).collect(),
            revision: 1,
            updated_at: now,
        }
    }

    /// Takes a new version. Days that have begun anywhere are priced already and stay so: it has to hold from `earliest` on or
    /// later. A version for the same day takes the other's place.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set(&mut self, version: Version, earliest: Day, now: i64) -> Result<(), Wrong> {
        check(&version.tariff)?;
        if version.tariff.from < earliest {
            let why = format!("must be {earliest} or later: earlier days have begun and are priced already");
            return Err(wrong("from", why));
        }
        self.versions.retain(|known| known.tariff.from != version.tariff.from);
        let place = self.versions.partition_point(|known| known.tariff.from < version.tariff.from);
        self.versions.insert(place, version);
        self.revision += 1;
        self.updated_at = now;
        Ok(())
    }
}

/// Whether a name can be a class's.
///
/// # Errors
/// Why not.
pub fn check_class(class: &str) -> Result<(), Wrong> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if class.is_empty() || class.len() > LONGEST_CLASS || !class.chars().all(known) {
        let why =
            format!("must be 1 to {LONGEST_CLASS} lower-case letters, digits and hyphens, not {class:?}");
        return Err(wrong("class", why));
    }
    Ok(())
}

/// Decimal places of a volume at most: m3 down to the millilitre.
const VOLUME_PLACES: u32 = 6;

/// As it was written: three places are what many write for thousands.
fn check_price(field: &str, price: Decimal) -> Result<(), Wrong> {
    if price.scale() <= PRICE_PLACES { Ok(()) } else { Err(wrong(field, NotANumber::Price.to_string())) }
}

fn check_volume(field: &str, volume: Decimal) -> Result<(), Wrong> {
    let why = "must have at most 6 decimal places";
    if volume.scale() <= VOLUME_PLACES { Ok(()) } else { Err(wrong(field, why)) }
}

fn check(tariff: &Tariff) -> Result<(), Wrong> {
    check_class(&tariff.class)?;
    for (field, value) in [("fixed_charge", tariff.fixed_charge), ("minimum_volume", tariff.minimum)] {
        if value.is_sign_negative() || value > HIGHEST {
            return Err(wrong(field, "must be between 0 and 100,000,000"));
        }
    }
    check_price("fixed_charge", tariff.fixed_charge)?;
    check_volume("minimum_volume", tariff.minimum)?;
    let Some((last, bounded)) = tariff.blocks.split_last() else {
        return Err(wrong("blocks", "must be at least one"));
    };
    if tariff.blocks.len() > MOST_BLOCKS {
        return Err(wrong("blocks", format!("must be {MOST_BLOCKS} at most")));
    }
    let mut floor = Decimal::ZERO;
    for (number, Block { up_to, price }) in tariff.blocks.iter().enumerate() {
        if price.is_sign_negative() || *price > HIGHEST {
            return Err(wrong(
                format!("blocks[{number}].price"),
                "must be between 0 and 100,000,000 rupiah per m3",
            ));
        }
        check_price(&format!("blocks[{number}].price"), *price)?;
        check_volume(&format!("blocks[{number}].up_to"), up_to.unwrap_or_default())?;
        match up_to {
            Some(bound) if number < bounded.len() && *bound > floor => floor = *bound,
            Some(_) if number < bounded.len() => {
                return Err(wrong(format!("blocks[{number}].up_to"), "must be above the block before"));
            }
            None if number < bounded.len() => {
                return Err(wrong(
                    format!("blocks[{number}].up_to"),
                    "is missing: only the last block has no bound",
                ));
            }
            _ => {}
        }
    }
    if last.up_to.is_some() {
        return Err(wrong(
            format!("blocks[{}].up_to", bounded.len()),
            "must be empty: the last block has no bound",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(from: i32, blocks: &[(Option<i64>, i64)]) -> Version {
        let blocks = blocks
            .iter()
            .map(|(up_to, price)| Block { up_to: up_to.map(Decimal::from), price: Decimal::from(*price) });
        let tariff = Tariff {
            class: "social-1".to_owned(),
            from: Day(from),
            blocks: blocks.collect(),
            fixed_charge: Decimal::ZERO,
            minimum: Decimal::ZERO,
        };
        Version { tariff, set_by: "admin-001".to_owned() }
    }

    fn schedule() -> Schedule {
        Schedule {
            class: "social-1".to_owned(),
            versions: vec![version(0, &[(None, 1)])],
            revision: 1,
            updated_at: 0,
        }
    }

    #[test]
    fn a_version_takes_its_place_in_time_and_that_of_its_day() {
        let mut schedule = schedule();
        schedule.set(version(20, &[(None, 2)]), Day(10), 5).unwrap();
        schedule.set(version(10, &[(None, 3)]), Day(10), 6).unwrap();
        schedule.set(version(20, &[(Some(10), 4), (None, 5)]), Day(10), 7).unwrap();
        let days: Vec<_> =
            schedule.versions.iter().map(|v| (v.tariff.from.0, v.tariff.blocks.len())).collect();
        assert_eq!((days, schedule.revision, schedule.updated_at), (vec![(0, 1), (10, 1), (20, 2)], 4, 7));
    }

    #[test]
    fn a_day_that_has_begun_keeps_its_price() {
        let refused = schedule().set(version(9, &[(None, 2)]), Day(10), 0).unwrap_err();
        assert_eq!(refused.field, "from");
    }

    #[test]
    fn blocks_rise_and_the_last_has_no_bound() {
        type Blocks = [(Option<i64>, i64)];
        let cases: [(&Blocks, &str); 6] = [
            (&[], "blocks"),
            (&[(Some(10), 1)], "blocks[0].up_to"),
            (&[(None, 1), (None, 2)], "blocks[0].up_to"),
            (&[(Some(10), 1), (Some(10), 2), (None, 3)], "blocks[1].up_to"),
            (&[(Some(10), 1), (None, -1)], "blocks[1].price"),
            (&[(Some(0), 1), (None, 1)], "blocks[0].up_to"),
        ];
        for (blocks, field) in cases {
            assert_eq!(schedule().set(version(10, blocks), Day(10), 0).unwrap_err().field, field);
        }
    }

    #[test]
    fn prices_have_two_decimals_and_nobody_means_thousands() {
        let priced = |price: &str| {
            let mut priced = version(10, &[(None, 1)]);
            priced.tariff.blocks[0].price = price.parse().unwrap();
            schedule().set(priced, Day(10), 0).map_err(|wrong| wrong.to_string())
        };
        assert_eq!((priced("4900"), priced("4900.5"), priced("4900.50")), (Ok(()), Ok(()), Ok(())));
        let why = priced("5.000").unwrap_err();
        assert!(why.starts_with("blocks[0].price: must be rupiah in digits"), "{why}");
        let mut charged = version(10, &[(None, 1)]);
        charged.tariff.fixed_charge = "15.000".parse().unwrap();
        assert_eq!(schedule().set(charged, Day(10), 0).unwrap_err().field, "fixed_charge");
        let mut bounded = version(10, &[(Some(1), 1), (None, 1)]);
        bounded.tariff.blocks[0].up_to = Some("1.0000001".parse().unwrap());
        assert_eq!(schedule().set(bounded, Day(10), 0).unwrap_err().field, "blocks[0].up_to");
    }
}
