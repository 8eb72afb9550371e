//! What is asked of the ledger and of the tariffs, read from the texts of a request. All that is wrong with it is told at
//! once.

use indowater_common::domain::number;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::failure::{Failure, Fault, Faults};
use crate::domain::page::{self, Page};
use crate::domain::period;
use crate::domain::user::UserId;

const LONGEST_ID: usize = 100;
const LONGEST_REASON: usize = 500;

/// A page of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementQuestion {
    /// Whose, if somebody was named.
    pub customer: Option<UserId>,
    /// Which page.
    pub page: Page,
}

impl StatementQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(customer: Option<&str>, size: Option<&str>, token: Option<&str>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let customer = faults.note(named(customer));
        let page = Page::read(size, token, page::LEDGER, &mut faults);
        faults.settle(customer.zip(page).map(|(customer, page)| Self { customer, page }))
    }
}

/// Reads whose balance is meant, if somebody is named.
///
/// # Errors
/// [`Failure::Invalid`]
pub fn customer(text: Option<&str>) -> Result<Option<UserId>, Failure> {
    named(text).map_err(|fault| Failure::Invalid(vec![fault]))
}

/// What administrators are told who ask for a balance and do not say whose.
pub fn names_nobody() -> Failure {
    Failure::Invalid(vec![Fault::new("customer_id", "administrators name a customer_id")])
}

/// The customer of that id, if there is one.
///
/// # Errors
/// It is empty.
pub fn named(text: Option<&str>) -> Result<Option<UserId>, Fault> {
    let named = |text| UserId::new(text).ok_or_else(|| Fault::new("customer_id", "must not be empty"));
    text.map(named).transpose()
}

/// A correction of a balance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Chosen by the caller: a correction of the same customer with the same id is posted once, however often it is sent.
    #[schema(
        example = "goodwill-2026-11-22",
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9._-]+$"
    )]
    pub id: String,
    /// Whole rupiah other than 0; positive raises the balance.
    #[schema(example = 5000)]
    pub amount: i64,
    /// Why, for the customer to read.
    #[schema(example = "Goodwill after a burst pipe", min_length = 1, max_length = 500)]
    pub reason: String,
}

impl Adjustment {
    /// Checks it. How much a correction may be is the ledger's to say.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn check(self) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.id.is_empty() || self.id.len() > LONGEST_ID || !self.id.chars().all(plain) {
            faults.add(
                "id",
                format!("must be 1 to {LONGEST_ID} letters, digits, dots, hyphens and underscores"),
            );
        }
        if self.amount == 0 {
            faults.add("amount", "must be a number of rupiah other than 0");
        }
        check_reason(&self.reason, &mut faults);
        faults.settle(Some(self))
    }

    /// The id as the ledger gets it. There ids are everybody's, so the same one for two customers would be one
    /// correction; the hyphen-and-dot alphabet of [`Adjustment::id`] keeps the two parts apart.
    pub fn ledger_id(&self, customer: &UserId) -> String {
        format!("{}|{}", customer.as_str(), self.id)
    }
}

/// Checks a sentence that says why a person did something.
pub fn check_reason(reason: &str, faults: &mut Faults) {
    if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
        faults.add("reason", format!("must be 1 to {LONGEST_REASON} characters"));
    }
}

/// A version of a tariff, to be set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTariff {
    /// The first local day it holds: tomorrow at the earliest, for days that have begun are priced already.
    #[schema(format = Date, example = "2027-01-01")]
    from: String,
    /// Blocks with rising bounds; the last has none.
    #[schema(min_items = 1)]
    blocks: Vec<NewBlock>,
    /// Rupiah a month and meter, written as a block's `price`; nothing without it.
    #[serde(default)]
    #[schema(format = "decimal", pattern = r"^[0-9]+(\.[0-9]{1,2})?$", example = "15000")]
    fixed_charge: Option<String>,
    /// m³ a month that are paid even if less is used, exact decimal; none without it.
    #[serde(default)]
    #[schema(format = "decimal", example = "10")]
    minimum_volume: Option<String>,
}

/// One block of a tariff that is to be set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBlock {
    /// Its upper bound in m³ a month, inclusive, exact decimal; null for the last block.
    #[serde(default)]
    #[schema(format = "decimal", example = "10")]
    up_to: Option<String>,
    /// Rupiah per m³: digits, and after a point at most two more. `5.000` is refused, for some mean five thousand by it.
    #[schema(format = "decimal", pattern = r"^[0-9]+(\.[0-9]{1,2})?$", example = "4900")]
    price: String,
}

/// A version of a tariff that can be read. Whether it makes sense is billing's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The first local day it holds.
    pub from: Date,
    /// Upper bound, if there is one, and price of each block.
    pub blocks: Vec<(Option<Decimal>, Decimal)>,
    /// Rupiah a month.
    pub fixed_charge: Decimal,
    /// m³ a month.
    pub minimum_volume: Decimal,
}

