//! Balances, statements and tariffs as people see them, in the words of the data model. What is posted is whole rupiah and
//! a JSON integer; what a day or a volume costs is exact and a decimal string.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::metering::{CubicMetres, Rupiah};

/// What a customer has left, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Balance {
    /// Whose.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// What is left, whole rupiah: `posted` less `accrued`; below zero it is owed.
    #[schema(example = 47_645)]
    pub balance: i64,
    /// The sum of the entries, whole rupiah: `balance_after` of the last one.
    #[schema(example = 47_645)]
    pub posted: i64,
    /// What water costs that is not posted yet, whole rupiah, not negative. 0 for now: every day is posted as soon as it is known.
    #[schema(example = 0, minimum = 0)]
    pub accrued: i64,
    /// Sequence of the last entry; 0 if nothing was ever posted.
    #[schema(example = 12)]
    pub sequence: i64,
    /// When the last entry was posted; null if none ever was.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-22T03:15:00Z")]
    pub updated_at: Option<Timestamp>,
    /// What an average day of the last thirty costs; null without usage.
    pub daily_cost: Option<Rupiah>,
    /// For how many whole days the balance lasts at that; null without usage.
    #[schema(example = 20)]
    pub runway_days: Option<i64>,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Water.
    Usage,
    /// Money that came in.
    Payment,
    /// Money that had come in and went again.
    Reversal,
    /// Money that was given back.
    Refund,
    /// A correction that a person answers for.
    Adjustment,
}

/// One side of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Leg {
    /// Which account of the ledger.
    #[schema(example = "revenue:household-middle-1")]
    pub account: String,
    /// Whole rupiah; what the account receives is positive.
    #[schema(example = 2355)]
    pub amount: i64,
}

/// One transaction of the ledger. It is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entry {
    /// Unique id; percent-encode it in a path.
    #[schema(example = "usage:customer-001|device-001|2026-11@3")]
    pub id: String,
    /// Whose balance it changed.
    #[schema(example = "customer-001")]
    pub customer_id: String,
    /// What it is about.
    pub kind: EntryKind,
    /// What it did to the balance, whole rupiah: the first leg. 0 where only the class of a day changed.
    #[schema(example = -2355)]
    pub amount: i64,
    /// What is posted with it, whole rupiah.
    #[schema(example = 47_645)]
    pub balance_after: i64,
    /// 1 for the customer's first entry, and so on without gaps.
    #[schema(example = 12)]
    pub sequence: i64,
    /// What it is, for a person.
    #[schema(example = "Water, November 2026")]
    pub description: String,
    /// The payment it belongs to.
    #[schema(example = "payment-001")]
    pub payment_id: Option<String>,
    /// When it happened; for usage, when it was posted.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:15:00Z")]
    pub occurred_at: Timestamp,
    /// When it was posted.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T03:15:00Z")]
    pub posted_at: Timestamp,
    /// `users.id` of whoever answers for it, if it was a person.
    #[schema(example = "admin-001")]
    pub made_by: Option<String>,
    /// All sides, the customer's first; they add up to zero.
    pub legs: Vec<Leg>,
    /// For usage: where it comes from.
    pub usage: Option<UsageSource>,
}

/// Where an entry for usage comes from: the rounded cost of a month so far, less what was posted before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageSource {
    /// Which device.
    #[schema(example = "device-001")]
    pub device_id: String,
    /// The month.
    #[schema(example = "2026-11", pattern = "^[0-9]{4}-[0-9]{2}$")]
    pub month: String,
    /// What the month costs so far, exactly.
    pub month_cost: Rupiah,
    /// What was posted for the month before this entry, whole rupiah.
    #[schema(example = 45_290)]
    pub posted_before: i64,
    /// The days that changed.
    pub days: Vec<ChargedDay>,
}

