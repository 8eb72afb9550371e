//! What one service promises and another one keeps.

use billing::domain::payment::Rupiah as Money;
use billing::domain::purchase::{Bounds, Method, Purchase, Purpose};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use voucher::domain::discount::DiscountType;
use voucher::domain::money::Rupiah;
use voucher::domain::redemption::{Share, Terms, assess};
use voucher::domain::refusal::Reason;
use voucher::domain::voucher::{Voucher, VoucherDraft};

const LEAST: u32 = 10_000;
const MOST: u32 = 1_000_000;

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn a_voucher() -> impl Strategy<Value = Voucher> {
    let discount = prop_oneof![
        3 => (1_i64..=1_000_000).prop_map(|share| (DiscountType::Percentage, format!("{}.{:04}", share / 10_000, share % 10_000))),
        1 => Just((DiscountType::Percentage, "100".to_owned())),
        3 => (1_i64..200_000).prop_map(|amount| (DiscountType::FixedAmount, amount.to_string())),
    ];
    let cap = proptest::option::weighted(0.3, 1_i64..100_000);
    (discount, cap, prop_oneof![Just(0), 0_i64..100_000]).prop_map(|((kind, value), cap, min)| {
        let draft = VoucherDraft {
            code: "HEMAT".into(),
            discount_type: Some(kind),
            discount_value: value,
            min_purchase_amount: min,
            max_discount_amount: cap,
            valid_until: (now() + SignedDuration::from_hours(24)).to_string(),
            created_by: "admin-001".into(),
            ..VoucherDraft::default()
        };
        Voucher::admit(draft, "voucher-1".into(), now()).unwrap()
    })
}

fn a_purchase(method: Method, bill: bool, amount: Money) -> Purchase {
    let text = || "admin-001".to_owned();
    Purchase {
        key: "k".to_owned(),
        customer_id: "customer-001".to_owned(),
        customer_name: "Siti".to_owned(),
        customer_email: "siti@example.com".to_owned(),
        method,
        purpose: if bill { Purpose::Bill("bill".to_owned()) } else { Purpose::TopUp(amount) },
        voucher_code: Some("HEMAT".to_owned()),
        return_url: None,
        made_by: (method == Method::Manual).then(text),
        reason: (method == Method::Manual).then(text),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever a validation grants, a payment takes with the same figures, whatever is bought and however it is paid; and what is refused
    /// because too little would be left, a payment would refuse as well.
    #[test]
    fn what_a_voucher_promises_a_payment_keeps(
        voucher in a_voucher(), amount in prop_oneof![1_i64..30_000, 1_i64..1_200_000],
        method in prop::sample::select(Method::ALL.to_vec()), bill: bool,
    ) {
        let terms = Terms { least: Rupiah::whole(LEAST), most: Rupiah::whole(MOST) };
        let bounds = Bounds { least: Money::whole(LEAST), most: Money::whole(MOST) };
        let (whole, money) = (Rupiah::new(amount).unwrap(), Money::new(amount).unwrap());
        let purchase = a_purchase(method, bill, money);
        let granted = terms.check(whole).is_ok().then(|| assess(&voucher, Share::default(), whole, terms.least, now()));
        match granted {
            Some(Ok(off)) => {
                let purchase = purchase.check(bounds).unwrap();
                let asked = purchase.asked(bounds, money, Some(Money::new(off.get()).unwrap())).unwrap();
                prop_assert_eq!(asked.get(), whole.less(off).get());
                prop_assert!(asked.is_zero() || asked >= bounds.least);
            }
            Some(Err(refused)) if refused.reason == Reason::LeftTooLittle => {
                let off = Money::new(voucher.discount.of(whole).get()).unwrap();
                prop_assert!(purchase.asked(bounds, money, Some(off)).is_err());
            }
            Some(Err(_)) => {}
            None => prop_assert!(bill || purchase.check(bounds).is_err()),
        }
    }
}
