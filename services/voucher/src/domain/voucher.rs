//! Vouchers: which there may be, and how one stands.
//!
//! A status is no decision but what follows from time and use; only *inactive* is decided. It is computed wherever it
//! is read, and what the store keeps of it is a copy for searching.

use std::ops::RangeInclusive;

use indowater_common::domain::number::{self, NotANumber};
use indowater_common::domain::request::{Problems, check_id, check_length, time, to_milliseconds};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::discount::{Discount, DiscountType, Rate};
use super::money::Rupiah;
use super::text::{check_code, normal_code, rupiah};

/// How a voucher stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds, or will when its time comes.
    Active,
    /// Its time is over.
    Expired,
    /// Redeemed as often as it may be; that stays so when its time is over.
    Depleted,
    /// Deactivated; that stays so whatever follows.
    Inactive,
}

impl Status {
    /// How documents call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Depleted => "depleted",
            Self::Inactive => "inactive",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Active, Self::Expired, Self::Depleted, Self::Inactive];
        all.into_iter().find(|status| status.name() == name)
    }
}

/// A discount that customers may use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Voucher {
    pub id: String,
    /// Upper case.
    pub code: String,
    pub description: String,
    pub discount: Discount,
    pub min_purchase: Rupiah,
    /// Redemptions in all; `None`: without limit.
    pub usage_limit: Option<i64>,
    /// Redemptions so far.
    pub usage_count: i64,
    /// Places that reservations hold.
    pub reserved_count: i64,
    pub per_customer_limit: i64,
    /// Valid from this moment, and before `valid_until`.
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
    pub deactivated: bool,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// A voucher as a caller describes it.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct VoucherDraft {
    /// Empty: a new one is made.
    pub id: String,
    pub code: String,
    pub description: String,
    pub discount_type: Option<DiscountType>,
    /// Decimal.
    pub discount_value: String,
    pub min_purchase_amount: i64,
    pub max_discount_amount: Option<i64>,
    pub usage_limit: Option<i64>,
    /// 0 means 1.
    pub per_customer_limit: i64,
    /// RFC 3339; empty: now.
    pub valid_from: String,
    pub valid_until: String,
    pub created_by: String,
}

const LIMIT: RangeInclusive<i64> = 1..=1_000_000_000;

impl Voucher {
    /// Admits a draft; `new_id` is taken if it names none. Its time may be over already.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn admit(draft: VoucherDraft, new_id: String, now: Timestamp) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let discount = discount(&draft, &mut problems);
        let now = to_milliseconds(now);
        let valid_from = match &*draft.valid_from {
            "" => now,
            text => time(text, now, "valid_from", &mut problems),
        };
        let voucher = Self {
            id: if draft.id.is_empty() { new_id } else { draft.id },
            code: normal_code(&draft.code),
            description: draft.description,
            discount,
            min_purchase: rupiah(draft.min_purchase_amount, 0, "min_purchase_amount", &mut problems),
            usage_limit: draft.usage_limit,
            usage_count: 0,
            reserved_count: 0,
            per_customer_limit: if draft.per_customer_limit == 0 { 1 } else { draft.per_customer_limit },
            valid_from,
            valid_until: time(&draft.valid_until, Timestamp::MAX, "valid_until", &mut problems),
            deactivated: false,
            created_by: draft.created_by,
            created_at: now,
        };
        voucher.check(&mut problems);
        problems.or(voucher)
    }

    fn check(&self, problems: &mut Problems) {
        check_id(&self.id, "id", problems);
        check_code(&self.code, problems);
        check_length(&self.description, 500, "description", problems);
        check_id(&self.created_by, "created_by", problems);
        if self.usage_limit.is_some_and(|limit| !LIMIT.contains(&limit)) {
            problems.add("usage_limit", "must be between 1 and 1,000,000,000, or left out for no limit");
        }
        if !LIMIT.contains(&self.per_customer_limit) {
            problems.add("per_customer_limit", "must be between 1 and 1,000,000,000, or 0 for 1");
        }
        if self.valid_until <= self.valid_from {
            problems.add("valid_until", "must be later than valid_from");
        }
    }

    /// A code as vouchers have it: without the spaces around it, in upper case.
    pub fn code_of(text: &str) -> String {
        normal_code(text)
    }

    /// How it stands at `now`.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.deactivated {
            Status::Inactive
        } else if self.usage_limit.is_some_and(|limit| self.usage_count >= limit) {
            Status::Depleted
        } else if now >= self.valid_until {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// Whether every place is redeemed or reserved.
    pub fn is_full(&self) -> bool {
        self.usage_limit.is_some_and(|limit| self.usage_count + self.reserved_count >= limit)
    }
}

