//! Who may call what: the one table of all gRPC calls. What is not in it, nobody may call.
//!
//! Who calls is known by the certificate of the connection. People are not known here: what one may see or do is decided
//! by the api-gateway, which is why most calls are for it alone.

/// The api-gateway: it speaks for people, after it has decided what each may do.
pub const API: &str = "api-gateway";
/// Billing: it holds vouchers while a payment is under way.
pub const BILLING: &str = "billing";
/// The operator's tool, `indowater`: the calls that its commands make, and no others.
pub const OPERATOR: &str = "operator";

/// Every service and the operator's tool. Stand-ins for payment gateways and carriers are spoken to over HTTP, call
/// nobody, and are nobody here.
pub const EVERYONE: &[&str] =
    &[API, BILLING, OPERATOR, "ingest", "usage-aggregator", "anomaly-detector", "voucher", "notifier"];

const PEOPLE: &[&str] = &[API];
const PEOPLE_AND_OPERATOR: &[&str] = &[API, OPERATOR];

/// The calls of one gRPC service.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// Its full name.
    pub service: &'static str,
    /// Each method, and who may call it.
    pub methods: &'static [(&'static str, &'static [&'static str])],
}

/// The table.
pub const ALL: &[Calls] = &[
    Calls {
        // Properties and devices: the tool's `seed`, `simulate`, `registry` and `replay` enrol, correct and list them.
        service: "indowater.registry.v1.RegistryService",
        methods: &[
            ("GetProperty", PEOPLE),
            ("ListProperties", PEOPLE),
            ("CreateProperty", PEOPLE_AND_OPERATOR),
            ("UpdateProperty", PEOPLE),
            ("GetDevice", PEOPLE_AND_OPERATOR),
            ("ListDevices", PEOPLE_AND_OPERATOR),
            ("CreateDevice", PEOPLE),
            ("UpdateDevice", PEOPLE),
            ("EnrolDevices", PEOPLE_AND_OPERATOR),
            ("TransferProperty", PEOPLE_AND_OPERATOR),
            ("ExchangeMeter", PEOPLE_AND_OPERATOR),
            ("CorrectDevice", PEOPLE_AND_OPERATOR),
        ],
    },
    Calls {
        service: "indowater.usage.v1.UsageService",
        methods: &[
            ("ListHourlyUsage", PEOPLE),
            ("ListDailyUsage", PEOPLE),
            ("ListMonthlyUsage", PEOPLE),
            ("ListReads", PEOPLE),
        ],
    },
    Calls {
        service: "indowater.anomaly.v1.AnomalyService",
        methods: &[
            ("ListLeaks", PEOPLE),
            ("GetLeak", PEOPLE),
            ("RejectLeak", PEOPLE),
            ("ResolveLeak", PEOPLE),
            ("ListTamperingEvents", PEOPLE),
            ("GetTamperingEvent", PEOPLE),
            ("InvestigateTampering", PEOPLE),
            ("ResolveTampering", PEOPLE),
            ("ListInspections", PEOPLE),
            ("ListSupplyInterruptions", PEOPLE),
            ("GetSupplyInterruption", PEOPLE),
            ("PlanSupplyInterruption", PEOPLE),
            ("ChangeSupplyInterruption", PEOPLE),
            ("GetExpectations", PEOPLE),
            ("PutExpectations", PEOPLE),
        ],
    },
    Calls {
        // Corrections of the ledger pass the api-gateway, which knows the administrator who makes them.
        service: "indowater.billing.v1.LedgerService",
        methods: &[
            ("GetBalance", PEOPLE),
            ("ListEntries", PEOPLE),
            ("ExplainEntry", PEOPLE),
            ("Adjust", PEOPLE),
        ],
    },
    Calls {
        // `seed` makes the demo's payments; nobody but the api-gateway cancels, refunds, or hands on what gateways say.
        service: "indowater.billing.v1.PaymentService",
        methods: &[
            ("CreatePayment", PEOPLE_AND_OPERATOR),
            ("GetPayment", PEOPLE),
            ("ListPayments", PEOPLE),
            ("CancelPayment", PEOPLE),
            ("ConfirmPayment", PEOPLE),
            ("RefundPayment", PEOPLE),
            ("ReceiveNotification", PEOPLE),
        ],
    },
    Calls {
        service: "indowater.billing.v1.BillService",
        methods: &[
            ("ListBills", PEOPLE),
            ("GetBill", PEOPLE),
            ("GetAccount", PEOPLE),
            ("SetAccount", PEOPLE),
            ("GetRevenue", PEOPLE),
        ],
    },
    Calls {
        service: "indowater.billing.v1.TariffService",
        methods: &[("ListTariffs", PEOPLE), ("GetTariff", PEOPLE), ("SetTariff", PEOPLE), ("Quote", PEOPLE)],
    },
    Calls {
        // A reservation is billing's: it belongs to a payment. `seed` makes and ends the demo's vouchers.
        service: "indowater.voucher.v1.VoucherService",
        methods: &[
            ("CreateVoucher", PEOPLE_AND_OPERATOR),
            ("GetVoucher", PEOPLE),
            ("ListVouchers", PEOPLE),
            ("DeactivateVoucher", PEOPLE_AND_OPERATOR),
            ("ListVoucherUsage", PEOPLE),
            ("ListApplicableVouchers", PEOPLE),
            ("ValidateVoucher", PEOPLE),
            ("ReserveVoucher", &[BILLING]),
            ("CommitVoucher", &[BILLING]),
            ("ReleaseVoucher", &[BILLING]),
        ],
    },
    Calls {
        service: "indowater.notify.v1.NotifyService",
        methods: &[
            ("ListAlerts", PEOPLE),
            ("CountUnreadAlerts", PEOPLE),
            ("ReadAlert", PEOPLE),
            ("AcknowledgeAlert", PEOPLE),
            ("MarkAlertNotHelpful", PEOPLE),
            ("ReadAllAlerts", PEOPLE),
            ("GetAlertBudget", PEOPLE),
            ("ListNotifications", PEOPLE),
            ("CountUnreadNotifications", PEOPLE),
            ("ReadNotification", PEOPLE),
            ("ReadAllNotifications", PEOPLE),
            ("DeleteNotification", PEOPLE),
            ("GetPreferences", PEOPLE),
            ("PutPreferences", PEOPLE),
            ("KeepPushToken", PEOPLE),
            ("ForgetPushToken", PEOPLE),
            ("ListTips", PEOPLE),
            ("PutTip", PEOPLE),
            ("DeleteTip", PEOPLE),
            ("MarkTipHelpful", PEOPLE),
            ("ListDeliveries", PEOPLE),
            ("ResendDelivery", PEOPLE),
        ],
    },
    Calls {
        service: "grpc.health.v1.Health",
        methods: &[("Check", EVERYONE), ("Watch", EVERYONE), ("List", EVERYONE)],
    },
    Calls {
        service: "grpc.reflection.v1.ServerReflection",
        methods: &[("ServerReflectionInfo", &[OPERATOR])],
    },
];

