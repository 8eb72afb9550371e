//! Bulk writes: many updates by `_id` at the price of few, and guarded ones that write a document only if it is still as
//! the writer knew it.
//!
//! The guard is the `revision` field. A writer that lost its partition without knowing holds an old revision: it inserts
//! and meets the `_id` that is there, or replaces and meets another revision. That is a conflict, reported by index, for
//! the writer to load the document again and merge. Nothing newer is ever overwritten.

use bson::raw::{CStr, cstr};
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
    /// What the stored document keeps, if not all is new.
    pub kept: Option<Kept>,
}

/// An array whose first entries stay as they are stored. The new document is without it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its field.
    pub field: &'static CStr,
    /// How many entries stay.
    pub first: i32,
    /// What comes after them.
    pub then: RawArrayBuf,
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
/// Bytes of one command, and so of one transaction of a bulk. The database's limits are 16 MB for a document, which a
/// command put together by hand is, and 48 MB for a message; this is far below, for a transaction is held in memory too.
pub(super) const COMMAND_BYTES: usize = 4 * 1024 * 1024;
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
    for chunk in cut(&new, |at| documents[*at].document.as_bytes().len()) {
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
    let mut before = 0;
    for chunk in cut(&statements, |statement| statement.as_bytes().len()) {
        let updates = array(chunk.iter().cloned());
        if transact(database, collection, updates.clone()).await.is_err() {
            let bulk = rawdoc! { "update": collection, "updates": updates, "ordered": false };
            let refused = run(database, bulk).await?.into_iter();
            refusals.extend(refused.map(|one| Refusal { index: before + one.index, ..one }));
        }
        before += chunk.len();
    }
    Ok(refusals)
}

/// Cuts what a command is to hold into pieces of at most [`PER_COMMAND`] and, but for a single one that is larger,
/// [`COMMAND_BYTES`].
pub(super) fn cut<T>(mut items: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = items.iter().take(PER_COMMAND).take_while(|item| {
            sum += bytes(item);
            sum <= COMMAND_BYTES
        });
        let (piece, rest) = items.split_at_checked(fits.count().max(1))?;
        items = rest;
        Some(piece)
    })
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
    let mut new = rawdoc! { "$literal": guarded.document.clone() };
    if let Some(Kept { field, first, then }) = &guarded.kept {
        let stored = rawdoc! { "$slice": [format!("${}", field.as_str()), *first] };
        let mut whole = rawdoc! {};
        whole.append(*field, rawdoc! { "$concatArrays": [stored, { "$literal": then.clone() }] });
        new = rawdoc! { "$mergeObjects": [new, whole] };
    }
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
    run_within(&mut session, database, collection, rawdoc! { "update": collection, "updates": statements })
        .await?;
    // If the outcome stays unknown, the bulk runs again and the guards decide.
    super::commit(&mut session).await
}

/// Runs update statements in the transaction of `session`, cut by bytes. Returns how many documents they met or made.
///
/// # Errors
/// The transaction cannot go on: a statement was refused, or the database does not answer.
pub async fn update_within(
    session: &mut ClientSession,
    database: &Database,
    collection: &str,
    statements: &[RawDocumentBuf],
) -> Result<u64, Error> {
    let mut met = 0;
    for chunk in cut(statements, |statement| statement.as_bytes().len()) {
        let command = rawdoc! { "update": collection, "updates": array(chunk.iter().cloned()) };
        met += run_within(session, database, collection, command).await?;
    }
    Ok(met)
}

/// Inserts documents in the transaction of `session`, cut by bytes.
///
/// # Errors
/// As for [`update_within`]; a key that is taken is told as the driver tells it.
pub async fn insert_within(
    session: &mut ClientSession,
    database: &Database,
    collection: &str,
    documents: &[RawDocumentBuf],
) -> Result<(), Error> {
    let typed = database.collection::<RawDocumentBuf>(collection);
    for chunk in cut(documents, |document| document.as_bytes().len()) {
        typed.insert_many(chunk).session(&mut *session).await?;
    }
    Ok(())
}

async fn run_within(
    session: &mut ClientSession,
    database: &Database,
    collection: &str,
    command: RawDocumentBuf,
) -> Result<u64, Error> {
    let answer = database.run_raw_command(command).session(session).await?;
    let answer: Answer = bson::deserialize_from_document(answer)?;
    match answer.refusals.into_iter().next() {
        Some(refusal) => {
            Err(Error::custom(format!("{collection} could not be written: {}", refusal.message)))
        }
        None => Ok(u64::try_from(answer.n).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn commands_are_cut_by_number_and_by_bytes_and_nothing_is_lost(
            sizes in prop::collection::vec(prop_oneof![
                9 => 1_usize..20_000, 1 => 0..3 * COMMAND_BYTES,
            ], 0..1_500),
        ) {
            let pieces: Vec<&[usize]> = cut(&sizes, |size| *size).collect();
            for piece in &pieces {
                let bytes: usize = piece.iter().sum();
                prop_assert!(!piece.is_empty() && piece.len() <= PER_COMMAND);
                prop_assert!(bytes <= COMMAND_BYTES || piece.len() == 1);
            }
            prop_assert_eq!(pieces.concat(), sizes);
        }
    }
}