/// Reads type, value and cap of a discount.
fn discount(draft: &VoucherDraft, problems: &mut Problems) -> Discount {
    let most = draft.max_discount_amount.map(|most| rupiah(most, 1, "max_discount_amount", problems));
    let nothing = Rate::Fixed(Rupiah::default());
    let Some(kind) = draft.discount_type else {
        problems.add("discount_type", "must be percentage or fixed_amount");
        return Discount { rate: nothing, most };
    };
    // As it is written: `5.000` is five percent, and neither five nor five thousand rupiah.
    let value = match kind {
        DiscountType::Percentage => number::limited(&draft.discount_value, Rate::DECIMALS),
        DiscountType::FixedAmount => number::rupiah(&draft.discount_value).ok().map(Decimal::from),
    };
    let rate = value.and_then(|value| Rate::new(kind, value)).unwrap_or_else(|| {
        match kind {
            DiscountType::Percentage => problems.add(
                "discount_value",
                "must be above 0 and at most 100 percent, in digits with at most 4 after a point: no sign, blank or exponent",
            ),
            DiscountType::FixedAmount => problems.add(
                "discount_value",
                format_args!("must be between 1 and {} whole rupiah, and {}", Rupiah::MOST, NotANumber::Rupiah),
            ),
        }
        nothing
    });
    Discount { rate, most }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn now() -> Timestamp {
        "2026-11-22T10:00:00.123Z".parse().unwrap()
    }

    pub(crate) fn draft() -> VoucherDraft {
        VoucherDraft {
            code: " hemat-10 ".into(),
            description: "Ten percent in November".into(),
            discount_type: Some(DiscountType::Percentage),
            discount_value: "10.0".into(),
            valid_until: "2026-12-01T00:00:00+07:00".into(),
            created_by: "admin-001".into(),
            ..Default::default()
        }
    }

    pub(crate) fn voucher() -> Voucher {
        Voucher::admit(draft(), "voucher-1".into(), now()).unwrap()
    }

    #[test]
    fn defaults_of_a_voucher() {
        let voucher = voucher();
        assert_eq!((voucher.id.as_str(), voucher.code.as_str()), ("voucher-1", "HEMAT-10"));
        assert_eq!((voucher.usage_limit, voucher.per_customer_limit), (None, 1));
        assert_eq!((voucher.min_purchase, voucher.discount.most), (Rupiah::default(), None));
        assert_eq!((voucher.valid_from, voucher.created_at), (now(), now()));
        assert_eq!(voucher.valid_until.to_string(), "2026-11-30T17:00:00Z");
        assert_eq!(voucher.discount.rate.value().to_string(), "10");
        assert_eq!((voucher.usage_count, voucher.reserved_count), (0, 0));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = VoucherDraft {
            id: "a b".into(),
            code: "hemat 10%".into(),
            description: "x".repeat(501),
            discount_type: Some(DiscountType::Percentage),
            discount_value: "a lot".into(),
            min_purchase_amount: -1,
            max_discount_amount: Some(0),
            usage_limit: Some(0),
            per_customer_limit: -1,
            valid_from: "2026-12-31T00:00:00Z".into(),
            valid_until: "2026-12-01T00:00:00Z".into(),
            created_by: String::new(),
        };
        let problems = Voucher::admit(wrong, String::new(), now()).unwrap_err().to_string();
        for field in [
            "id must",
            "code must",
            "description",
            "discount_value must be above 0",
            "min_purchase_amount must be between 0",
            "max_discount_amount must be between 1",
            "usage_limit",
            "per_customer_limit",
            "valid_until must be later",
            "created_by is missing",
        ] {
            assert!(problems.contains(field), "{field} is missing in: {problems}");
        }
    }

    #[test]
    fn what_is_left_out_is_named() {
        let problems = Voucher::admit(VoucherDraft::default(), "v".into(), now()).unwrap_err().to_string();
        for field in ["code is missing", "discount_type must", "valid_until must be a time", "created_by"] {
            assert!(problems.contains(field), "{field} is missing in: {problems}");
        }
    }

    #[test]
    fn a_fixed_amount_is_whole_rupiah() {
        let fixed = |value: &str| VoucherDraft {
            discount_type: Some(DiscountType::FixedAmount),
            discount_value: value.into(),
            ..draft()
        };
        assert!(Voucher::admit(fixed("25000"), "v".into(), now()).is_ok());
        for value in
            ["0", "0.5", "-4", "many", "", "5.000", "5,000", "5e3", " 5000", "+5000", "5000.0", "5_000"]
        {
            let problems = Voucher::admit(fixed(value), "v".into(), now()).unwrap_err().to_string();
            assert!(problems.contains("whole rupiah"), "{value}: {problems}");
        }
    }

    #[test]
    fn a_percentage_is_written_in_one_way() {
        let percent = |value: &str| {
            let draft = VoucherDraft { discount_value: value.into(), ..draft() };
            Voucher::admit(draft, "v".into(), now()).map(|voucher| voucher.discount.rate.value())
        };
        for (text, value) in [("10", (10, 0)), ("12.5", (125, 1)), ("99.9999", (999_999, 4))] {
            assert_eq!(percent(text), Ok(Decimal::new(value.0, value.1)), "{text}");
        }
        for wrong in ["12,5", "1e1", " 10", "10 ", "+10", "10%", "10.", ".5", "1_0", "0.00001", "100.1"] {
            assert!(percent(wrong).unwrap_err().to_string().contains("discount_value"), "{wrong}");
        }
    }

    #[test]
    fn a_status_follows_from_time_and_use() {
        let limited = Voucher { usage_limit: Some(2), ..voucher() };
        let (before, after) = (limited.valid_from, limited.valid_until);
        let last = Timestamp::from_millisecond(after.as_millisecond() - 1).unwrap();
        assert_eq!(limited.status(before), Status::Active);
        assert_eq!(limited.status(last), Status::Active);
        assert_eq!(limited.status(after), Status::Expired);
        let reserved = Voucher { usage_count: 1, reserved_count: 1, ..limited.clone() };
        assert!(reserved.is_full());
        assert_eq!(reserved.status(last), Status::Active, "a reservation may still come back");
        let depleted = Voucher { usage_count: 2, ..limited };
        assert_eq!(depleted.status(last), Status::Depleted);
        assert_eq!(depleted.status(after), Status::Depleted);
        assert_eq!(Voucher { deactivated: true, ..depleted }.status(after), Status::Inactive);
        let unlimited = Voucher { usage_count: i64::MAX / 2, ..voucher() };
        assert_eq!(unlimited.status(last), Status::Active);
        assert!(!unlimited.is_full());
    }

    #[test]
    fn statuses_have_their_names() {
        for name in ["active", "expired", "depleted", "inactive"] {
            assert_eq!(Status::named(name).unwrap().name(), name);
        }
        assert_eq!(Status::named("Active"), None);
    }
}
