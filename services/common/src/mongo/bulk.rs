//! Guarded bulk writes: many documents by `_id`, each only if it is still as the writer knew it.
//!
//! The guard is the `revision` field. A writer that lost its partition without knowing holds an old revision, so its
//! write finds nothing to replace, tries to insert, and meets the `_id` that is there: a conflict, reported by index,
//! for the writer to load the document again and merge. Nothing newer is ever overwritten.

use bson::{RawDocumentBuf, doc, rawdoc};
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
/// knew them.
///
/// # Errors
/// The database does not answer, or refuses a document for another reason than its guard. Some may be written then;
/// writing all again is safe.
pub async fn write_guarded(
    database: &Database,
    collection: &str,
    documents: &[Guarded],
) -> Result<Vec<usize>, Error> {
    let mut conflicts = Vec::new();
    for (number, chunk) in documents.chunks(PER_COMMAND).enumerate() {
        let mut updates = bson::RawArrayBuf::new();
        for guarded in chunk {
            updates.push(rawdoc! {
                "q": { "_id": guarded.id.as_str(), "revision": guarded.replaces },
                "u": guarded.document.clone(),
                "upsert": true,
            });
        }
        let command = rawdoc! {
            "update": collection,
            "updates": updates,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let answer: Answer = bson::deserialize_from_document(database.run_raw_command(command).await?)?;
        if let Some(error) = answer.write_concern_error {
            return Err(Error::custom(format!("the write is not durable yet: {}", error.errmsg)));
        }
        for error in answer.write_errors {
            if error.code != DUPLICATE_KEY {
                return Err(Error::custom(format!("the database refused a document: {}", error.errmsg)));
            }
            conflicts.push(number * PER_COMMAND + error.index);
        }
    }
    Ok(conflicts)
}
