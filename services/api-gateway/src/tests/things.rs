//! One of everything, all of customer-001, as services answer it.

use crate::tests::Backend;
use crate::wire::anomaly::v1 as anomaly;
use crate::wire::billing::v1::{self as billing, quote_request};
use crate::wire::registry::v1 as registry;
use crate::wire::telemetry::v1::RegisterUnit;
use crate::wire::usage::v1 as usage;
use crate::wire::voucher::v1 as voucher;

/// 2026-11-22T03:15:00Z
pub const AT: i64 = 1_795_317_300;
const CREATED: &str = "2026-01-05T02:00:00Z";

fn own() -> String {
    "customer-001".to_owned()
}

pub fn property() -> registry::Property {
    registry::Property {
        id: "property-001".to_owned(),
        customer_id: own(),
        property_type: "residential".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        created_at: CREATED.to_owned(),
        updated_at: CREATED.to_owned(),
        version: 7,
        ..registry::Property::default()
    }
}

pub fn device() -> registry::Device {
    registry::Device {
        id: "device-001".to_owned(),
        property_id: "property-001".to_owned(),
        customer_id: own(),
        r#type: "water_meter".to_owned(),
        status: "active".to_owned(),
        unit: RegisterUnit::Litre.into(),
        last_reading: Some("120.5120".to_owned()),
        time_zone: "Asia/Jakarta".to_owned(),
        tariff_class: "social-1".to_owned(),
        created_at: CREATED.to_owned(),
        updated_at: CREATED.to_owned(),
        ..registry::Device::default()
    }
}

pub fn read() -> usage::StoredRead {
    usage::StoredRead {
        read_at: "2026-11-22T03:15:00Z".to_owned(),
        register: 120_512,
        unit: RegisterUnit::Litre.into(),
        source: "telemetry".to_owned(),
        verdict: usage::ReadVerdict::BeforeInstallation.into(),
        clock_corrected: true,
        reading: "120.512".to_owned(),
    }
}

pub fn day() -> usage::DailyUsage {
    usage::DailyUsage {
        id: "device-001|2026-11-21".to_owned(),
        device_id: "device-001".to_owned(),
        customer_id: own(),
        property_id: "property-001".to_owned(),
        date: "2026-11-21".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        volume_ml: 512_001,
        cost: "2355.20".to_owned(),
        tariff_class: "social-1".to_owned(),
        quality: usage::UsageQuality::Estimated.into(),
        flags: vec![usage::UsageFlag::Glitch.into(), usage::UsageFlag::ProlongedGap.into()],
        complete: true,
        revision: 3,
        reading_type: usage::ReadingType::Automatic.into(),
        timestamp: AT,
        glitches: 1,
        unbilled_ml: 80_000_000,
        former_customer_ids: vec!["customer-009".to_owned()],
        ..usage::DailyUsage::default()
    }
}

pub fn hour() -> usage::HourlyUsage {
    usage::HourlyUsage {
        device_id: "device-001".to_owned(),
        hour: "2026-11-22T10:00:00+07:00".to_owned(),
        consumption: "0.0120".to_owned(),
        quality: 0,
    }
}

pub fn month() -> usage::MonthlyUsage {
    usage::MonthlyUsage {
        device_id: "device-001".to_owned(),
        customer_id: own(),
        property_id: "property-001".to_owned(),
        month: "2026-11".to_owned(),
        consumption: "3.250".to_owned(),
        cost: "14950".to_owned(),
        days: 21,
        ..usage::MonthlyUsage::default()
    }
}

pub fn balance() -> billing::GetBalanceResponse {
    billing::GetBalanceResponse {
        balance: Some(billing::Balance {
            customer_id: own(),
            balance: -4_810,
            sequence: 2,
            updated_at: AT,
            posted: -4_710,
            accrued: 100,
        }),
        daily_cost: "2355.20".to_owned(),
        runway_days: Some(0),
    }
}

pub fn charged_day() -> billing::ChargedDay {
    billing::ChargedDay {
        date: "2026-11-21".to_owned(),
        revision: 3,
        volume_ml: 512_001,
        cost: "2355.2".to_owned(),
        cost_before: "0".to_owned(),
        tariff_class: "social-1".to_owned(),
        month_to_date_before_ml: 1_500_000,
        not_charged: false,
    }
}

pub fn entry() -> billing::LedgerEntry {
    billing::LedgerEntry {
        id: "usage:customer-001|device-001|2026-11@2".to_owned(),
        customer_id: own(),
        kind: billing::EntryKind::Usage.into(),
        legs: vec![billing::Leg { account: "customer:customer-001".to_owned(), amount: -2_355 }],
        amount: -2_355,
        balance_after: -4_710,
        sequence: 2,
        description: "Water, November 2026".to_owned(),
        occurred_at: AT,
        posted_at: AT,
        usage: Some(billing::UsageSource {
            device_id: "device-001".to_owned(),
            month: "2026-11".to_owned(),
            month_cost: "4710.40".to_owned(),
            posted_before: 2_355,
            days: vec![charged_day()],
        }),
        ..billing::LedgerEntry::default()
    }
}

