//! Bills of postpaid customers, and who pays how.

use std::time::Duration;

use indowater_common::clock;
use indowater_common::domain::request::to_milliseconds;
use indowater_common::domain::zone::{Day, Zone};
use indowater_common::error::{Fatal, Retry};
use indowater_common::mongo::Lease;
use tokio_util::sync::CancellationToken;

use crate::domain::bill::{Account, Bill, HOME_ZONE, Mode, Status};
use crate::mongo::Bills;
use crate::observe;

/// How often it is seen whether a month is to be billed.
const ROUND: Duration = Duration::from_secs(10);

/// Bills and accounts.
#[derive(Clone)]
pub struct BillDesk(Bills);

impl BillDesk {
    /// Over what is stored.
    pub fn new(bills: Bills) -> Self {
        Self(bills)
    }

    /// A bill; none if there is none of that id.
    ///
    /// # Errors
    /// The database does not answer; so for all that follow.
    pub async fn bill(&self, id: &str) -> Result<Option<Bill>, Retry> {
        Ok(self.0.one(id).await?)
    }

    /// A page of bills, newest first, after that of a month and id.
    ///
    /// # Errors
    /// As above.
    pub async fn list(
        &self,
        customer_id: Option<&str>,
        status: Option<Status>,
        after: Option<(&str, &str)>,
        many: usize,
    ) -> Result<Vec<Bill>, Retry> {
        Ok(self.0.list(customer_id, status, after, many).await?)
    }

    /// How a customer pays: before, in Jakarta, if nobody said otherwise.
    ///
    /// # Errors
    /// As above.
    pub async fn account(&self, customer_id: &str) -> Result<Account, Retry> {
        if let Some(account) = self.0.account(customer_id).await? {
            return Ok(account);
        }
        let zone = Zone::named(HOME_ZONE).ok_or_else(|| Retry::because("there is no time zone database"))?;
        Ok(Account {
            customer_id: customer_id.to_owned(),
            mode: Mode::default(),
            zone,
            since: None,
            set_by: None,
            billed: None,
        })
    }

    /// Says how a customer pays from now on.
    ///
    /// # Errors
    /// As above.
    pub async fn set_account(
        &self,
        customer_id: &str,
        mode: Mode,
        zone: &Zone,
        set_by: &str,
    ) -> Result<Account, Retry> {
        self.0.set_account(customer_id, mode, zone, set_by, to_milliseconds(clock::now())).await?;
        observe::account_set(customer_id, mode.name(), set_by);
        self.account(customer_id).await
    }

    /// Makes the bills of the month that ended, at `hour` of its first day, for as long as the service runs. One instance does it
    /// at a time; two would only waste work.
    ///
    /// # Errors
    /// Never; its kind is that of all parts of the service.
    pub async fn issue_all(self, lease: Lease, hour: u8, stop: CancellationToken) -> Result<(), Fatal> {
        while !stop.is_cancelled() {
            if let Err(error) = self.round(&lease, hour).await {
                observe::bills_wait(&error);
            }
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = stop.cancelled() => {}
            }
        }
        // If this does not arrive, it runs out by itself.
        let _ = lease.release().await;
        Ok(())
    }

    async fn round(&self, lease: &Lease, hour: u8) -> Result<(), Retry> {
        if !lease.hold().await? {
            return Ok(());
        }
        let now = to_milliseconds(clock::now());
        // No local month has ended anywhere that has not ended where days begin first.
        let newest = Day(Day::latest_anywhere(now.as_second()).month_start().0 - 1).month_start();
        for account in self.0.unbilled(newest).await? {
            let Some(month) = account.month_due(now, hour) else { continue };
            if let Some(bill) = self.0.issue(&account, month, now).await? {
                observe::bill_issued(&bill);
            }
            lease.hold().await?;
        }
        Ok(())
    }
}
