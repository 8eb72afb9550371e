//! What the broker and the database do alone, without our services between them: the ceiling of a run, measured in it.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context as _, Result};
use bson::{RawBson, RawDocumentBuf, doc};
use futures::TryStreamExt as _;
use indowater_common::mongo::{Guarded, write_guarded};
use indowater_proto::topics::TELEMETRY;
use mongodb::Database;
use serde::Serialize;

use crate::clients;
use crate::system::System;
use crate::topic::Reader;

/// How many of the run's documents are written again.
const DOCUMENTS: i64 = 100_000;
const SCRATCH: &str = "bench_upserts";

/// Messages per second that a plain consumer of all partitions takes from the backlog.
pub(super) async fn consume(site: &System) -> Result<f64> {
    let (kafka, topic) = (clients::kafka(site), TELEMETRY.name(&site.topic_prefix));
    clients::blocking(move || {
        let reader = Reader::open(&kafka)?;
        let extent = reader.extent(&topic)?;
        let (mut messages, started) = (0.0, Instant::now());
        reader.read(&topic, &extent, |_| {
            messages += 1.0;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(messages / started.elapsed().as_secs_f64())
    })
    .await
}

/// Documents per second that the database takes from two writers in the pipeline's own bulks: by `_id`, guarded,
/// unordered, on a majority and in the journal.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Upserts {
    /// As new documents.
    pub inserts: f64,
    /// In place of older ones.
    pub replacements: f64,
}

/// Writes documents that the pipeline wrote into a collection with the same indexes.
pub(super) async fn upsert(database: &Database) -> Result<Upserts> {
    let written = database.collection::<RawDocumentBuf>("water_usage");
    let indexes: Vec<_> = written.list_indexes().await?.try_collect().await?;
    let indexes = indexes.into_iter().filter(|index| !index.keys.contains_key("_id"));
    database.collection::<RawDocumentBuf>(SCRATCH).create_indexes(indexes).await?;
    let documents: Vec<RawDocumentBuf> = written.find(doc! {}).limit(DOCUMENTS).await?.try_collect().await?;
    let revised: Vec<Guarded> = documents.iter().map(revise).collect::<Result<_>>()?;
    let first = std::iter::zip(documents, &revised)
        .map(|(document, revised)| Guarded { id: revised.id.clone(), replaces: 0, document, kept: None })
        .collect::<Vec<_>>();
    let upserts =
        Upserts { inserts: write(database, &first).await?, replacements: write(database, &revised).await? };
    database.collection::<RawDocumentBuf>(SCRATCH).drop().await?;
    Ok(upserts)
}

/// The next revision of a document, otherwise the same.
fn revise(document: &RawDocumentBuf) -> Result<Guarded> {
    let replaces = document.get_i64("revision")?;
    let mut revised = RawDocumentBuf::new();
    for element in document.iter() {
        let (key, value) = element?;
        match key.as_str() {
            "revision" => revised.append(key, RawBson::Int64(replaces + 1)),
            _ => revised.append(key, value),
        }
    }
    Ok(Guarded { id: document.get_str("_id")?.to_owned(), replaces, document: revised, kept: None })
}

async fn write(database: &Database, documents: &[Guarded]) -> Result<f64> {
    let (one, two) = documents.split_at(documents.len() / 2);
    let started = Instant::now();
    tokio::try_join!(write_guarded(database, SCRATCH, one), write_guarded(database, SCRATCH, two))
        .context("the database did not take the documents again")?;
    Ok(documents.len() as f64 / started.elapsed().as_secs_f64())
}
