//! The newest state of balances, payments and tariffs, for the upkeep of their topics.

use std::collections::{BTreeMap, BTreeSet};

use indowater_common::error::Retry;
use indowater_common::kafka::{Publisher, Ticket};
use indowater_common::mongo::outbox::{Row, send};
use indowater_common::upkeep::Newest;
use indowater_proto::billing::v1 as proto;
use indowater_proto::topics::{BALANCES, PAYMENTS, TARIFFS};
use prost::Message;

use crate::kafka::Outlet;
use crate::mongo::{Announce, Payments, Store, Tariffs, Tell};

/// Where all of it is.
pub struct Money {
    /// The balances.
    pub store: Store,
    /// The payments.
    pub payments: Payments,
    /// Makes the record that tells one.
    pub tell: Tell,
    /// The tariffs.
    pub tariffs: Tariffs,
    /// Makes the record that tells one.
    pub announce: Announce,
    /// The prefix of the topics.
    pub prefix: String,
}

/// Of messages their keys and revisions; what makes no sense is passed over.
fn told<M: Message + Default>(values: &[&[u8]], of: fn(M) -> (String, i64)) -> BTreeMap<String, i64> {
    values.iter().filter_map(|value| M::decode(*value).ok()).map(of).collect()
}

impl Money {
    /// The topics that this is about.
    pub fn topics(prefix: &str) -> Vec<String> {
        [&BALANCES, &PAYMENTS, &TARIFFS].map(|topic| topic.name(prefix)).into()
    }

    async fn balances(
        &self,
        publisher: &Publisher,
        ticket: &Ticket,
        values: &[&[u8]],
    ) -> Result<usize, Retry> {
        let told = told(values, |balance: proto::Balance| (balance.customer_id, balance.sequence));
        let customers: BTreeSet<Box<str>> = told.keys().map(|id| id.as_str().into()).collect();
        let outlet = Outlet::new(publisher.clone(), &self.prefix);
        let mut stale = 0;
        for (customer_id, (balance, updated_at)) in self.store.balances(customers.iter()).await?.found {
            if told.get(&*customer_id).is_some_and(|sequence| *sequence < balance.sequence) {
                outlet.balance(ticket, &customer_id, balance, updated_at).await?;
                stale += 1;
            }
        }
        Ok(stale)
    }

    async fn newer_payments(&self, values: &[&[u8]]) -> Result<Vec<Row>, Retry> {
        let told = told(values, |payment: proto::Payment| (payment.id, payment.revision));
        let stored = self.payments.those(told.keys()).await?;
        let newer = stored.iter().filter(|stored| told[stored.payment.id()] < stored.revision);
        Ok(newer.map(|stored| (self.tell)(stored)).collect())
    }

    async fn newer_tariffs(&self, values: &[&[u8]]) -> Result<Vec<Row>, Retry> {
        let told = told(values, |schedule: proto::TariffSchedule| (schedule.class, schedule.revision));
        let stored = self.tariffs.all().await?;
        let newer =
            stored.iter().filter(|stored| told.get(&stored.class).is_some_and(|r| *r < stored.revision));
        Ok(newer.map(|stored| (self.announce)(stored)).collect())
    }
}

impl Newest for Money {
    async fn publish_newer(
        &self,
        publisher: &Publisher,
        ticket: &Ticket,
        topic: &str,
        values: &[&[u8]],
    ) -> Result<usize, Retry> {
        let rows = if topic == BALANCES.name(&self.prefix) {
            return self.balances(publisher, ticket, values).await;
        } else if topic == PAYMENTS.name(&self.prefix) {
            self.newer_payments(values).await?
        } else {
            self.newer_tariffs(values).await?
        };
        for row in &rows {
            send(publisher, ticket, row).await?;
        }
        Ok(rows.len())
    }
}
