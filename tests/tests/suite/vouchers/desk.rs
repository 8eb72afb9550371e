//! What administrators and customers see of vouchers.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use indowater_proto::voucher::v1::validate_voucher_response::Outcome as Validated;
use indowater_proto::voucher::v1::{self as pb, DiscountType, RefusalReason, VoucherStatus};
use indowater_tests::base::Base;
use indowater_tests::world::World;
use tonic::Code;

use super::{Client, HASTY, client, create, voucher};

/// Administrators create, find and end vouchers; customers learn what they save, or why not.
pub async fn vouchers_are_managed_and_say_why_not(base: Arc<Base>) -> Result<()> {
    let mut world = World::new(&base, "voucher-desk").await?;
    let service = world.start("voucher", HASTY).await?;
    let client = client(&service)?;
    let taken = create(&client, voucher(" hemat ", Some(1), 1)).await?;
    ensure!(taken.code == "HEMAT" && taken.status() == VoucherStatus::Active, "{taken:?}");
    let again = create(&client, pb::Voucher { id: String::new(), ..voucher("Hemat", None, 1) }).await;
    ensure!(again.as_ref().is_err_and(|status| status.code() == Code::AlreadyExists), "{again:?}");
    let wrong = create(&client, pb::Voucher { discount_value: "101".into(), ..voucher("X", None, 1) }).await;
    let wrong = wrong.err().context("a wrong voucher was taken")?;
    ensure!(wrong.message().contains("code must") && wrong.message().contains("discount_value"), "{wrong}");

    let fixed = pb::Voucher {
        discount_type: DiscountType::FixedAmount.into(),
        discount_value: "25000".into(),
        min_purchase_amount: 100_000,
        ..voucher("FIXED", None, 1)
    };
    create(&client, fixed).await?;
    let over = pb::Voucher {
        valid_from: "2020-01-01T00:00:00Z".into(),
        valid_until: "2021-01-01T00:00:00Z".into(),
        ..voucher("OVER", None, 1)
    };
    ensure!(create(&client, over).await?.status() == VoucherStatus::Expired, "its time is not over");
    let early = pb::Voucher { valid_from: "2099-01-01T00:00:00Z".into(), ..voucher("EARLY", None, 1) };
    create(&client, early).await?;
    create(&client, voucher("ENDED", None, 1)).await?;
    let end = pb::DeactivateVoucherRequest { id: "voucher-ended".into() };
    let ended = client.clone().deactivate_voucher(end).await?.into_inner().voucher.context("no voucher")?;
    ensure!(ended.status() == VoucherStatus::Inactive, "{ended:?}");

    for (code, amount, reason) in [
        ("nowhere", 50_000, RefusalReason::UnknownCode),
        ("ended", 50_000, RefusalReason::Inactive),
        ("OVER", 50_000, RefusalReason::Expired),
        ("early", 50_000, RefusalReason::NotYetValid),
        ("Fixed", 99_999, RefusalReason::BelowMinimum),
    ] {
        let refused = validate(&client, code, amount).await?.err().context("it holds")?;
        ensure!(refused.reason() == reason, "{code}: {refused:?}");
    }
    ensure!(validate(&client, "hemat", 50_001).await? == Ok(5_001), "not ten percent, rounded up");
    let request =
        pb::ListApplicableVouchersRequest { customer_id: "customer-001".into(), purchase_amount: 100_000 };
    let applicable = client.clone().list_applicable_vouchers(request).await?.into_inner().vouchers;
    let applicable: Vec<_> =
        applicable.iter().map(|a| (a.voucher.as_ref().map(|v| v.code.as_str()), a.discount_amount)).collect();
    ensure!(applicable == [(Some("FIXED"), 25_000), (Some("HEMAT"), 10_000)], "{applicable:?}");
    found_by_status_and_text(&client).await
}

async fn found_by_status_and_text(client: &Client) -> Result<()> {
    let any = VoucherStatus::Unspecified;
    for (status, text, codes) in [
        (VoucherStatus::Active, "", "EARLY FIXED HEMAT"),
        (VoucherStatus::Expired, "", "OVER"),
        (VoucherStatus::Inactive, "", "ENDED"),
        (any, "ma", "HEMAT"),
        (any, ".", ""),
        (any, "", "EARLY ENDED FIXED HEMAT OVER"),
    ] {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListVouchersRequest {
                status: status.into(),
                text: text.into(),
                page_size: 2,
                page_token,
            };
            let page = client.clone().list_vouchers(request).await?.into_inner();
            ensure!(page.vouchers.len() <= 2, "the page is too long");
            found.extend(page.vouchers.into_iter().map(|voucher| voucher.code));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        ensure!(found.join(" ") == codes, "{status:?} {text:?}: {found:?}");
    }
    Ok(())
}

async fn validate(client: &Client, code: &str, amount: i64) -> Result<Result<i64, pb::Refused>> {
    let request = pb::ValidateVoucherRequest {
        code: code.into(),
        customer_id: "customer-001".into(),
        purchase_amount: amount,
    };
    match client.clone().validate_voucher(request).await?.into_inner().outcome.context("no outcome")? {
        Validated::Saving(saving) => Ok(Ok(saving.discount_amount)),
        Validated::Refused(refused) => Ok(Err(refused)),
    }
}
