//! Readiness: a service is ready while each dependency it named has answered lately, and nothing it does stands still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The dependencies of one service. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Health {
    dependencies: Arc<Mutex<Vec<Dependency>>>,
}

/// One thing a service needs before it can serve.
#[derive(Clone)]
pub struct Dependency {
    name: &'static str,
    up: Arc<AtomicBool>,
    watched: Arc<Mutex<Vec<Watch>>>,
}

/// Tells what stands still, if something does.
type Watch = Box<dyn Fn() -> Vec<String> + Send + Sync>;

impl Health {
    /// Names a dependency, down until told otherwise. Name all of them before the first one comes up.
    pub fn needs(&self, name: &'static str) -> Dependency {
        let dependency = Dependency { name, up: Arc::default(), watched: Arc::default() };
        self.dependencies.lock().unwrap_or_else(PoisonError::into_inner).push(dependency.clone());
        dependency
    }

    /// What keeps the service from being ready, for a person to read: the dependencies that are down, and what stands
    /// still although they are up. It is ready when there is nothing.
    pub fn missing(&self) -> Vec<String> {
        let dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        dependencies.iter().flat_map(Dependency::missing).collect()
    }
}

impl Dependency {
    /// Says whether it answered. Returns true when that is news.
    pub fn set(&self, up: bool) -> bool {
        self.up.swap(up, Ordering::AcqRel) != up
    }

    /// From now on `stalls` is consulted each time somebody wants to know whether the service is ready.
    pub fn watch(&self, stalls: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(stalls));
    }

    fn missing(&self) -> Vec<String> {
        if !self.up.load(Ordering::Acquire) {
            return vec![self.name.to_owned()];
        }
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.iter().flat_map(|stalls| stalls()).map(|stall| format!("{}: {stall}", self.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_while_every_dependency_is_up() {
        let health = Health::default();
        let (kafka, mongo) = (health.needs("kafka"), health.needs("mongodb"));
        assert_eq!(health.missing(), ["kafka", "mongodb"]);
        assert!(kafka.set(true) && mongo.set(true) && !mongo.set(true));
        assert!(health.missing().is_empty());
        kafka.set(false);
        assert_eq!(health.missing(), ["kafka"]);
    }

    #[test]
    fn what_stands_still_is_told_with_the_reason() {
        let health = Health::default();
        let (kafka, stalled) = (health.needs("readings"), Arc::new(AtomicBool::new(true)));
        let seen = stalled.clone();
        kafka.watch(move || {
            if seen.load(Ordering::Acquire) { vec!["partition 3 waits".to_owned()] } else { Vec::new() }
        });
        assert_eq!(health.missing(), ["readings"], "down is reason enough");
        kafka.set(true);
        assert_eq!(health.missing(), ["readings: partition 3 waits"]);
        stalled.store(false, Ordering::Release);
        assert!(health.missing().is_empty());
    }
}
