//! Bills, the way customers pay, and what the utility took in.

use indowater_common::clock;

use super::App;
use super::money::one_customer;
use crate::domain::access::{Resource, may, narrow, sees};
use crate::domain::bill::{Bill, BillingAccount, BillsQuestion, NewBillingMode};
use crate::domain::failure::Failure;
use crate::domain::page::Listing;
use crate::domain::period::{JAKARTA, Wish, today};
use crate::domain::revenue::Revenue;
use crate::domain::user::{Actor, UserId};

impl App {
    /// A page of bills, newest first.
    ///
    /// # Errors
    /// Another customer's, or billing does not answer.
    pub async fn bills(&self, actor: &Actor, question: BillsQuestion) -> Result<Listing<Bill>, Failure> {
        let whose = narrow(actor, Resource::Bill, question.customer.clone())?;
        let mut bills = self.bills.list(&whose, question).await?;
        bills.items.retain(|bill| sees(actor, Resource::Bill, &bill.customer_id));
        Ok(bills)
    }

    /// A bill.
    ///
    /// # Errors
    /// There is none that `actor` may see, or billing does not answer.
    pub async fn bill(&self, actor: &Actor, id: &str) -> Result<Bill, Failure> {
        narrow(actor, Resource::Bill, None)?;
        let bill = self.bills.one(id).await?;
        if sees(actor, Resource::Bill, &bill.customer_id) { Ok(bill) } else { Err(Failure::NotFound("bill")) }
    }

    /// How a customer pays.
    ///
    /// # Errors
    /// Another customer's, nobody's in particular, or billing does not answer.
    pub async fn billing(&self, actor: &Actor, asked: Option<UserId>) -> Result<BillingAccount, Failure> {
        let customer = one_customer(actor, Resource::BillingMode, asked)?;
        let account = self.bills.account(&customer).await?;
        Ok(if may(actor, Resource::Author).is_ok() {
            account
        } else {
            BillingAccount { set_by: None, ..account }
        })
    }

    /// Says how a customer is to pay; `actor` answers for it.
    ///
    /// # Errors
    /// It is not acceptable, there is no such customer, or billing does not answer.
    pub async fn set_billing(
        &self,
        actor: &Actor,
        customer_id: &str,
        wanted: NewBillingMode,
    ) -> Result<BillingAccount, Failure> {
        may(actor, Resource::BillingModeChange)?;
        let wanted = wanted.check()?;
        let customer = UserId::new(customer_id).ok_or(Failure::NotFound("customer"))?;
        self.customer(&customer).await?;
        self.bills.set_account(&customer, wanted, &actor.id).await
    }

    /// What the utility took in, by days of Jakarta.
    ///
    /// # Errors
    /// It is not for `actor`, the period is too long, or billing does not answer.
    pub async fn revenue(&self, actor: &Actor, wish: Wish) -> Result<Revenue, Failure> {
        may(actor, Resource::Revenue)?;
        let today = today(clock::now(), Some(JAKARTA));
        let period = wish.settle_report(today).map_err(|fault| Failure::Invalid(vec![fault]))?;
        self.bills.revenue(period).await
    }
}
