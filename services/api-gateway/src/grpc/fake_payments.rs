//! Payments that are answered from memory, for tests of what stands before them: a paid and a pending one of
//! customer-001, and a paid one of customer-002. What was asked for is echoed where it can be seen.

use indowater_proto::billing::v1 as billing;
use indowater_proto::billing::v1::payment_service_server::PaymentService;
use tonic::{Request, Response, Status};

use super::fake::Fake;

const AT: i64 = 1_795_317_300;

fn payment(id: &str, customer: &str, paid: bool) -> billing::Payment {
    let status = if paid { billing::PaymentStatus::Paid } else { billing::PaymentStatus::Pending };
    billing::Payment {
        id: id.to_owned(),
        reference_id: format!("order of {id}"),
        customer_id: customer.to_owned(),
        customer_email: format!("{customer}@example.com"),
        amount: 100_000,
        discount_amount: 10_000,
        method: billing::PaymentMethod::Midtrans.into(),
        r#type: billing::PaymentType::BalanceTopup.into(),
        status: status.into(),
        payment_url: "https://pay.example.com/1".to_owned(),
        voucher_code: "HEMAT10".to_owned(),
        created_at: AT,
        updated_at: AT,
        paid_at: if paid { AT } else { 0 },
        expires_at: AT + 86_400,
        credited_amount: if paid { 100_000 } else { 0 },
        notes: vec!["look at it".to_owned()],
        noticed_at: if paid { AT + 2 } else { 0 },
        received_amount: if paid { 95_350 } else { 0 },
        fee_amount: if paid { 350 } else { 0 },
        uncredited_amount: if paid { 5_000 } else { 0 },
        needs_attention: vec![billing::Attention {
            reason: "surplus".to_owned(),
            amount: 5_000,
            text: "look at it".to_owned(),
        }],
        made_by: "admin-001".to_owned(),
        voucher_state: if paid { "granted" } else { "held" }.to_owned(),
        revision: 2,
        ..billing::Payment::default()
    }
}

fn all() -> Vec<billing::Payment> {
    vec![
        payment("payment-003", "customer-001", false),
        payment("payment-002", "customer-002", true),
        payment("payment-001", "customer-001", true),
    ]
}

fn find(id: &str) -> Result<billing::Payment, Status> {
    all().into_iter().find(|payment| payment.id == id).ok_or_else(|| Status::not_found("no"))
}

