//! Guarded bulk writes: many documents by `_id`, each only if it is still as the writer knew it.
//!
//! The guard is the `revision` field. A writer that lost its partition without knowing holds an old revision: it inserts
//! and meets the `_id` that is there, or replaces and meets another revision. That is a conflict, reported by index, for
//! the writer to load the document again and merge. Nothing newer is ever overwritten.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use mongodb::Database;
use mongodb::error::Error;
use serde::Deserialize;

/// A whole document and the revision it replaces.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// The `_id`.
    pub id: String,
    /// The revision the writer read; 0 if there was no document.
    pub replaces: i64,
    /// The new document, `_id` and new revision included.
    pub document: RawDocumentBuf,
}

/// Documents of one command: about where larger ones stop being faster.
const PER_COMMAND: usize = 500;
const DUPLICATE_KEY: i32 = 11_000;
const CONVERSION_FAILURE: i32 = 241;

#[derive(Deserialize)]
struct Answer {
    #[serde(default, rename = "writeErrors")]
    write_errors: Vec<WriteError>,
    #[serde(default, rename = "writeConcernError")]
    write_concern_error: Option<WriteConcernError>,
}

#[derive(Deserialize)]
struct WriteError {
    index: usize,
    code: i32,
    #[serde(default)]
    errmsg: String,
}

#[derive(Deserialize)]
struct WriteConcernError {
    #[serde(default)]
    errmsg: String,
}

/// Writes `documents`, unordered, durable on a majority. Returns the indexes of those that were not as the writer
/// knew them, rising.
///
/// New documents are inserted: the database takes an insertion for a quarter of the price of an update that finds nothing, and
/// the `_id` guards both alike.
///
/// # Errors
/// The database does not answer, or refuses a document for another reason than its guard. Some may be written then;
/// writing all again is safe.
pub async fn write_guarded(
    database: &Database,
    collection: &str,
    documents: &[Guarded],
) -> Result<Vec<usize>, Error> {
    let (new, known): (Vec<usize>, Vec<usize>) =
        (0..documents.len()).partition(|at| documents[*at].replaces == 0);
    let mut conflicts = Vec::new();
    for chunk in new.chunks(PER_COMMAND) {
        let documents = chunk.iter().map(|at| documents[*at].document.clone());
        let command = rawdoc! { "insert": collection, "documents": array(documents) };
        conflicts.extend(run(database, command).await?.into_iter().map(|at| chunk[at]));
    }
    for chunk in known.chunks(PER_COMMAND) {
        let updates = chunk.iter().map(|at| replacement(&documents[*at]));
        let command = rawdoc! { "update": collection, "updates": array(updates) };
        conflicts.extend(run(database, command).await?.into_iter().map(|at| chunk[at]));
    }
    conflicts.sort_unstable();
    Ok(conflicts)
}

fn array(documents: impl Iterator<Item = RawDocumentBuf>) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    documents.for_each(|document| array.push(document));
    array
}

/// A filter on the revision would take the guard too, but then the database plans each update as a query, at twice the
/// price of finding it by `_id` alone. So the guard stands in the update, and one that does not hold fails: an `_id` is
/// never a number. Where there is no document the upsert has it fail as well.
fn replacement(guarded: &Guarded) -> RawDocumentBuf {
    let holds = rawdoc! { "$eq": ["$revision", guarded.replaces] };
    let new = rawdoc! { "$literal": guarded.document.clone() };
    rawdoc! {
        "q": { "_id": guarded.id.as_str() },
        "u": [{ "$replaceWith": { "$cond": [holds, new, { "$toInt": "$_id" }] } }],
        "upsert": true,
    }
}

/// Runs a bulk. Returns which of its documents were not as the writer knew them.
async fn run(database: &Database, mut command: RawDocumentBuf) -> Result<Vec<usize>, Error> {
    command.append(cstr!("ordered"), false);
    command.append(cstr!("writeConcern"), rawdoc! { "w": "majority", "j": true });
    let answer: Answer = bson::deserialize_from_document(database.run_raw_command(command).await?)?;
    if let Some(error) = answer.write_concern_error {
        return Err(Error::custom(format!("the write is not durable yet: {}", error.errmsg)));
    }
    let refused = |error: WriteError| match error.code {
        DUPLICATE_KEY | CONVERSION_FAILURE => Ok(error.index),
        _ => Err(Error::custom(format!("the database refused a document: {}", error.errmsg))),
    };
    answer.write_errors.into_iter().map(refused).collect()
}
