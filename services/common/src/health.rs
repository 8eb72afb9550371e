//! Readiness: a service is ready while each dependency it named has answered lately.

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
}

impl Health {
    /// Names a dependency, down until told otherwise. Name all of them before the first one comes up.
    pub fn needs(&self, name: &'static str) -> Dependency {
        let dependency = Dependency { name, up: Arc::default() };
        self.dependencies.lock().unwrap_or_else(PoisonError::into_inner).push(dependency.clone());
        dependency
    }

    /// The dependencies that are down; the service is ready when there are none.
    pub fn missing(&self) -> Vec<&'static str> {
        let dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        dependencies.iter().filter(|d| !d.up.load(Ordering::Acquire)).map(|d| d.name).collect()
    }
}

impl Dependency {
    /// Says whether it answered. Returns true when that is news.
    pub fn set(&self, up: bool) -> bool {
        self.up.swap(up, Ordering::AcqRel) != up
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
}
