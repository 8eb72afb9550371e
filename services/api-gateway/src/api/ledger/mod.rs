//! Balances, statements and corrections. What is posted is whole rupiah and a JSON integer; what a day or a volume costs is
//! exact and a decimal string.

#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gateway::Gateway;
use crate::access::{Resource, Role, UserId, may, visible};
use crate::failure::{Failure, Faults};
use crate::grpc::{BILLING, answer};
use crate::http::extract::{Id, Json, Paged, Query};
use crate::http::reply::{Answer, BodyAnswer, Listing, Reply, show};
use crate::session::Caller;
use crate::wire::Shown;
use crate::wire::billing::v1::{self as billing, GetBalanceResponse, LedgerEntry};

const LONGEST_ID: usize = 100;

/// The routes.
pub fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(get_balance))
        .routes(routes!(list_entries))
        .routes(routes!(explain_entry))
        .routes(routes!(create_adjustment))
}

/// Whose.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CustomerQuery {
    /// Of this customer. Administrators have to name one; customers see their own in any case.
    #[param(value_type = Option<String>, example = "customer-001")]
    customer_id: Option<UserId>,
}

/// What is left, and for how long.
///
/// Rupiah are whole here, and JSON integers. What is left is what is posted less what is accrued.
#[utoipa::path(
    get, path = "/balance", tag = "money", params(CustomerQuery),
    responses((status = 200, description = "The balance.", body = GetBalanceResponse)),
)]
async fn get_balance(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Query(query): Query<CustomerQuery>,
) -> Answer {
    let customer_id = gateway.one_customer(&actor, Resource::Balance, query.customer_id).await?.into();
    let request = billing::GetBalanceRequest { customer_id };
    show(&actor, answer(BILLING, "balance", gateway.services.ledger().get_balance(request).await)?)
}

/// The statement: every entry, newest first.
#[utoipa::path(
    get, path = "/balance/entries", tag = "money", params(Paged<CustomerQuery, 100, 1000>),
    responses((status = 200, description = "A page of entries.", body = Listing<LedgerEntry>)),
)]
async fn list_entries(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Paged { query, page }: Paged<CustomerQuery, 100, 1000>,
) -> Answer {
    let customer_id = gateway.one_customer(&actor, Resource::Balance, query.customer_id).await?.into();
    let (page_size, page_token) = (page.size, page.token.clone());
    let request = billing::ListEntriesRequest { customer_id, page_size, page_token };
    let found = answer(BILLING, "entry", gateway.services.ledger().list_entries(request).await)?;
    show(&actor, page.listing(found).owned(&actor, Resource::Balance))
}

/// An entry down to what it came from.
#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    /// The entry.
    entry: LedgerEntry,
    /// For usage: how each day's cost comes about.
    days: Vec<LinkedDay>,
}

impl Shown for Explanation {
    fn redact(&mut self, role: Role) {
        self.entry.redact(role);
        self.days.iter_mut().for_each(|linked| linked.day.redact(role));
    }
}

/// How a day's cost comes about, and where what it came from is found.
#[derive(Debug, Serialize, ToSchema)]
struct LinkedDay {
    /// The day.
    #[serde(flatten)]
    day: billing::ExplainedDay,
    /// Where the day's register reads are, newest first.
    #[schema(format = "uri-reference", example = "/api/v1/devices/device-001/readings?date=2026-11-21")]
    reads: String,
    /// Where the day's record is: how sure its volume is, and how many reads stand behind it.
    #[schema(
        format = "uri-reference",
        example = "/api/v1/usage/daily?device_id=device-001&from=2026-11-21&to=2026-11-21"
    )]
    record: String,
}

