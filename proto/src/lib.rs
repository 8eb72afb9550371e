//! The wire: schemas of every topic and call, the code generated from them, and the table of topics.
//!
//! `README.md` beside this crate documents the formats for producers and analysts.

pub mod callers;
pub mod topics;

/// The schemas as a serialized `FileDescriptorSet`: for gRPC reflection, and for analysts' tools.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! schema {
    ($module:ident, $package:literal, $doc:literal) => {
        #[doc = $doc]
        #[allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]
        pub mod $module {
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

schema!(telemetry, "indowater.telemetry.v1", "What devices produce.");
schema!(readings, "indowater.readings.v1", "Accepted reads and dead letters.");
schema!(registry, "indowater.registry.v1", "Properties and devices.");
schema!(usage, "indowater.usage.v1", "Daily records and their history.");
schema!(billing, "indowater.billing.v1", "Tariffs, the ledger and balances.");
schema!(anomaly, "indowater.anomaly.v1", "Leaks, tampering and the condition of devices.");
schema!(voucher, "indowater.voucher.v1", "Vouchers and their redemption.");
schema!(account, "indowater.account.v1", "Accounts, as other services may know them.");
schema!(notify, "indowater.notify.v1", "Messages to people.");