impl NewTariff {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(&self) -> Result<Version, Failure> {
        let mut faults = Faults::default();
        let from = faults.note(period::date("from", &self.from));
        let mut blocks = Vec::new();
        for (number, block) in self.blocks.iter().enumerate() {
            let up_to = block.up_to.as_deref().map(|text| decimal(&format!("blocks[{number}].up_to"), text));
            let up_to = faults.note(up_to.transpose());
            let price = faults.note(price(&format!("blocks[{number}].price"), &block.price));
            blocks.extend(up_to.zip(price));
        }
        if self.blocks.is_empty() {
            faults.add("blocks", "must be at least one");
        }
        let (charge, volume) = (self.fixed_charge.as_deref(), self.minimum_volume.as_deref());
        let fixed_charge = faults.note(charge.map_or(Ok(Decimal::ZERO), |text| price("fixed_charge", text)));
        let minimum_volume =
            faults.note(volume.map_or(Ok(Decimal::ZERO), |text| decimal("minimum_volume", text)));
        let version = from.zip(fixed_charge.zip(minimum_volume));
        let version = version.map(|(from, (fixed_charge, minimum_volume))| Version {
            from,
            blocks,
            fixed_charge,
            minimum_volume,
        });
        faults.settle(version)
    }
}

/// A volume or a sum whose counterpart is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// What so many m³ cost.
    Volume(Decimal),
    /// What so many whole rupiah buy.
    Amount(i64),
}

/// What a volume costs, or what a sum buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteQuestion {
    /// Of what.
    pub of: Of,
    /// On which local day; none: today.
    pub on: Option<Date>,
    /// Volume of the month before, m³.
    pub month_to_date: Decimal,
}

/// The texts of a [`QuoteQuestion`].
#[derive(Clone, Copy, Debug, Default)]
pub struct QuoteTexts<'a> {
    /// `volume`
    pub volume: Option<&'a str>,
    /// `amount`
    pub amount: Option<&'a str>,
    /// `on`
    pub on: Option<&'a str>,
    /// `month_to_date`
    pub month_to_date: Option<&'a str>,
}

