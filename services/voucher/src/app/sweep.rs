//! Giving back what nobody gave back: a task that runs on every instance, and works on one of them.
//!
//! A lease chooses the one, so that instances do not do the same work; that none of it is done twice rests on the
//! transactions, not on the lease. Between two sweeps an overdue place is free all the same for whoever needs it.

use std::time::Duration;

use indowater_common::error::Fatal;
use indowater_common::mongo::Lease;
use tokio_util::sync::CancellationToken;

use super::vouchers::Vouchers;
use crate::observe;

/// Places given back in one go: few enough that the lease is renewed in time.
const ROUND: i64 = 200;

/// How long a lease is held without being renewed: about until the next sweep is due, and what a round takes. A dead
/// holder's must not keep the others long, so sweeps that are rare may be done by any of them.
pub fn term(every: Duration) -> Duration {
    every.min(Duration::from_secs(60)) + Duration::from_secs(10)
}

/// Sweeps every so often, for as long as the service runs.
///
/// # Errors
/// None: what fails is tried again at the next sweep.
pub async fn sweep(
    vouchers: Vouchers,
    lease: Lease,
    every: Duration,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    while !stop.is_cancelled() {
        let pause = match round(&vouchers, &lease).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => every,
            Err(error) => {
                observe::sweep_failed(&error);
                every
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    // It runs out by itself if the database does not answer.
    let _ = lease.release().await;
    Ok(())
}

/// True if there is more to give back.
async fn round(vouchers: &Vouchers, lease: &Lease) -> Result<bool, Fatal> {
    if !lease.hold().await? {
        return Ok(false);
    }
    let found = vouchers.sweep(ROUND).await?;
    Ok(i64::try_from(found).is_ok_and(|found| found >= ROUND))
}
