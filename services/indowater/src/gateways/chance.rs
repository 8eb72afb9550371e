//! What goes wrong, and how often. The same seed and the same orders give the same mischief, whoever is faster.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// How often things go wrong, in percent.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[command(next_help_heading = "Mischief, in percent")]
pub struct Mischief {
    /// What chance follows from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Notifications sent twice
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub duplicates: u8,
    /// Notifications that are held back, so that they come late and out of order
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub delays: u8,
    /// Notifications that never come
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub losses: u8,
    /// Calls that are done and not answered
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub timeouts: u8,
    /// Calls that are done, and whose connection breaks before the answer
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub resets: u8,
    /// Orders that are only called used when they are made again, though nobody began to pay (Midtrans)
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub taken: u8,
    /// Payments to which the gateway adds its fee
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub fees: u8,
    /// Payments of more than was asked
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub surplus: u8,
    /// Payments by card that the gateway suspects (Midtrans)
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub challenges: u8,
    /// Answers with empty fields and amounts in other notations
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub odd_answers: u8,
    /// Calls that are answered with 503 and not done
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub errors: u8,
    /// Settlements that turn into a deny after one to five minutes (Midtrans)
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub reversals: u8,
    /// Orders that are paid after they expired
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub late_payments: u8,
    /// Genuine notifications that are followed by forged ones: a wrong signature, a wrong amount, an order that nobody
    /// made, and an old notification again
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub attacker: u8,
}

impl Mischief {
    /// Whether something that goes wrong in `percent` of the cases does in the case called `what`.
    pub fn happens(&self, percent: u8, what: &str) -> bool {
        self.roll(what) % 100 < u64::from(percent)
    }

    /// A wait of `most` at most in the case called `what`.
    pub fn wait(&self, most: Duration, what: &str) -> Duration {
        let share = u32::try_from(self.roll(what) % 1_000).unwrap_or(0);
        most.saturating_mul(share + 1) / 1_000
    }

    /// One of the first `many` numbers in the case called `what`.
    pub fn pick(&self, many: u64, what: &str) -> u64 {
        self.roll(what) % many.max(1)
    }

    fn roll(&self, what: &str) -> u64 {
        let hash = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(what).finalize();
        hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_and_rates_hold() {
        let of = |seed| Mischief { seed, ..Mischief::default() };
        let happened =
            |seed| (0..10_000).filter(|n| of(seed).happens(20, &n.to_string())).collect::<Vec<_>>();
        assert_eq!(happened(1), happened(1));
        assert_ne!(happened(1), happened(2));
        assert!((1_800..2_200).contains(&happened(3).len()));
        assert!(!of(1).happens(0, "x") && of(1).happens(100, "x"));
    }

    #[test]
    fn waits_are_bounded() {
        for n in 0..1_000 {
            let wait = Mischief::default().wait(Duration::from_secs(2), &n.to_string());
            assert!(wait <= Duration::from_secs(2) && !wait.is_zero());
        }
    }
}
