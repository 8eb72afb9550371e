//! Ending a transaction whose outcome may stay unknown.

use std::time::{Duration, Instant};

use mongodb::ClientSession;
use mongodb::error::{Error, UNKNOWN_TRANSACTION_COMMIT_RESULT};

/// For how long a commit is repeated; the driver's own convenience takes as long.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// Commits the transaction of `session`. While nobody can say whether it was committed (the answer was lost, a new primary was
/// elected, the majority is late) it is committed again, which the database takes for the same commit. Looking whether
/// it is there would ask one member, which may lose it yet.
///
/// # Errors
/// It was not committed, or the database does not answer for long. Then the guard of what was written decides: whoever writes
/// again meets the revision, the fence or the unique key.
pub async fn commit(session: &mut ClientSession) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        match session.commit_transaction().await {
            Err(error)
                if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
                    && started.elapsed() < PATIENCE =>
            {
                tracing::info!(%error, "a commit is repeated: its outcome is not known");
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}
