//! Properties that change hands while their meters report.

use std::collections::HashMap;

use indowater_common::domain::zone::{Day, Zone};
use indowater_proto::registry::v1::{Property, TransferPropertyRequest};
use rand::{Rng, RngExt as _};

/// Who has moved into which property so far.
#[derive(Debug, Default)]
pub struct Moves {
    /// By `properties.id`: how many customers it has had, and from which day on it is the last one's.
    of: HashMap<String, (u32, Day)>,
    /// What the registry has not been asked for yet.
    due: Vec<TransferPropertyRequest>,
}

impl Moves {
    /// The next customer of `property`: from the local midnight before `at` on, or from the one before that, so that days which
    /// were already charged change hands too. Later moves hold from no earlier day.
    pub fn begin(&mut self, property: &Property, zone: &Zone, at: i64, rng: &mut impl Rng) {
        let today = zone.day_of(at);
        let (customers, last) = self.of.entry(property.id.clone()).or_insert((1, Day(today.0 - 1)));
        let from = Day(today.0 - rng.random_range(0..=1)).max(*last);
        (*customers, *last) = (*customers + 1, from);
        self.due.push(TransferPropertyRequest {
            id: property.id.clone(),
            customer_id: format!("{}-{customers}", property.customer_id),
            effective_from: from.to_string(),
            version: None,
        });
    }

    /// What the registry is to be asked for.
    pub fn take(&mut self) -> Vec<TransferPropertyRequest> {
        std::mem::take(&mut self.due)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn each_customer_follows_the_one_before_from_a_midnight_on() {
        let property = Property { id: "p".into(), customer_id: "c".into(), ..Property::default() };
        let (zone, mut rng) = (Zone::named("Asia/Makassar").unwrap(), ChaCha8Rng::seed_from_u64(1));
        // 2026-11-22T00:30 in Makassar, which is still the day before in UTC.
        let at = 1_795_278_600;
        let mut moves = Moves::default();
        for _ in 0..20 {
            moves.begin(&property, &zone, at, &mut rng);
        }
        let taken = moves.take();
        assert_eq!((taken[0].customer_id.as_str(), taken[19].customer_id.as_str()), ("c-2", "c-21"));
        let days: Vec<&str> = taken.iter().map(|of| of.effective_from.as_str()).collect();
        assert!(days.is_sorted() && days[0] == "2026-11-21" && days[19] == "2026-11-22", "{days:?}");
        assert!(moves.take().is_empty(), "each is asked for once");
    }
}
