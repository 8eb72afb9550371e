//! What a voucher takes off a purchase.
//!
//! A discount is rounded once, to whole rupiah and up, in the customer's favour; it is never more than the voucher's cap
//! or the purchase itself.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::money::Rupiah;

/// How a voucher's value is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscountType {
    /// Percent of the purchase.
    Percentage,
    /// So many rupiah.
    FixedAmount,
}

impl DiscountType {
    /// How documents call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percentage => "percentage",
            Self::FixedAmount => "fixed_amount",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Percentage, Self::FixedAmount].into_iter().find(|kind| kind.name() == name)
    }
}

/// How much a voucher takes off, before any cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Percent, above 0 and at most 100, with at most [`Rate::DECIMALS`] decimals.
    Percentage(Decimal),
    /// Rupiah, above 0.
    Fixed(Rupiah),
}

impl Rate {
    /// Decimals of a percentage at most.
    pub const DECIMALS: u32 = 4;

    /// The rate of a type and value. `None` if no voucher can have it.
    pub fn new(kind: DiscountType, value: Decimal) -> Option<Self> {
        let value = value.normalize();
        match kind {
            DiscountType::Percentage => {
                let sound = value > Decimal::ZERO && value <= Decimal::ONE_HUNDRED;
                (sound && value.scale() <= Self::DECIMALS).then_some(Self::Percentage(value))
            }
            DiscountType::FixedAmount => {
                let amount = if value.scale() == 0 { value.to_i64() } else { None };
                amount.filter(|amount| *amount > 0).and_then(Rupiah::new).map(Self::Fixed)
            }
        }
    }

    /// How its value is meant.
    pub const fn kind(&self) -> DiscountType {
        match self {
            Self::Percentage(_) => DiscountType::Percentage,
            Self::Fixed(_) => DiscountType::FixedAmount,
        }
    }

    /// The value, percent or rupiah.
    pub fn value(&self) -> Decimal {
        match self {
            Self::Percentage(percent) => *percent,
            Self::Fixed(amount) => amount.get().into(),
        }
    }
}

/// A rate and its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discount {
    /// Before the cap.
    pub rate: Rate,
    /// The largest discount, if there is a limit to it.
    pub most: Option<Rupiah>,
}

impl Discount {
    /// What it takes off a purchase of so many rupiah.
    pub fn of(&self, purchase: Rupiah) -> Rupiah {
        let whole = match self.rate {
            Rate::Percentage(percent) => share(purchase, percent),
            Rate::Fixed(amount) => amount,
        };
        whole.min(self.most.unwrap_or(whole)).min(purchase)
    }
}

/// So many percent, rounded up. With the bounds of both a product has at most 22 digits, of the 28 that are exact.
fn share(purchase: Rupiah, percent: Decimal) -> Rupiah {
    let exact = Decimal::from(purchase.get()) * percent * Decimal::new(1, 2);
    exact.ceil().to_i64().and_then(Rupiah::new).unwrap_or(purchase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rupiah(amount: i64) -> Rupiah {
        Rupiah::new(amount).unwrap()
    }

    fn percent(text: &str) -> Discount {
        let rate = Rate::new(DiscountType::Percentage, text.parse().unwrap()).unwrap();
        Discount { rate, most: None }
    }

    fn fixed(amount: i64) -> Discount {
        Discount { rate: Rate::new(DiscountType::FixedAmount, amount.into()).unwrap(), most: None }
    }

    #[test]
    fn a_percentage_rounds_up_in_the_customers_favour() {
        assert_eq!(percent("10").of(rupiah(50_000)), rupiah(5_000));
        assert_eq!(percent("10").of(rupiah(50_001)), rupiah(5_001));
        assert_eq!(percent("12.5").of(rupiah(10_001)), rupiah(1_251));
        assert_eq!(percent("0.0001").of(rupiah(1)), rupiah(1));
        assert_eq!(percent("100").of(rupiah(Rupiah::MOST)), rupiah(Rupiah::MOST));
    }

    #[test]
    fn a_discount_is_never_above_its_cap_or_the_purchase() {
        let capped = Discount { most: Some(rupiah(3_000)), ..percent("10") };
        assert_eq!(capped.of(rupiah(50_000)), rupiah(3_000));
        assert_eq!(capped.of(rupiah(20_000)), rupiah(2_000));
        assert_eq!(fixed(25_000).of(rupiah(20_000)), rupiah(20_000));
        assert_eq!(Discount { most: Some(rupiah(7)), ..fixed(25_000) }.of(rupiah(20_000)), rupiah(7));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for value in ["0", "-5", "100.0001", "1.00001"] {
            assert_eq!(Rate::new(DiscountType::Percentage, value.parse().unwrap()), None, "{value} %");
        }
        for value in ["0", "-1", "0.5", "1000000000000001"] {
            assert_eq!(Rate::new(DiscountType::FixedAmount, value.parse().unwrap()), None, "{value} rupiah");
        }
        let trailing = Rate::new(DiscountType::FixedAmount, "25000.00".parse().unwrap());
        assert_eq!(trailing, Some(Rate::Fixed(rupiah(25_000))));
    }

    proptest! {
        #[test]
        fn a_percentage_is_the_least_whole_amount_that_is_not_too_little(
            purchase in 1..=Rupiah::MOST, ten_thousandths in 1..=1_000_000_i64,
        ) {
            let rate = Rate::new(DiscountType::Percentage, Decimal::new(ten_thousandths, 4)).unwrap();
            let off = Discount { rate, most: None }.of(rupiah(purchase)).get();
            // The witness reckons in ten-thousandths of a percent of a rupiah, without any division.
            let exact = i128::from(purchase) * i128::from(ten_thousandths);
            prop_assert!(i128::from(off) * 1_000_000 >= exact);
            prop_assert!((i128::from(off) - 1) * 1_000_000 < exact);
        }

        #[test]
        fn a_discount_is_between_nothing_and_its_bounds_and_grows_with_the_purchase(
            purchase in 1..=1_000_000_000_i64, more in 0..=1_000_000_i64, is_percentage: bool,
            value in 1..=100_i64, most in proptest::option::of(1..=100_000_i64),
        ) {
            let kind = if is_percentage { DiscountType::Percentage } else { DiscountType::FixedAmount };
            let rate = Rate::new(kind, Decimal::from(value)).unwrap();
            let discount = Discount { rate, most: most.map(rupiah) };
            let off = discount.of(rupiah(purchase));
            prop_assert!(off >= rupiah(1) && off <= rupiah(purchase));
            prop_assert!(most.is_none_or(|most| off <= rupiah(most)));
            prop_assert!(discount.of(rupiah(purchase + more)) >= off);
            prop_assert_eq!(rupiah(purchase).less(off).get() + off.get(), purchase);
        }
    }
}