/// The failures that a request can ask for.
fn trouble(key: &str, amount: i64, code: &str) -> Result<(), Status> {
    match (key.rsplit('|').next(), amount, code) {
        (Some("used"), ..) => Err(Status::already_exists("payment-001")),
        (_, 999, _) => Err(Status::invalid_argument("amount: must be from 10000 to 100000000 rupiah")),
        (_, 998, _) => Err(Status::invalid_argument("type is not known; method is not known")),
        (_, 502, _) => {
            let mut busy = Status::unavailable("midtrans does not answer");
            busy.metadata_mut().insert("retry-after", tonic::metadata::MetadataValue::from_static("17"));
            Err(busy)
        }
        (_, 503, _) => Err(Status::unavailable("midtrans does not answer")),
        (_, 504, _) => Err(Status::deadline_exceeded("midtrans does not answer")),
        (_, _, "OLD") => Err(Status::failed_precondition("Voucher OLD was valid until 2026-10-31.")),
        _ => Ok(()),
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl PaymentService for Fake {
    async fn create_payment(
        &self,
        request: Request<billing::CreatePaymentRequest>,
    ) -> Answer<billing::CreatePaymentResponse> {
        let asked = request.into_inner();
        trouble(&asked.key, asked.amount, &asked.voucher_code)?;
        let payment = billing::Payment {
            reference_id: asked.key,
            customer_email: asked.customer_email,
            amount: if asked.bill_id.is_empty() { asked.amount } else { 70_000 },
            discount_amount: 0,
            method: asked.method,
            r#type: asked.r#type,
            payment_url: asked.return_url,
            voucher_code: asked.voucher_code,
            voucher_state: String::new(),
            bill_id: asked.bill_id,
            notes: vec![asked.customer_name],
            reason: asked.reason,
            made_by: asked.made_by,
            ..payment("payment-004", &asked.customer_id, false)
        };
        Ok(Response::new(billing::CreatePaymentResponse { payment: Some(payment) }))
    }

    async fn get_payment(
        &self,
        request: Request<billing::GetPaymentRequest>,
    ) -> Answer<billing::GetPaymentResponse> {
        let payment = Some(find(&request.into_inner().id)?);
        Ok(Response::new(billing::GetPaymentResponse { payment }))
    }

    async fn list_payments(
        &self,
        request: Request<billing::ListPaymentsRequest>,
    ) -> Answer<billing::ListPaymentsResponse> {
        let asked = request.into_inner();
        if !asked.page_token.is_empty() {
            return Err(Status::invalid_argument("page_token: is not one that this list has given"));
        }
        let is = |wanted: i32, is: i32| wanted == 0 || wanted == is;
        // Everybody's, whoever was asked for: what is somebody else's must not get past the gateway.
        let found = all().into_iter().filter(|payment| {
            is(asked.status, payment.status)
                && is(asked.method, payment.method)
                && is(asked.r#type, payment.r#type)
                && asked.from <= payment.created_at
                && (asked.to == 0 || payment.created_at < asked.to)
                && (!asked.needs_attention || payment.id == "payment-002")
        });
        let page = billing::ListPaymentsResponse { payments: found.collect(), ..Default::default() };
        Ok(Response::new(page))
    }

    async fn cancel_payment(
        &self,
        request: Request<billing::CancelPaymentRequest>,
    ) -> Answer<billing::CancelPaymentResponse> {
        let asked = request.into_inner();
        let found = find(&asked.id)?;
        if found.status != i32::from(billing::PaymentStatus::Pending) {
            return Err(Status::failed_precondition("The payment is paid."));
        }
        let status = billing::PaymentStatus::Failed.into();
        let payment = Some(billing::Payment { status, made_by: asked.made_by, ..found });
        Ok(Response::new(billing::CancelPaymentResponse { payment }))
    }

    async fn confirm_payment(
        &self,
        request: Request<billing::ConfirmPaymentRequest>,
    ) -> Answer<billing::ConfirmPaymentResponse> {
        let asked = request.into_inner();
        let found = find(&asked.id)?;
        if found.paid_at != 0 {
            return Err(Status::failed_precondition("The payment is credited already."));
        }
        let (reason, made_by) = (asked.reason, asked.made_by);
        let status = billing::PaymentStatus::Paid.into();
        let payment = Some(billing::Payment { status, reason, made_by, paid_at: AT, ..found });
        Ok(Response::new(billing::ConfirmPaymentResponse { payment }))
    }

    async fn refund_payment(
        &self,
        request: Request<billing::RefundPaymentRequest>,
    ) -> Answer<billing::RefundPaymentResponse> {
        let asked = request.into_inner();
        trouble(&asked.key, asked.amount, "")?;
        let found = find(&asked.id)?;
        if found.paid_at == 0 {
            return Err(Status::failed_precondition("The payment is not credited."));
        }
        let payment = billing::Payment {
            reference_id: format!("{} {}", asked.key, asked.by_hand),
            refunded_amount: if asked.amount == 0 { 90_000 } else { asked.amount },
            reason: asked.reason,
            made_by: asked.made_by,
            ..found
        };
        Ok(Response::new(billing::RefundPaymentResponse { payment: Some(payment) }))
    }

    async fn receive_notification(
        &self,
        request: Request<billing::ReceiveNotificationRequest>,
    ) -> Answer<billing::ReceiveNotificationResponse> {
        use billing::NotificationVerdict::{Forged, Taken, UnknownOrder, Unreadable, Unspecified};
        let asked = request.into_inner();
        assert_ne!(asked.gateway(), billing::PaymentMethod::Unspecified);
        let known = ["x-callback-token", "content-type", "user-agent", "webhook-id"];
        assert!(asked.headers.keys().all(|name| known.contains(&name.as_str())), "{:?}", asked.headers);
        let token = asked.headers.get("x-callback-token").map(String::as_str);
        let verdict = match asked.body.as_slice() {
            b"about nothing of ours" => UnknownOrder,
            b"down" => return Err(Status::unavailable("the database does not answer")),
            b"broken" => return Err(Status::internal("broken")),
            b"refused" => return Err(Status::invalid_argument("body: must not be this")),
            b"undecided" => Unspecified,
            [0xff, ..] => Unreadable,
            _ if asked.gateway() == billing::PaymentMethod::Xendit && token != Some("secret") => Forged,
            b"signed by somebody" => Forged,
            _ => Taken,
        };
        Ok(Response::new(billing::ReceiveNotificationResponse { verdict: verdict.into() }))
    }
}
