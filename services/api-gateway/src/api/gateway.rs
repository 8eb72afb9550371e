//! What handlers are given.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::access::{Actor, Resource, Scope, UserId, narrow, one_customer};
use crate::failure::Failure;
use crate::grpc::Services;
use crate::http::cursor::Cursors;
use crate::http::extract::TrustedProxies;
use crate::session::Sessions;

/// What handlers are given. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    /// Accounts and sessions.
    pub sessions: Arc<Sessions>,
    /// The services that are asked.
    pub services: Services,
    /// Page tokens.
    pub cursors: Cursors,
    /// How many reverse proxies of ours stand before the gateway.
    pub trusted_proxies: TrustedProxies,
}

impl Gateway {
    /// Of whom a list for `actor` is, who may have named one.
    ///
    /// # Errors
    /// As [`narrow`], or there is no such customer, which is not the same as one who has nothing.
    pub async fn scope(
        &self,
        actor: &Actor,
        resource: Resource,
        customer: Option<UserId>,
    ) -> Result<Scope, Failure> {
        let scope = narrow(actor, resource, customer)?;
        if let Scope::Customer(customer) = &scope {
            self.check_customer(actor, customer).await?;
        }
        Ok(scope)
    }

    /// The one customer whose resource is meant, whom `actor` may have named.
    ///
    /// # Errors
    /// As [`one_customer`], or there is no such customer.
    pub async fn one_customer(
        &self,
        actor: &Actor,
        resource: Resource,
        customer: Option<UserId>,
    ) -> Result<UserId, Failure> {
        let customer = one_customer(actor, resource, customer)?;
        self.check_customer(actor, &customer).await?;
        Ok(customer)
    }

    async fn check_customer(&self, actor: &Actor, customer: &UserId) -> Result<(), Failure> {
        if *customer == actor.id { Ok(()) } else { self.sessions.customer(customer).await.map(drop) }
    }
}

impl FromRef<Gateway> for Cursors {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.cursors.clone()
    }
}

impl FromRef<Gateway> for TrustedProxies {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.trusted_proxies
    }
}
