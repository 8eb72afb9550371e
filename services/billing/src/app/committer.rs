//! Group commit: the partitions of an instance hand in what they have to post, and whatever waits when the database is free goes into one
//! transaction. So under load transactions become larger and not more, and on a quiet stream nobody waits for anybody.
//!
//! A transaction of several partitions that does not succeed says nothing about any of them, so each is then tried alone.

use std::sync::Arc;

use futures::future::join_all;
use indowater_common::error::{Fatal, Retry};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::mongo::{Commit, Outcome, Store};
use crate::observe;

/// Transactions on their way at the same time: while one waits for the disk, the next is written.
const AT_ONCE: usize = 2;
/// Entries after which a transaction takes in no further partition. Larger ones are hardly cheaper, and where a collection is
/// new and small they hold its only pages so long that the database cannot split them: everything then waits for that.
const LARGE: usize = 1_000;

type Answer = oneshot::Sender<Result<Outcome, Retry>>;

/// Where partitions hand in their postings.
pub struct Committer {
    queue: mpsc::UnboundedSender<(Arc<Commit>, Answer)>,
}

/// The other end, which commits.
pub struct Committing {
    store: Store,
    queue: Mutex<mpsc::UnboundedReceiver<(Arc<Commit>, Answer)>>,
}

impl Committer {
    /// Both ends.
    pub fn new(store: Store) -> (Self, Committing) {
        let (queue, waiting) = mpsc::unbounded_channel();
        (Self { queue }, Committing { store, queue: Mutex::new(waiting) })
    }

    /// Makes postings durable, together with those of other partitions.
    ///
    /// # Errors
    /// The database does not answer, or the service ends. They may be durable then or not; handing them in again is safe.
    pub async fn commit(&self, commit: Arc<Commit>) -> Result<Outcome, Retry> {
        let (answer, outcome) = oneshot::channel();
        let ended = || Retry::because("the ledger is closed");
        self.queue.send((commit, answer)).map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

impl Committing {
    /// Commits until no partition is left that could hand in: when the service ends they still hand in what they have.
    ///
    /// # Errors
    /// Never; its kind is that of all parts of the service.
    pub async fn run(self) -> Result<(), Fatal> {
        let worker = async || {
            while let Some(group) = self.next().await {
                self.commit(group).await;
            }
        };
        join_all((0..AT_ONCE).map(|_| worker())).await;
        Ok(())
    }

    /// What waits; none when nobody will hand in any more.
    async fn next(&self) -> Option<Vec<(Arc<Commit>, Answer)>> {
        let mut queue = self.queue.lock().await;
        let first = queue.recv().await?;
        let mut entries = first.0.entries.len();
        let mut group = vec![first];
        while entries < LARGE
            && let Ok(next) = queue.try_recv()
        {
            entries += next.0.entries.len();
            group.push(next);
        }
        Some(group)
    }

    async fn commit(&self, group: Vec<(Arc<Commit>, Answer)>) {
        let (commits, answers): (Vec<Arc<Commit>>, Vec<Answer>) = group.into_iter().unzip();
        if commits.len() > 1 {
            match self.store.commit_together(&commits).await {
                Ok(()) => {
                    for answer in answers {
                        // A partition that was given up waits no more.
                        let _ = answer.send(Ok(Outcome::Committed));
                    }
                    return;
                }
                Err(error) => observe::not_together(commits.len(), &error),
            }
        }
        for (commit, answer) in commits.iter().zip(answers) {
            let _ = answer.send(self.store.commit(commit).await.map_err(Retry::from));
        }
    }
}