/// Why an entry is what it is.
///
/// An entry for usage down to its days, their volumes, blocks and prices, and from there to the register reads.
#[utoipa::path(
    get, path = "/balance/entries/{id}/explanation", tag = "money",
    params(
        (
            "id" = String, Path,
            description = "The entry's id, percent-encoded.",
            example = "usage:customer-001|device-001|2026-11@3",
        ),
        CustomerQuery,
    ),
    responses((status = 200, description = "The entry and what it came from.", body = Explanation)),
)]
async fn explain_entry(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(entry_id): Id,
    Query(query): Query<CustomerQuery>,
) -> Answer {
    let customer_id = gateway.one_customer(&actor, Resource::Balance, query.customer_id).await?.into();
    let request = billing::ExplainEntryRequest { customer_id, entry_id };
    let found = answer(BILLING, "entry", gateway.services.ledger().explain_entry(request).await)?;
    let entry = visible(&actor, Resource::Balance, "entry", found.entry.ok_or(Failure::Broken(BILLING))?)?;
    // Only usage has days, so a day always has a device.
    let device = entry.usage.as_ref().map(|usage| encoded(&usage.device_id)).unwrap_or_default();
    let linked = |day: billing::ExplainedDay| {
        let date = day.day.as_ref().map(|day| day.date.clone()).unwrap_or_default();
        LinkedDay {
            day,
            reads: format!("/api/v1/devices/{device}/readings?date={date}"),
            record: format!("/api/v1/usage/daily?device_id={device}&from={date}&to={date}"),
        }
    };
    let days = found.days.into_iter().map(linked).collect();
    show(&actor, Explanation { entry, days })
}

/// `text` as one segment of a path or one value of a query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A correction of a balance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAdjustment {
    /// Chosen by the caller: a correction of the same customer with the same id is posted once, however often it is sent.
    #[schema(
        example = "goodwill-2026-11-22",
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9._-]+$"
    )]
    id: String,
    /// Whole rupiah other than 0; positive raises the balance.
    #[schema(example = 5000)]
    amount: i64,
    /// Why, for the customer to read.
    #[schema(example = "Goodwill after a burst pipe", min_length = 1, max_length = 500)]
    reason: String,
}

impl NewAdjustment {
    /// How much a correction may be is the ledger's to say.
    fn check(&self) -> Result<(), Failure> {
        let mut faults = Faults::default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.id.is_empty() || self.id.len() > LONGEST_ID || !self.id.chars().all(plain) {
            let form = format!("must be 1 to {LONGEST_ID} letters, digits, dots, hyphens and underscores");
            faults.add("id", form);
        }
        if self.amount == 0 {
            faults.add("amount", "must be a number of rupiah other than 0");
        }
        faults.check_reason(&self.reason);
        faults.none()
    }
}

/// Correct a balance. For administrators.
///
/// The correction is in the statement soon after, with whoever is asking as the one who answers for it. The same id with the same
/// content is answered the same and posted once.
#[utoipa::path(
    post, path = "/customers/{customer_id}/adjustments", tag = "money", request_body = NewAdjustment,
    params(("customer_id" = String, Path, description = "The customer's id.", example = "customer-001")),
    responses(
        (status = 202, description = "It will be posted, once for its id however often it is sent."),
        (status = 409, description = "The id was used for another correction of the customer."),
    ),
)]
async fn create_adjustment(
    State(gateway): State<Gateway>,
    Caller { actor, .. }: Caller,
    Id(customer_id): Id,
    Json(new): Json<NewAdjustment>,
) -> BodyAnswer {
    may(&actor, Resource::Adjustment)?;
    new.check()?;
    // The ledger takes any name for a customer's and never forgets an entry, so a typing error is to be found here.
    let customer_id: String = gateway.sessions.customer_of(&customer_id).await?.id.into();
    let request = billing::AdjustRequest {
        // In the ledger ids are everybody's, so the same one for two customers would be one correction; the alphabet of `id`
        // keeps the two parts apart.
        id: format!("{customer_id}|{}", new.id),
        customer_id,
        amount: new.amount,
        reason: new.reason,
        made_by: actor.id.into(),
    };
    answer(BILLING, "customer", gateway.services.ledger().adjust(request).await)?;
    Ok(Reply::empty(StatusCode::ACCEPTED))
}
