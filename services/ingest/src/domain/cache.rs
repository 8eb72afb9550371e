//! The devices a partition remembers, so that telemetry does not cost a query.
//!
//! Each partition has a cache of its own and nobody else touches it: no lock and no shared counter on the hot path. The price is that a device whose messages carry no key, and
//! so come on any partition, is remembered by several.
//!
//! It is bounded by generations: what is looked up moves to the young one; when that is full it becomes the old one,
//! and the old one is forgotten. Generations turn only between batches, so whatever a batch loaded is there until it
//! is done. Devices that are not in the registry are not remembered: the next message finds them enrolled.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use indowater_common::domain::identifier::key;

use super::facts::{Change, Facts};

/// Devices by the identifier on the meter, as it is compared.
pub struct Cache {
    young: HashMap<Box<str>, Box<Facts>>,
    old: HashMap<Box<str>, Box<Facts>>,
    keep: usize,
    /// The few time zones and classes that all devices share.
    names: HashSet<Arc<str>>,
}

impl Cache {
    /// An empty cache that surely remembers the latest `keep` devices, and at most twice as many and one batch.
    pub fn new(keep: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), keep, names: HashSet::new() }
    }

    /// The device of that [key], if it is remembered.
    pub fn get(&mut self, device_key: &str) -> Option<&mut Facts> {
        if !self.old.is_empty()
            && !self.young.contains_key(device_key)
            && let Some((key, known)) = self.old.remove_entry(device_key)
        {
            self.young.insert(key, known);
        }
        self.young.get_mut(device_key).map(|known| &mut **known)
    }

    /// Remembers a device that was loaded from the registry.
    pub fn insert(&mut self, device_id: &str, mut facts: Facts) {
        self.intern(&mut facts);
        self.young.insert(key(device_id).into(), Box::new(facts));
    }

    /// Applies a change of the registry to a device that is remembered. The higher version wins: a change may be told
    /// late, or again.
    ///
    /// By a meter that is not there any more it is forgotten, and so is whoever had a meter that came from elsewhere.
    pub fn change(&mut self, change: &Change) {
        let id = &change.facts.id;
        for former in &change.former_device_ids {
            self.forget(&key(former), |known| known.id == *id);
        }
        let key = key(&change.device_id);
        self.forget(&key, |known| known.id != *id);
        let known = self.young.get_mut(&*key).or_else(|| self.old.get_mut(&*key));
        if let Some(known) = known.filter(|known| known.version < change.facts.version) {
            **known = change.facts.clone();
        }
    }

    fn forget(&mut self, key: &str, which: impl Fn(&Facts) -> bool) {
        for generation in [&mut self.young, &mut self.old] {
            if generation.get(key).is_some_and(|known| which(known)) {
                generation.remove(key);
            }
        }
    }

    /// Turns the generation if it is full. To be called between batches.
    pub fn settle(&mut self) {
        if self.young.len() >= self.keep {
            self.old = mem::take(&mut self.young);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// How many devices are remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn intern(&mut self, facts: &mut Facts) {
        for name in [&mut facts.time_zone, &mut facts.tariff_class] {
            match self.names.get(&**name) {
                Some(shared) => *name = shared.clone(),
                None => _ = self.names.insert(name.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::example;

    fn known(version: i64, class: &str) -> Facts {
        Facts { tariff_class: class.into(), version, ..example() }
    }

    fn told(device_id: &str, facts: Facts) -> Change {
        Change { device_id: device_id.into(), former_device_ids: Box::default(), facts }
    }

    fn remembered(cache: &mut Cache, names: std::ops::Range<u32>) -> usize {
        names.filter(|name| cache.get(&name.to_string()).is_some()).count()
    }

    #[test]
    fn the_latest_are_kept_and_the_bound_holds() {
        let mut cache = Cache::new(100);
        for name in 0..1_000_u32 {
            cache.settle();
            cache.insert(&name.to_string(), known(1, "a"));
            assert!(cache.len() <= 200);
        }
        assert_eq!(remembered(&mut cache, 900..1_000), 100);
        assert_eq!(remembered(&mut cache, 0..800), 0);
    }

    #[test]
    fn what_is_looked_up_stays() {
        let mut cache = Cache::new(10);
        cache.insert("often", known(1, "a"));
        for name in 0..1_000_u32 {
            cache.settle();
            assert!(cache.get("often").is_some(), "{name}");
            cache.insert(&name.to_string(), known(1, "a"));
        }
    }

    #[test]
    fn a_batch_larger_than_the_cache_is_there_until_it_is_done() {
        let mut cache = Cache::new(10);
        cache.settle();
        for name in 0..1_000_u32 {
            cache.insert(&name.to_string(), known(1, "a"));
        }
        assert_eq!(remembered(&mut cache, 0..1_000), 1_000);
    }

    #[test]
    fn the_higher_version_wins() {
        let mut cache = Cache::new(10);
        cache.insert("d", known(3, "a"));
        let change = |version, class| told("d", known(version, class));
        for (version, class, expected) in [(2, "b", "a"), (3, "b", "a"), (4, "b", "b"), (3, "c", "b")] {
            cache.change(&change(version, class));
            let known = cache.get("d").unwrap();
            assert_eq!(&*known.tariff_class, expected);
        }
    }

    #[test]
    fn a_change_reaches_the_old_generation_and_enrols_nobody() {
        let mut cache = Cache::new(1);
        cache.insert("d", known(1, "a"));
        cache.settle();
        cache.change(&told("d", known(2, "b")));
        cache.change(&told("e", known(2, "b")));
        assert_eq!(cache.len(), 1);
        assert_eq!(&*cache.get("d").unwrap().tariff_class, "b");
    }

    #[test]
    fn a_device_is_remembered_by_its_key_however_it_is_written() {
        let mut cache = Cache::new(10);
        cache.insert(" SN-1", known(1, "a"));
        cache.change(&told("Sn-1 ", known(2, "b")));
        assert_eq!(&*cache.get("sn-1").unwrap().tariff_class, "b");
        cache.insert("sn-1", known(3, "c"));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_meter_that_went_is_forgotten_and_one_that_came_is_looked_up_again() {
        let mut cache = Cache::new(10);
        cache.insert("sn-1", known(1, "a"));
        let exchanged = told("SN-2", known(2, "a"));
        cache.change(&Change { former_device_ids: ["SN-1".into()].into(), ..exchanged });
        assert!(cache.get("sn-1").is_none());
        // Under the same identifier another device is enrolled.
        cache.insert("sn-1", known(2, "a"));
        let other = Facts { id: "device-2".into(), ..known(2, "b") };
        cache.change(&told("SN-1", other.clone()));
        assert!(cache.get("sn-1").is_none());
        // What is told of a device that had it once does not touch who has it now.
        cache.insert("sn-1", other);
        let later = told("SN-2", known(3, "a"));
        cache.change(&Change { former_device_ids: ["SN-1".into()].into(), ..later });
        assert_eq!(&*cache.get("sn-1").unwrap().id, "device-2");
    }

    #[test]
    fn names_are_shared() {
        let mut cache = Cache::new(10);
        cache.insert("d", known(1, "a"));
        cache.insert("e", known(1, "a"));
        let zone = cache.get("d").unwrap().time_zone.clone();
        assert!(Arc::ptr_eq(&zone, &cache.get("e").unwrap().time_zone));
    }
}