/// A day whose cost changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChargedDay {
    /// The local day.
    #[schema(value_type = String, format = Date, example = "2026-11-21")]
    pub date: Date,
    /// Which revision of the daily record.
    #[schema(example = 3)]
    pub revision: i64,
    /// How much water.
    pub volume: CubicMetres,
    /// What it costs now.
    pub cost: Rupiah,
    /// What it cost before.
    pub cost_before: Rupiah,
    /// Under which tariff class.
    #[schema(example = "household-middle-1")]
    pub tariff_class: String,
    /// The month's consumption before this day under the same customer, which decides the tariff's block.
    pub month_to_date_before: CubicMetres,
    /// False where the day costs the customer nothing, whatever its volume: it is somebody else's now, or its water is not billable.
    #[schema(example = true)]
    pub charged: bool,
}

/// An entry down to what it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// The entry.
    pub entry: Entry,
    /// For usage: how each day's cost comes about.
    pub days: Vec<ExplainedDay>,
}

/// How a day's cost comes about: its parts and its share of the fixed charge and the minimum add up to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainedDay {
    /// The day.
    #[serde(flatten)]
    pub day: ChargedDay,
    /// Where the day's volume falls; what flowed back is negative.
    pub parts: Vec<Part>,
    /// The day's share of the fixed charge and of the minimum.
    pub fixed_and_minimum: Rupiah,
    /// Where the day's register reads are, newest first.
    #[schema(format = "uri-reference", example = "/api/v1/devices/device-001/readings?date=2026-11-21")]
    pub reads: String,
    /// Where the day's record is: how sure its volume is, and how many reads stand behind it.
    #[schema(
        format = "uri-reference",
        example = "/api/v1/usage/daily?device_id=device-001&from=2026-11-21&to=2026-11-21"
    )]
    pub record: String,
}

/// A volume in one block of a tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// How much water falls into the block.
    pub volume: CubicMetres,
    /// What a cubic metre costs in it.
    pub price: Rupiah,
    /// What that comes to.
    pub cost: Rupiah,
}

/// A tariff class: what its water costs, from when on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TariffSchedule {
    /// Its name.
    #[schema(example = "household-middle-1")]
    pub class: String,
    /// By rising `from`.
    pub versions: Vec<Tariff>,
    /// Starts at 1, rises with every change.
    #[schema(example = 1)]
    pub revision: i64,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-01-05T02:00:00Z")]
    pub updated_at: Timestamp,
}

impl TariffSchedule {
    /// The class without what is the utility's own business.
    pub fn without_author(mut self) -> Self {
        for version in &mut self.versions {
            version.set_by = None;
        }
        self
    }
}

/// What water costs until the next version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tariff {
    /// The first local day it holds; null: since ever.
    #[schema(value_type = Option<String>, format = Date, example = "2026-12-01")]
    pub from: Option<Date>,
    /// Blocks with rising bounds; the last has none.
    pub blocks: Vec<TariffBlock>,
    /// A month and meter, whatever is used; it accrues evenly over the days of the month.
    pub fixed_charge: Rupiah,
    /// A month, paid even if less is used; what is missing is added on the month's last day.
    pub minimum_volume: CubicMetres,
    /// `users.id` of whoever set it; null for what the platform comes with. Told to administrators only.
    #[schema(example = "admin-001")]
    pub set_by: Option<String>,
}

/// One block of a tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TariffBlock {
    /// Its upper bound in a month, inclusive; null for the last block.
    pub up_to: Option<CubicMetres>,
    /// What a cubic metre costs in it.
    pub price: Rupiah,
}

/// What a volume costs at a meter now, or what a sum buys there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceQuote {
    /// Which meter.
    #[schema(example = "device-001")]
    pub device_id: String,
    /// By whose prices.
    #[schema(example = "household-middle-1")]
    pub tariff_class: String,
    /// What the meter has used of its month: it decides in which block the water begins.
    pub month_to_date: CubicMetres,
    /// The price.
    #[serde(flatten)]
    pub quote: Quote,
}

/// What a volume costs, or what a sum buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Quote {
    /// How much water, in whole litres if a sum was asked about.
    pub volume: CubicMetres,
    /// What it costs by the blocks alone.
    pub cost: Rupiah,
    /// Where it falls.
    pub blocks: Vec<Part>,
}
