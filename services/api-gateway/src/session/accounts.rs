//! What users see and change about themselves.

use indowater_common::clock;
use secrecy::SecretString;

use super::login::Caller;
use super::state::Sessions;
use super::user::{Account, Email, ProfileChange, User, check_new_password};
use crate::access::{Role, UserId};
use crate::failure::Failure;

impl Sessions {
    /// The user who is asking.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn profile(&self, caller: &Caller) -> Result<User, Failure> {
        Ok(self.own_account(caller).await?.user)
    }

    /// Changes what users may change about themselves.
    ///
    /// # Errors
    /// A value that is not acceptable.
    pub async fn change_profile(&self, caller: &Caller, change: ProfileChange) -> Result<User, Failure> {
        let change = change.check()?;
        let changed = self.store.change_profile(&caller.actor.id, &change, clock::now()).await?;
        changed.ok_or(Failure::NotFound("user"))
    }

    /// Replaces the password of whoever knows the old one, and ends all other sessions: who changes a password often
    /// does so because somebody else knew it.
    ///
    /// # Errors
    /// The old one is wrong, the new one not acceptable, or both too often: a session that was left open must not
    /// become a place to guess the password.
    pub async fn change_password(
        &self,
        caller: &Caller,
        old: SecretString,
        new: SecretString,
        from: std::net::IpAddr,
    ) -> Result<(), Failure> {
        check_new_password(&old, &new)?;
        let account = self.own_account(caller).await?;
        self.limits.admit(from, &Email::new(&account.user.email)).map_err(Failure::TooMany)?;
        if !self.passwords.verify(old, Some(account.hashed_password.clone())).await? {
            return Err(Failure::invalid("old_password", "is not the present password"));
        }
        let hashed = self.passwords.hash(new).await?;
        if !self.store.replace_password(&account, &hashed, clock::now()).await? {
            return Err(Failure::conflict("The password was changed by another session meanwhile."));
        }
        self.log_out_everywhere(caller, true).await
    }

    /// A user who is a customer. Other services take any name for a customer's, so a typing error is to be found here.
    ///
    /// # Errors
    /// There is no such customer.
    pub async fn customer(&self, id: &UserId) -> Result<User, Failure> {
        let account = self.store.account_by_id(id).await?;
        let customer = account.map(|account| account.user).filter(|user| user.role == Role::Customer);
        customer.ok_or(Failure::NotFound("customer"))
    }

    /// The customer of the id in a path.
    ///
    /// # Errors
    /// There is no such customer.
    pub async fn customer_of(&self, id: &str) -> Result<User, Failure> {
        self.customer(&UserId::new(id).ok_or(Failure::NotFound("customer"))?).await
    }

    async fn own_account(&self, caller: &Caller) -> Result<Account, Failure> {
        self.store.account_by_id(&caller.actor.id).await?.ok_or(Failure::NotFound("user"))
    }
}
