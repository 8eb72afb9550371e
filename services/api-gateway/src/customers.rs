//! Tells the other services whom they can write to: every user, whole, on the customers topic, at the start and at each
//! change. One instance does it at a time.
//!
//! What changed is found by `users.updated_at`, whoever wrote it. Clocks of instances differ and writes take their time, so
//! each look reaches back a little; what was told is not told again.

use std::collections::HashMap;
use std::time::Duration;

use indowater_common::clock;
use indowater_common::error::{Fatal, Retry};
use indowater_common::kafka::{Event, Outgoing, Publisher, Ticket};
use indowater_common::mongo::Lease;
use indowater_proto::account::v1::{AccountRole, Customer};
use indowater_proto::topics::CUSTOMERS;
use jiff::{Timestamp, ToSpan as _};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::access::Role;
use crate::session::Store;
use crate::session::user::User;

/// How long an instance that died keeps others from telling.
pub const TERM: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(2);
/// How far back each look reaches.
const OVERLAP_SECONDS: i64 = 30;

/// Where users are, and where they are told.
pub struct Teller {
    /// The users.
    pub store: Store,
    /// The right to tell.
    pub lease: Lease,
    /// The way to the broker.
    pub publisher: Publisher,
    /// Full name of the topic.
    pub topic: String,
}

/// What was told: of each user of the last look when the user had changed.
#[derive(Default)]
struct Told {
    newest: Option<Timestamp>,
    recent: HashMap<String, Timestamp>,
}

impl Teller {
    /// Tells for as long as the service runs.
    ///
    /// # Errors
    /// None: what does not answer is asked again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Fatal> {
        let mut told = Told::default();
        while !stop.is_cancelled() {
            if let Err(error) = self.look(&mut told).await {
                tracing::warn!(%error, "users could not be told to the other services yet");
                told = Told::default();
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => {}
            }
        }
        if let Err(error) = self.lease.release().await {
            tracing::debug!(%error, "the right to tell users runs out by itself");
        }
        Ok(())
    }

    async fn look(&self, told: &mut Told) -> Result<(), Retry> {
        if !self.lease.hold().await? {
            // Whoever holds it tells; whoever takes it over begins anew.
            *told = Told::default();
            return Ok(());
        }
        let now = clock::now();
        let since = told.newest.map(|newest| newest.checked_sub(OVERLAP_SECONDS.seconds()).unwrap_or(newest));
        let users = self.store.changed_since(since).await?;
        let ticket = Ticket::default();
        for user in users.iter().filter(|user| told.recent.get(user.id.as_str()) != Some(&user.updated_at)) {
            self.publish(&ticket, user).await?;
        }
        ticket.delivered().await?;
        // One that says to be from the future must not hide those that change meanwhile.
        told.newest = users.iter().map(|user| user.updated_at.min(now)).chain(told.newest).max();
        told.recent = users.into_iter().map(|user| (user.id.into(), user.updated_at)).collect();
        Ok(())
    }

    async fn publish(&self, ticket: &Ticket, user: &User) -> Result<(), Retry> {
        let customer = customer(user);
        let event = Event {
            id: &format!("{}@{}", customer.id, customer.revision),
            source: "/indowater/api-gateway",
            kind: CUSTOMERS.message,
            time: user.updated_at.as_second(),
            traceparent: None,
        };
        let (key, value) = (customer.id.as_bytes(), customer.encode_to_vec());
        let outgoing = Outgoing { topic: &self.topic, key, value: &value, event };
        Ok(self.publisher.send(ticket, outgoing).await?)
    }
}

/// What the other services may know of a user. Nobody has opted in to WhatsApp: that is not asked yet.
fn customer(user: &User) -> Customer {
    let role = match user.role {
        Role::Customer => AccountRole::Customer,
        Role::Technician => AccountRole::Technician,
        Role::Administrator => AccountRole::Admin,
    };
    Customer {
        id: user.id.as_str().to_owned(),
        name: user.full_name.clone(),
        role: role.into(),
        is_active: user.is_active,
        email: user.email.clone(),
        wants_push: true,
        revision: user.updated_at.as_millisecond().max(1),
        ..Customer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::UserId;

    #[test]
    fn a_later_change_is_a_higher_revision_and_nothing_is_made_up() {
        let at = Timestamp::from_millisecond(1_795_000_000_123).unwrap();
        let user = User {
            id: UserId::new("customer-001").unwrap(),
            email: "siti@example.com".to_owned(),
            full_name: "Siti Rahayu".to_owned(),
            role: Role::Customer,
            phone: Some("+62 812 3456 7890".to_owned()),
            address: None,
            is_active: false,
            created_at: at,
            updated_at: at,
        };
        let told = customer(&user);
        assert_eq!(
            (told.revision, told.is_active, told.role()),
            (1_795_000_000_123, false, AccountRole::Customer)
        );
        assert_eq!((told.email.as_str(), told.whatsapp.as_str()), ("siti@example.com", ""));
        let older = User { updated_at: Timestamp::UNIX_EPOCH, ..user };
        assert_eq!(customer(&older).revision, 1);
    }
}
