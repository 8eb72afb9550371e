//! `topics`: the table of topics, for a person or as Kubernetes resources that Strimzi's topic operator makes real.
//!
//! It asks nobody: what it prints is what this release is built with.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use indowater_proto::topics::{ALL, DEFAULT_PREFIX, Retention, Topic};

/// Print the table of topics that this release is built with
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// As `KafkaTopic` resources, for Strimzi
    #[arg(long)]
    kubernetes: bool,
    /// On how many brokers each record is kept, in the resources
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    replicas: u8,
    /// The `Kafka` resource that the topics belong to
    #[arg(long, value_name = "NAME", default_value = "indowater")]
    cluster: String,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    print!("{}", if args.kubernetes { resources(&args.cluster, args.replicas) } else { table() });
    Ok(ExitCode::SUCCESS)
}

/// One line for each topic: name, partitions, how long records stay.
fn table() -> String {
    let mut text = String::new();
    for topic in ALL {
        let kept = match topic.retention {
            Retention::Days(days) => format!("{days} days"),
            Retention::Compacted => "compacted".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{:45} {:>2} partitions  {kept}", topic.name(DEFAULT_PREFIX), topic.partitions);
    }
    text
}

/// All topics as `KafkaTopic` resources of `cluster`, each record on `replicas` brokers, in YAML.
pub fn resources(cluster: &str, replicas: u8) -> String {
    let written = ALL.map(|topic| resource(topic, cluster, replicas));
    format!(
        "# Made by `indowater topics --kubernetes`, from the table in proto/src/topics.rs.\n{}",
        written.join("---\n")
    )
}

fn resource(topic: &Topic, cluster: &str, replicas: u8) -> String {
    let mut text = format!(
        "apiVersion: kafka.strimzi.io/v1\nkind: KafkaTopic\nmetadata:\n  name: {}\n  labels: {{strimzi.io/cluster: {cluster}}}\n\
         spec:\n  partitions: {}\n  replicas: {replicas}\n  config:\n",
        topic.name(DEFAULT_PREFIX),
        topic.partitions,
    );
    for (key, value) in topic.settings() {
        // Numbers are quoted too: the operator compares what it reads with what the broker says, which is text.
        let _ = writeln!(text, "    {key}: \"{value}\"");
    }
    text
}
