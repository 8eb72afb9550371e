//! Vouchers: administrators make and end them, customers see what they would save and what they saved.

use super::App;
use super::money::one_customer;
use crate::domain::access::{Resource, may, sees};
use crate::domain::failure::Failure;
use crate::domain::page::{Listing, Page};
use crate::domain::user::Actor;
use crate::domain::voucher::{
    ApplicableQuestion, ApplicableVoucher, NewValidation, NewVoucher, RedemptionsQuestion, Validation,
    Voucher, VoucherUsage, VouchersQuestion,
};

impl App {
    /// A page of vouchers.
    ///
    /// # Errors
    /// It is not for `actor`, or the service does not answer; so for the four that follow.
    pub async fn vouchers(
        &self,
        actor: &Actor,
        question: VouchersQuestion,
    ) -> Result<Listing<Voucher>, Failure> {
        may(actor, Resource::VoucherManagement)?;
        self.vouchers.list(question).await
    }

    /// A voucher.
    ///
    /// # Errors
    /// As above, or there is none of that id.
    pub async fn voucher(&self, actor: &Actor, id: &str) -> Result<Voucher, Failure> {
        may(actor, Resource::VoucherManagement)?;
        self.vouchers.one(id).await
    }

    /// Makes a voucher that `actor` answers for.
    ///
    /// # Errors
    /// As above, or it is not acceptable, or its code is taken.
    pub async fn create_voucher(&self, actor: &Actor, wanted: NewVoucher) -> Result<Voucher, Failure> {
        may(actor, Resource::VoucherManagement)?;
        self.vouchers.create(wanted.check()?, &actor.id).await
    }

    /// Ends a voucher.
    ///
    /// # Errors
    /// As above, or there is none of that id.
    pub async fn deactivate_voucher(&self, actor: &Actor, id: &str) -> Result<Voucher, Failure> {
        may(actor, Resource::VoucherManagement)?;
        self.vouchers.deactivate(id).await
    }

    /// A page of the redemptions of a voucher, newest first.
    ///
    /// # Errors
    /// As above, or there is none of that id.
    pub async fn voucher_usage(
        &self,
        actor: &Actor,
        id: &str,
        page: &Page,
    ) -> Result<Listing<VoucherUsage>, Failure> {
        may(actor, Resource::VoucherManagement)?;
        // Of a voucher that is not there the service knows no redemptions, which is not the same as none.
        let voucher = self.vouchers.one(id).await?;
        self.vouchers.usage_of(&voucher.id, page).await
    }

    /// The vouchers that a customer could use for a purchase, the largest saving first.
    ///
    /// # Errors
    /// Another customer's, nobody's in particular, or the service does not answer; so for the two that follow.
    pub async fn applicable_vouchers(
        &self,
        actor: &Actor,
        question: ApplicableQuestion,
    ) -> Result<Listing<ApplicableVoucher>, Failure> {
        let customer = one_customer(actor, Resource::VoucherUse, question.customer)?;
        self.vouchers.applicable(&customer, question.amount).await
    }

    /// What a voucher would save a customer.
    ///
    /// # Errors
    /// As above.
    pub async fn validate_voucher(&self, actor: &Actor, asked: NewValidation) -> Result<Validation, Failure> {
        let customer = one_customer(actor, Resource::VoucherUse, asked.customer_id.clone())?;
        self.vouchers.validate(&customer, asked.check()?).await
    }

    /// A page of a customer's redemptions, newest first.
    ///
    /// # Errors
    /// As above.
    pub async fn redemptions(
        &self,
        actor: &Actor,
        question: RedemptionsQuestion,
    ) -> Result<Listing<VoucherUsage>, Failure> {
        let customer = one_customer(actor, Resource::VoucherUse, question.customer)?;
        let mut usage = self.vouchers.usage_by(&customer, &question.page).await?;
        usage.items.retain(|usage| sees(actor, Resource::VoucherUse, &usage.customer_id));
        Ok(usage)
    }
}