impl QuoteQuestion {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::Invalid`]
    pub fn read(texts: QuoteTexts<'_>) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let of = faults.note(match (texts.volume, texts.amount) {
            (Some(volume), None) => decimal("volume", volume).map(Of::Volume),
            (None, Some(amount)) => rupiah(amount).map(Of::Amount),
            (None, None) => Err(Fault::new("volume", "a volume or an amount is required")),
            (Some(_), Some(_)) => Err(Fault::new("amount", "only one of volume and amount may be given")),
        });
        let on = faults.note(texts.on.map(|text| period::date("on", text)).transpose());
        let month_to_date =
            texts.month_to_date.map_or(Ok(Decimal::ZERO), |text| decimal("month_to_date", text));
        let month_to_date = faults.note(month_to_date);
        let question = of.zip(on.zip(month_to_date));
        faults.settle(question.map(|(of, (on, month_to_date))| Self { of, on, month_to_date }))
    }
}

/// Beyond it a product of two of them might not be exact any more, and no tariff or month comes near.
const LARGEST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// Decimal places of a volume: a millilitre has six.
const PLACES: u32 = 6;

fn decimal(field: &str, text: &str) -> Result<Decimal, Fault> {
    let value = number::decimal(text).ok().filter(|value| value.is_sign_positive());
    match value.map(|value| value.normalize()) {
        Some(value) if value <= LARGEST && value.scale() <= PLACES => Ok(value),
        Some(_) => Err(Fault::new(
            field,
            format!("must be at most {LARGEST} and have at most {PLACES} decimal places"),
        )),
        None => Err(Fault::new(field, "must be a decimal number, such as 12.5, not below 0")),
    }
}

fn price(field: &str, text: &str) -> Result<Decimal, Fault> {
    let value = number::price(text).map_err(|why| Fault::new(field, why.to_string()))?;
    if value <= LARGEST {
        Ok(value.normalize())
    } else {
        Err(Fault::new(field, format!("must be at most {LARGEST}")))
    }
}

/// Reads `amount`, a number of whole rupiah.
///
/// # Errors
/// It is none, or more than anything costs.
pub fn rupiah(text: &str) -> Result<i64, Fault> {
    let amount = number::rupiah(text).map_err(|why| Fault::new("amount", why.to_string()))?;
    Some(amount)
        .filter(|amount| *amount <= 1_000_000_000_000)
        .ok_or_else(|| Fault::new("amount", "must be a number of whole rupiah from 0 to 10^12"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T: std::fmt::Debug>(read: Result<T, Failure>) -> Vec<String> {
        match read {
            Err(Failure::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whose_statement() {
        let read = StatementQuestion::read(Some("customer-001"), Some("7"), None).unwrap();
        assert_eq!((read.customer, read.page.size), (UserId::new("customer-001"), 7));
        assert_eq!(StatementQuestion::read(None, None, None).unwrap().customer, None);
        assert_eq!(fields(StatementQuestion::read(Some(""), Some("0"), None)), ["customer_id", "page_size"]);
        assert_eq!(fields(customer(Some(""))), ["customer_id"]);
    }

    #[test]
    fn a_correction_needs_an_id_an_amount_and_a_reason() {
        let good = Adjustment { id: "goodwill-1".into(), amount: -1, reason: "Goodwill".into() };
        assert_eq!(good.clone().check(), Ok(good.clone()));
        assert_eq!(good.ledger_id(&UserId::new("customer-001").unwrap()), "customer-001|goodwill-1");
        let nothing = Adjustment { id: String::new(), amount: 0, reason: "  ".into() };
        assert_eq!(fields(nothing.check()), ["id", "amount", "reason"]);
        for id in ["a b", "a|b", "a/b", "ä", &"x".repeat(101)] {
            assert_eq!(fields(Adjustment { id: id.to_owned(), ..good.clone() }.check()), ["id"], "{id}");
        }
        assert_eq!(fields(Adjustment { reason: "x".repeat(501), ..good }.check()), ["reason"]);
    }

    #[test]
    fn a_tariff_is_read_whole_or_all_faults_are_told() {
        let text = r#"{"from": "2027-01-01", "blocks": [{"up_to": "10.50", "price": "4900"}, {"up_to": null, "price": "0"}]}"#;
        let version = serde_json::from_str::<NewTariff>(text).unwrap().read().unwrap();
        let blocks = vec![(Some(Decimal::new(105, 1)), Decimal::from(4_900)), (None, Decimal::ZERO)];
        assert_eq!((version.blocks, version.fixed_charge), (blocks, Decimal::ZERO));
        let wrong = r#"{"from": "soon", "blocks": [{"up_to": "-1", "price": "dear"}], "fixed_charge": "", "minimum_volume": "1e3"}"#;
        assert_eq!(
            fields(serde_json::from_str::<NewTariff>(wrong).unwrap().read()),
            ["from", "blocks[0].up_to", "blocks[0].price", "fixed_charge", "minimum_volume"]
        );
        for wrong in ["5.000", "4,900", "5e3", " 4900", "+4900", "4900.", "4_900", "-4900", "4900.500"] {
            let text = format!(
                r#"{{"from": "2027-01-01", "blocks": [{{"price": "{wrong}"}}], "fixed_charge": "{wrong}"}}"#
            );
            let read = serde_json::from_str::<NewTariff>(&text).unwrap().read();
            assert_eq!(fields(read), ["blocks[0].price", "fixed_charge"], "{wrong}");
        }
        let empty = r#"{"from": "2027-01-01", "blocks": []}"#;
        assert_eq!(fields(serde_json::from_str::<NewTariff>(empty).unwrap().read()), ["blocks"]);
    }

    #[test]
    fn a_quote_is_of_a_volume_or_a_sum() {
        let nothing = QuoteTexts::default();
        let volume = QuoteTexts { volume: Some("12.5"), ..nothing };
        let amount = QuoteTexts { amount: Some("50000"), month_to_date: Some("3"), ..nothing };
        assert_eq!(QuoteQuestion::read(volume).unwrap().of, Of::Volume(Decimal::new(125, 1)));
        let read = QuoteQuestion::read(amount).unwrap();
        assert_eq!((read.of, read.month_to_date), (Of::Amount(50_000), Decimal::from(3)));
        assert_eq!(fields(QuoteQuestion::read(nothing)), ["volume"]);
        assert_eq!(fields(QuoteQuestion::read(QuoteTexts { amount: Some("1"), ..volume })), ["amount"]);
        for wrong in ["", "-1", "+1", "1,5", "1e3", "1_0", "1000000001", "0.0000001", "."] {
            let texts = QuoteTexts { volume: Some(wrong), on: Some("today"), ..nothing };
            assert_eq!(fields(QuoteQuestion::read(texts)), ["volume", "on"], "{wrong}");
        }
        for wrong in [
            "",
            "-1",
            "1.5",
            "+5",
            "5.000",
            "5,000",
            "5e3",
            " 5000",
            "5000.0",
            "5_000",
            "1000000000001",
            "99999999999999999999",
        ] {
            let texts = QuoteTexts { amount: Some(wrong), ..nothing };
            assert_eq!(fields(QuoteQuestion::read(texts)), ["amount"], "{wrong}");
        }
    }
}
