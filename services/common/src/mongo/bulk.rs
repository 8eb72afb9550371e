//! Bulk writes: many updates by `_id` at the price of few, and guarded ones that write a document only if it is still as
//! the writer knew it.
//!
//! The guard is the `revision` field. A writer that lost its partition without knowing holds an old revision: it inserts
//! and meets the `_id` that is there, or replaces and meets another revision. That is a conflict, reported by index, for
//! the writer to load the document again and merge. Nothing newer is ever overwritten.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use mongodb::error::Error;
use mongodb::{ClientSession, Database};
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

/// A statement of a bulk that the database refused.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// Which one.
    pub index: usize,
    /// MongoDB's error code.
    pub code: i32,
    /// What the database says.
    #[serde(default, rename = "errmsg")]
    pub message: String,
}

/// Documents of one command: about where larger ones stop being faster.
const PER_COMMAND: usize = 500;
const DUPLICATE_KEY: i32 = 11_000;
const CONVERSION_FAILURE: i32 = 241;

#[derive(Deserialize)]
struct Answer {
    /// Documents that a statement met, or made.
    #[serde(default)]
    n: i64,
    #[serde(default, rename = "writeErrors")]
    refusals: Vec<Refusal>,
    #[serde(default, rename = "writeConcernError")]
    write_concern_error: Option<WriteConcernError>,
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
        let documents = array(chunk.iter().map(|at| documents[*at].document.clone()));
        let insertion = rawdoc! { "insert": collection, "documents": documents, "ordered": false };
        conflicts.extend(conflicting(run(database, insertion).await?)?.into_iter().map(|at| chunk[at]));
    }
    let replacements: Vec<RawDocumentBuf> = known.iter().map(|at| replacement(&documents[*at])).collect();
    let refusals = update(database, collection, replacements).await?;
    conflicts.extend(conflicting(refusals)?.into_iter().map(|at| known[at]));
    conflicts.sort_unstable();
    Ok(conflicts)
}

/// Runs update statements (`q`, `u`, `upsert`), unordered, durable on a majority. Returns those that were refused, rising;
/// the others took effect.
///
/// Statements by `_id` alone, in its order, are the cheapest. Each bulk is tried as one transaction, whose single journal
/// entry makes an update cheaper by a third. Whatever ends a transaction (a refusal, another writer, a new primary) is
/// no error yet: the bulk runs again statement by statement.
///
/// # Errors
/// The database does not answer. Some statements may have taken effect then.
pub async fn update(
    database: &Database,
    collection: &str,
    statements: Vec<RawDocumentBuf>,
) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    for (number, chunk) in statements.chunks(PER_COMMAND).enumerate() {
        let updates = array(chunk.iter().cloned());
        if transact(database, collection, updates.clone()).await.is_err() {
            let bulk = rawdoc! { "update": collection, "updates": updates, "ordered": false };
            let refused = run(database, bulk).await?.into_iter();
            refusals.extend(refused.map(|one| Refusal { index: number * PER_COMMAND + one.index, ..one }));
        }
    }
    Ok(refusals)
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

/// The indexes of those whose guard did not hold.
fn conflicting(refusals: Vec<Refusal>) -> Result<Vec<usize>, Error> {
    let refused = |refusal: Refusal| match refusal.code {
        DUPLICATE_KEY | CONVERSION_FAILURE => Ok(refusal.index),
        _ => Err(Error::custom(format!("the database refused a document: {}", refusal.message))),
    };
    refusals.into_iter().map(refused).collect()
}

/// Runs a bulk, statement by statement.
async fn run(database: &Database, mut command: RawDocumentBuf) -> Result<Vec<Refusal>, Error> {
    command.append(cstr!("writeConcern"), rawdoc! { "w": "majority", "j": true });
    let answer: Answer = bson::deserialize_from_document(database.run_raw_command(command).await?)?;
    match answer.write_concern_error {
        Some(error) => Err(Error::custom(format!("the write is not durable yet: {}", error.errmsg))),
        None => Ok(answer.refusals),
    }
}

/// Runs update statements as one transaction: all of them or none, durable as [`connect`](super::connect) has every write.
async fn transact(database: &Database, collection: &str, statements: RawArrayBuf) -> Result<(), Error> {
    let mut session = database.client().start_session().await?;
    session.start_transaction().await?;
    update_within(&mut session, database, collection, statements).await?;
    session.commit_transaction().await
}

/// Runs update statements in the transaction of `session`. Returns how many documents they met or made.
///
/// # Errors
/// The transaction cannot go on: a statement was refused, or the database does not answer.
pub async fn update_within(
    session: &mut ClientSession,
    database: &Database,
    collection: &str,
    statements: RawArrayBuf,
) -> Result<u64, Error> {
    let command = rawdoc! { "update": collection, "updates": statements };
    let answer = database.run_raw_command(command).session(session).await?;
    let answer: Answer = bson::deserialize_from_document(answer)?;
    match answer.refusals.into_iter().next() {
        Some(refusal) => {
            Err(Error::custom(format!("{collection} could not be written: {}", refusal.message)))
        }
        None => Ok(u64::try_from(answer.n).unwrap_or_default()),
    }
}