pub fn schedule() -> billing::TariffSchedule {
    let block =
        |up_to: &str, price: &str| billing::TariffBlock { up_to: up_to.to_owned(), price: price.to_owned() };
    let version = billing::Tariff {
        blocks: vec![block("10", "4600"), block("", "9500.50")],
        fixed_charge: "0".to_owned(),
        minimum_volume: "0".to_owned(),
        set_by: "admin-001".to_owned(),
        ..billing::Tariff::default()
    };
    billing::TariffSchedule {
        class: "social-1".to_owned(),
        versions: vec![version],
        revision: 1,
        updated_at: AT,
    }
}

pub fn quote() -> billing::QuoteResponse {
    let block =
        billing::QuotedBlock { volume: "1".to_owned(), price: "4600".to_owned(), cost: "4600".to_owned() };
    billing::QuoteResponse { volume: "1.000".to_owned(), cost: "4600".to_owned(), blocks: vec![block] }
}

pub fn payment() -> billing::Payment {
    billing::Payment {
        id: "payment-001".to_owned(),
        reference_id: "order-001".to_owned(),
        customer_id: own(),
        customer_email: "customer-001@indowater.com".to_owned(),
        amount: 100_000,
        discount_amount: 10_000,
        final_amount: 90_000,
        method: billing::PaymentMethod::Midtrans.into(),
        r#type: billing::PaymentType::BalanceTopup.into(),
        status: billing::PaymentStatus::Paid.into(),
        voucher_code: "HEMAT10".to_owned(),
        voucher_state: "granted".to_owned(),
        created_at: AT,
        updated_at: AT,
        paid_at: AT,
        noticed_at: AT + 2,
        received_amount: 95_350,
        fee_amount: 350,
        uncredited_amount: 5_000,
        credited_amount: 100_000,
        notes: vec!["look at it".to_owned()],
        made_by: "admin-001".to_owned(),
        needs_attention: vec![billing::Attention {
            reason: "surplus".to_owned(),
            amount: 5_000,
            text: "look at it".to_owned(),
        }],
        movements: vec![billing::Movement::default()],
        revision: 2,
        ..billing::Payment::default()
    }
}

pub fn bill() -> billing::Bill {
    billing::Bill {
        id: "bill:customer-001|2026-10".to_owned(),
        customer_id: own(),
        month: "2026-10".to_owned(),
        charges: 71_400,
        carried_over: -1_400,
        amount: 70_000,
        status: billing::BillStatus::Open.into(),
        payment_id: "payment-002".to_owned(),
        issued_at: AT,
        due_date: "2026-11-20".to_owned(),
        open: 10_000,
        payments: vec![billing::BillPayment { payment_id: "payment-001".to_owned(), amount: 60_000 }],
        ..billing::Bill::default()
    }
}

pub fn account() -> billing::Account {
    billing::Account {
        customer_id: own(),
        mode: billing::AccountMode::Postpaid.into(),
        time_zone: "Asia/Makassar".to_owned(),
        since: AT,
        set_by: "admin-001".to_owned(),
    }
}

pub fn voucher() -> voucher::Voucher {
    voucher::Voucher {
        id: "voucher-001".to_owned(),
        code: "HEMAT10".to_owned(),
        description: "Ten percent".to_owned(),
        discount_type: voucher::DiscountType::Percentage.into(),
        discount_value: "10.50".to_owned(),
        min_purchase_amount: 50_000,
        max_discount_amount: Some(25_000),
        usage_limit: None,
        usage_count: 2,
        reserved_count: 0,
        per_customer_limit: 1,
        valid_from: "2026-10-31T17:00:00Z".to_owned(),
        valid_until: "2026-11-30T17:00:00Z".to_owned(),
        status: voucher::VoucherStatus::Active.into(),
        created_by: "admin-001".to_owned(),
        created_at: "2026-10-28T02:00:00Z".to_owned(),
    }
}

pub fn redemption() -> voucher::VoucherUsage {
    voucher::VoucherUsage {
        id: "usage-001".to_owned(),
        customer_id: own(),
        used_at: "2026-11-22T03:17:00Z".to_owned(),
        ..voucher::VoucherUsage::default()
    }
}