/// Who may call `path`, as gRPC writes it: `/package.Service/Method`. Nobody, if the table does not know it.
pub fn of(path: &str) -> &'static [&'static str] {
    let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return &[];
    };
    let calls = ALL.iter().find(|calls| calls.service == service);
    let row = calls.and_then(|calls| calls.methods.iter().find(|(name, _)| *name == method));
    row.map_or(&[], |(_, callers)| callers)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_call_of_the_schemas_has_a_row_and_no_row_is_of_none() {
        let schemas = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
        let mut declared = BTreeSet::new();
        for file in &schemas.file {
            for service in &file.service {
                for method in &service.method {
                    declared.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        let rows: Vec<String> = ALL
            .iter()
            .filter(|calls| calls.service.starts_with("indowater."))
            .flat_map(|calls| calls.methods.iter().map(|(method, _)| format!("/{}/{method}", calls.service)))
            .collect();
        assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "a call stands in two rows");
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), declared);
    }

    #[test]
    fn each_row_names_callers_that_there_are() {
        for (method, callers) in ALL.iter().flat_map(|calls| calls.methods) {
            assert!(!callers.is_empty(), "{method} is for nobody");
            assert!(callers.iter().all(|caller| EVERYONE.contains(caller)), "{method}: {callers:?}");
        }
    }

    #[test]
    fn money_is_moved_for_people_alone_and_the_unknown_for_nobody() {
        for path in [
            "/indowater.billing.v1.LedgerService/Adjust",
            "/indowater.billing.v1.PaymentService/RefundPayment",
            "/indowater.billing.v1.PaymentService/ReceiveNotification",
        ] {
            assert_eq!(of(path), [API], "{path}");
        }
        for unknown in [
            "",
            "/",
            "/indowater.billing.v1.LedgerService",
            "/indowater.billing.v1.LedgerService/Adjust/",
            "Adjust",
        ] {
            assert!(of(unknown).is_empty(), "{unknown:?}");
        }
    }
}
