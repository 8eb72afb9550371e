//! Tariffs between their schema and the domain: billing writes them, and who prices with them reads them.

pub mod readings;

use indowater_proto::billing::v1::{self as wire, TariffSchedule};
use rust_decimal::Decimal;

use crate::domain::number;
use crate::domain::tariff::{Block, SINCE_EVER, Tariff};
use crate::domain::zone::Day;

/// The versions of a class.
///
/// # Errors
/// What cannot be understood, and where.
pub fn versions(schedule: &TariffSchedule) -> Result<Vec<Tariff>, String> {
    schedule.versions.iter().map(|version| tariff(&schedule.class, version)).collect()
}

/// One version. Whether it makes sense as a tariff is not judged here.
///
/// # Errors
/// What cannot be understood, and where.
pub fn tariff(class: &str, version: &wire::Tariff) -> Result<Tariff, String> {
    let from = match version.from.as_str() {
        "" => SINCE_EVER,
        text => {
            Day::parse(text).ok_or_else(|| format!("from: {text:?} is no date of the form YYYY-MM-DD"))?
        }
    };
    let blocks = version.blocks.iter().enumerate().map(|(number, block)| {
        let up_to = match block.up_to.as_str() {
            "" => None,
            text => Some(decimal(&format!("blocks[{number}].up_to"), text)?),
        };
        Ok(Block { up_to, price: decimal(&format!("blocks[{number}].price"), &block.price)? })
    });
    Ok(Tariff {
        class: class.to_owned(),
        from,
        blocks: blocks.collect::<Result<_, String>>()?,
        fixed_charge: optional("fixed_charge", &version.fixed_charge)?,
        minimum: optional("minimum_volume", &version.minimum_volume)?,
    })
}

/// A version as it is published.
pub fn published(tariff: &Tariff, set_by: &str) -> wire::Tariff {
    let blocks = tariff.blocks.iter().map(|block| wire::TariffBlock {
        up_to: block.up_to.map_or_else(String::new, |bound| bound.to_string()),
        price: block.price.to_string(),
    });
    wire::Tariff {
        from: if tariff.from == SINCE_EVER { String::new() } else { tariff.from.to_string() },
        blocks: blocks.collect(),
        fixed_charge: tariff.fixed_charge.to_string(),
        minimum_volume: tariff.minimum.to_string(),
        set_by: set_by.to_owned(),
    }
}

/// A decimal, as `field` of a message.
///
/// # Errors
/// It is none.
pub fn decimal(field: &str, text: &str) -> Result<Decimal, String> {
    number::decimal(text).map_err(|why| format!("{field}: {text:?} {why}"))
}

fn optional(field: &str, text: &str) -> Result<Decimal, String> {
    if text.is_empty() { Ok(Decimal::ZERO) } else { decimal(field, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tariff::TariffBook;

    #[test]
    fn a_tariff_is_the_same_after_the_wire() {
        let book = TariffBook::built_in();
        for class in book.classes() {
            let versions: Vec<_> = book.versions(class).iter().map(|tariff| published(tariff, "")).collect();
            let schedule = TariffSchedule { class: class.to_owned(), versions, ..Default::default() };
            assert_eq!(super::versions(&schedule).unwrap(), book.versions(class));
        }
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_its_place() {
        let block = |price: &str| wire::TariffBlock { up_to: String::new(), price: price.to_owned() };
        let version = wire::Tariff { blocks: vec![block("1"), block("dear")], ..Default::default() };
        assert!(tariff("a", &version).unwrap_err().starts_with("blocks[1].price"));
        let version = wire::Tariff { blocks: vec![block("1"), block("5e3")], ..Default::default() };
        assert!(tariff("a", &version).unwrap_err().starts_with("blocks[1].price: \"5e3\" is no decimal"));
        let version = wire::Tariff { from: "tomorrow".to_owned(), ..Default::default() };
        assert!(tariff("a", &version).unwrap_err().starts_with("from"));
    }
}