pub fn leak() -> anomaly::LeakEvent {
    let step = anomaly::LeakStep {
        at: "2026-11-22T03:15:00Z".to_owned(),
        change: anomaly::LeakChange::Opened.into(),
        kind: anomaly::LeakKind::Constant.into(),
        flow_rate: "0.63".to_owned(),
        estimated_loss: "1.140".to_owned(),
        estimated_loss_rupiah: 5_244,
    };
    anomaly::LeakEvent {
        id: "leak-001".to_owned(),
        device_id: "device-001".to_owned(),
        customer_id: own(),
        property_id: "property-001".to_owned(),
        detected_at: "2026-11-22T03:15:00Z".to_owned(),
        flow_rate: "0.63".to_owned(),
        duration_minutes: "1815".to_owned(),
        estimated_loss: "1.140".to_owned(),
        confidence: "0.93".to_owned(),
        status: anomaly::LeakStatus::Active.into(),
        kind: anomaly::LeakKind::Constant.into(),
        estimated_loss_rupiah: 5_244,
        since: "2026-11-20T21:00:00Z".to_owned(),
        until: "2026-11-22T03:00:00Z".to_owned(),
        revision: 2,
        steps: vec![step],
        decided_by: "tech-001".to_owned(),
        ..anomaly::LeakEvent::default()
    }
}

pub fn tampering() -> anomaly::TamperingEvent {
    let evidence = anomaly::TamperingEvidence {
        kind: "magnet".to_owned(),
        date: "2026-11-22".to_owned(),
        at: "2026-11-22T03:15:00Z".to_owned(),
    };
    anomaly::TamperingEvent {
        id: "tampering-001".to_owned(),
        device_id: "device-001".to_owned(),
        customer_id: own(),
        property_id: "property-001".to_owned(),
        detected_at: "2026-11-22T03:15:00Z".to_owned(),
        tampering_type: anomaly::TamperingType::Magnetic.into(),
        severity: anomaly::TamperingSeverity::Medium.into(),
        description: "A magnet was reported.".to_owned(),
        status: anomaly::TamperingStatus::Investigated.into(),
        investigated_by: "tech-001".to_owned(),
        investigated_at: "2026-11-23T02:00:00Z".to_owned(),
        revision: 2,
        evidence: vec![evidence],
        ..anomaly::TamperingEvent::default()
    }
}

pub fn interruption() -> anomaly::NetworkEvent {
    anomaly::NetworkEvent {
        id: "planned-001".to_owned(),
        kind: anomaly::NetworkEventKind::PlannedInterruption.into(),
        area: "DMA-07".to_owned(),
        status: anomaly::NetworkEventStatus::Planned.into(),
        from: "2026-12-01T01:00:00Z".to_owned(),
        until: "2026-12-01T05:00:00Z".to_owned(),
        reason: "A valve is exchanged".to_owned(),
        updated_by: "admin-001".to_owned(),
        revision: 1,
        ..anomaly::NetworkEvent::default()
    }
}

/// Lets `backend` answer every call with what is above.
pub fn answer_everything(backend: &Backend) {
    answer_metering(backend);
    answer_anomalies(backend);
    answer_interruptions(backend);
    answer_money(backend);
    answer_vouchers(backend);
}

fn answer_metering(backend: &Backend) {
    let (property, device) = (Some(property()), Some(device()));
    backend
        .answers("GetProperty", registry::GetPropertyResponse { property: property.clone() })
        .answers(
            "ListProperties",
            registry::ListPropertiesResponse {
                properties: property.into_iter().collect(),
                ..Default::default()
            },
        )
        .answers("GetDevice", registry::GetDeviceResponse { device: device.clone() })
        .answers(
            "ListDevices",
            registry::ListDevicesResponse { devices: device.into_iter().collect(), ..Default::default() },
        )
        .answers("ListReads", usage::ListReadsResponse { reads: vec![read()], ..Default::default() })
        .answers(
            "ListHourlyUsage",
            usage::ListHourlyUsageResponse { hours: vec![hour()], ..Default::default() },
        )
        .answers("ListDailyUsage", usage::ListDailyUsageResponse { days: vec![day()], ..Default::default() })
        .answers(
            "ListMonthlyUsage",
            usage::ListMonthlyUsageResponse { months: vec![month()], ..Default::default() },
        );
}

fn answer_interruptions(backend: &Backend) {
    let interruption = Some(interruption());
    let interruptions = interruption.clone().into_iter().collect();
    backend
        .answers(
            "ListSupplyInterruptions",
            anomaly::ListSupplyInterruptionsResponse { interruptions, ..Default::default() },
        )
        .answers(
            "GetSupplyInterruption",
            anomaly::GetSupplyInterruptionResponse { interruption: interruption.clone() },
        )
        .answers(
            "PlanSupplyInterruption",
            anomaly::PlanSupplyInterruptionResponse { interruption: interruption.clone() },
        )
        .answers("ChangeSupplyInterruption", anomaly::ChangeSupplyInterruptionResponse { interruption });
}

