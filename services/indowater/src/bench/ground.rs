//! Where is measured: a broker and a database of our own in a temporary folder, or named ones, with topics and a
//! database of their own for each run.

use std::time::Duration;

use anyhow::{Context as _, Result};
use indowater_common::kafka::base_config;
use indowater_proto::topics;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use tempfile::TempDir;

use super::processes::Watched;
use crate::clients;
use crate::stack::{DataFolder, MongoOptions, Progress, Stack, StackOptions, Step};
use crate::system::System;

pub(super) struct Ground {
    stack: Option<Stack>,
    pub folder: DataFolder,
    kafka: String,
    mongodb: String,
    /// Deleted when all else is gone.
    _home: TempDir,
}

impl Ground {
    /// The broker and the database that are `named`, or private ones.
    pub(super) async fn open(named: Option<(&str, &str)>) -> Result<Self> {
        let home = tempfile::tempdir().context("there is no temporary folder")?;
        let folder = DataFolder::open(home.path()).await?;
        let (stack, kafka, mongodb) = match named {
            Some((kafka, mongodb)) => (None, kafka.to_owned(), mongodb.to_owned()),
            None => {
                let stack = Stack::start(&folder, &options(), &Progress::new(tell)).await?;
                let (kafka, mongodb) = (stack.kafka.bootstrap().to_owned(), stack.mongodb.uri());
                (Some(stack), kafka, mongodb)
            }
        };
        Ok(Self { stack, folder, kafka, mongodb, _home: home })
    }

    /// The topics and the database of one run.
    pub(super) fn site(&self, run: u32) -> System {
        let name = format!("bench-{}-{run}", std::process::id());
        System {
            topic_prefix: name.clone(),
            database: name,
            ..System::at(self.kafka.clone(), self.mongodb.clone())
        }
    }

    /// The processes of ours that every run shares.
    pub(super) fn processes(&self) -> Vec<Watched> {
        self.stack
            .iter()
            .flat_map(|stack| [stack.kafka.process(), stack.mongodb.process()])
            .map(Watched::from)
            .collect()
    }

    /// Removes what a run left.
    pub(super) async fn clear(&self, site: &System) -> Result<()> {
        clients::database(site).await?.drop().await.context("the run's database was not dropped")?;
        let admin: AdminClient<DefaultClientContext> = base_config(&clients::kafka(site)).create()?;
        let names: Vec<String> = topics::ALL.iter().map(|topic| topic.name(&site.topic_prefix)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        admin.delete_topics(&names, &options).await.context("the run's topics were not deleted")?;
        Ok(())
    }

    /// Stops what was started.
    pub(super) async fn close(self) {
        if let Some(stack) = self.stack {
            stack.stop().await;
        }
    }
}

/// A database with a cache as in production: the smaller one of a developer's machine would be measured by how often it
/// writes the same pages to the disk.
fn options() -> StackOptions {
    StackOptions {
        mongodb: MongoOptions { cache_megabytes: 4_000, ..MongoOptions::default() },
        ..StackOptions::default()
    }
}

fn tell(step: Step) {
    match step {
        Step::Began(what) => eprintln!("{what}"),
        Step::Done(..) | Step::Failed(_) => {}
    }
}
