//! How often somebody may try to log in: per address against one guesser with many accounts, per account against many
//! guessers with one.
//!
//! Each instance counts by itself: with n of them behind a balancer up to n times as many attempts pass, which is no
//! help to a guesser and spares every log-in a shared store. Nobody is locked out for long, because a limit per
//! account is also a way to keep its owner out.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::user::Email;

/// How often what nobody asks about any more is forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Log-in attempts so far.
pub struct LoginLimits {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    /// By digest, so that an entry has one size whatever was typed.
    by_account: DefaultKeyedRateLimiter<[u8; 32]>,
}

impl LoginLimits {
    /// Limits of so many attempts a minute, all of which may come at once.
    pub fn new(per_address: NonZeroU32, per_account: NonZeroU32) -> Self {
        Self {
            by_address: RateLimiter::keyed(Quota::per_minute(per_address)),
            by_account: RateLimiter::keyed(Quota::per_minute(per_account)),
        }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// It is one too many; holds how long to wait. The address is asked first, so that one address cannot use up
    /// the attempts of all accounts, nor fill the memory with accounts.
    pub fn admit(&self, address: IpAddr, email: &Email) -> Result<(), Duration> {
        let now = DefaultClock::default().now();
        self.by_address.check_key(&network(address)).map_err(|until| until.wait_time_from(now))?;
        let account = Sha256::digest(email.as_str()).into();
        self.by_account.check_key(&account).map_err(|until| until.wait_time_from(now))
    }

    /// Forgets those who have not tried lately, now and then, until `stop`.
    pub async fn forget_the_idle(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(HOUSEKEEPING)).await.is_some() {
            self.by_address.retain_recent();
            self.by_account.retain_recent();
        }
    }
}

/// What counts as one address: an IPv6 customer is given a /64 and could use a new address for each attempt.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_address: u32, per_account: u32) -> LoginLimits {
        LoginLimits::new(NonZeroU32::new(per_address).unwrap(), NonZeroU32::new(per_account).unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_guesses_many_accounts_is_stopped() {
        let limits = limits(3, 100);
        for account in ["a", "b", "c"] {
            assert_eq!(limits.admit(address("192.0.2.1"), &Email::new(account)), Ok(()));
        }
        let wait = limits.admit(address("192.0.2.1"), &Email::new("d")).unwrap_err();
        assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(limits.admit(address("192.0.2.2"), &Email::new("d")), Ok(()));
    }

    #[test]
    fn an_account_that_many_guess_is_protected() {
        let limits = limits(100, 2);
        let account = Email::new("siti@indowater.com");
        assert_eq!(limits.admit(address("192.0.2.1"), &account), Ok(()));
        assert_eq!(limits.admit(address("192.0.2.2"), &account), Ok(()));
        assert!(limits.admit(address("192.0.2.3"), &account).is_err());
        assert_eq!(limits.admit(address("192.0.2.3"), &Email::new("other")), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(network(address(one)) == network(address(other)), same, "{one} {other}");
        }
    }
}