fn answer_anomalies(backend: &Backend) {
    let (leak, event) = (Some(leak()), Some(tampering()));
    let expectations =
        Some(anomaly::Expectations { property_id: "property-001".to_owned(), ..Default::default() });
    let inspection = anomaly::Inspection { leak: leak.clone(), ..Default::default() };
    let (leaks, events) = (leak.clone().into_iter().collect(), event.clone().into_iter().collect());
    backend
        .answers("ListLeaks", anomaly::ListLeaksResponse { leaks, ..Default::default() })
        .answers("GetLeak", anomaly::GetLeakResponse { leak: leak.clone() })
        .answers("RejectLeak", anomaly::RejectLeakResponse { leak: leak.clone() })
        .answers("ResolveLeak", anomaly::ResolveLeakResponse { leak })
        .answers("ListTamperingEvents", anomaly::ListTamperingEventsResponse { events, ..Default::default() })
        .answers("GetTamperingEvent", anomaly::GetTamperingEventResponse { event: event.clone() })
        .answers("InvestigateTampering", anomaly::InvestigateTamperingResponse { event: event.clone() })
        .answers("ResolveTampering", anomaly::ResolveTamperingResponse { event })
        .answers(
            "ListInspections",
            anomaly::ListInspectionsResponse { inspections: vec![inspection], ..Default::default() },
        )
        .answers("GetExpectations", anomaly::GetExpectationsResponse { expectations: expectations.clone() })
        .answers("PutExpectations", anomaly::PutExpectationsResponse { expectations });
}

fn answer_money(backend: &Backend) {
    let (payment, bill) = (Some(payment()), Some(bill()));
    let (account, schedule) = (Some(account()), Some(schedule()));
    backend
        .answers("GetBalance", balance())
        .answers("ListEntries", billing::ListEntriesResponse { entries: vec![entry()], ..Default::default() })
        .answers("ExplainEntry", billing::ExplainEntryResponse { entry: Some(entry()), days: Vec::new() })
        .answers("Adjust", billing::AdjustResponse {})
        .answers(
            "ListTariffs",
            billing::ListTariffsResponse { schedules: schedule.clone().into_iter().collect() },
        )
        .answers("GetTariff", billing::GetTariffResponse { schedule: schedule.clone() })
        .answers("SetTariff", billing::SetTariffResponse { schedule })
        .on("Quote", |asked: billing::QuoteRequest| match asked.question {
            Some(quote_request::Question::Volume(_) | quote_request::Question::Rupiah(_)) => Ok(quote()),
            None => Err(tonic::Status::invalid_argument("no question")),
        })
        .answers(
            "ListPayments",
            billing::ListPaymentsResponse {
                payments: payment.clone().into_iter().collect(),
                ..Default::default()
            },
        )
        .answers("CreatePayment", billing::CreatePaymentResponse { payment: payment.clone() })
        .answers("GetPayment", billing::GetPaymentResponse { payment: payment.clone() })
        .answers("CancelPayment", billing::CancelPaymentResponse { payment: payment.clone() })
        .answers("ConfirmPayment", billing::ConfirmPaymentResponse { payment: payment.clone() })
        .answers("RefundPayment", billing::RefundPaymentResponse { payment })
        .answers(
            "ListBills",
            billing::ListBillsResponse { bills: bill.clone().into_iter().collect(), ..Default::default() },
        )
        .answers("GetBill", billing::GetBillResponse { bill })
        .answers("GetAccount", billing::GetAccountResponse { account: account.clone() })
        .answers("SetAccount", billing::SetAccountResponse { account })
        .answers("GetRevenue", billing::GetRevenueResponse::default());
}

fn answer_vouchers(backend: &Backend) {
    let voucher = Some(voucher());
    backend
        .answers(
            "ListVouchers",
            voucher::ListVouchersResponse {
                vouchers: voucher.clone().into_iter().collect(),
                ..Default::default()
            },
        )
        .answers("GetVoucher", voucher::GetVoucherResponse { voucher: voucher.clone() })
        .answers("CreateVoucher", voucher::CreateVoucherResponse { voucher: voucher.clone() })
        .answers("DeactivateVoucher", voucher::DeactivateVoucherResponse { voucher: voucher.clone() })
        .answers(
            "ListVoucherUsage",
            voucher::ListVoucherUsageResponse { usage: vec![redemption()], ..Default::default() },
        )
        .answers(
            "ListApplicableVouchers",
            voucher::ListApplicableVouchersResponse {
                vouchers: vec![voucher::ApplicableVoucher {
                    voucher,
                    discount_amount: 10_000,
                    final_amount: 90_000,
                }],
            },
        )
        .answers(
            "ValidateVoucher",
            voucher::ValidateVoucherResponse {
                outcome: Some(voucher::validate_voucher_response::Outcome::Saving(voucher::Saving {
                    discount_amount: 10_000,
                    final_amount: 90_000,
                })),
            },
        );
}
