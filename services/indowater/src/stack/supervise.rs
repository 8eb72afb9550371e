//! Keeping a process running: when it ends unasked it is started again, later each time that it does not
//! last.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::process::Process;

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Who ran for so long is not failing to start: the delay begins anew.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// A process that ended unasked, and when it is started again; its `Display` is the sentence for people.
#[derive(Debug, Clone)]
pub struct Death {
    /// What people call it.
    pub name: String,
    /// How it ended, or why it could not be started.
    pub cause: String,
    /// Where it said why.
    pub log: PathBuf,
    /// When it is started again.
    pub again_in: Duration,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cause, log, again_in } = self;
        write!(f, "{name} ended ({cause}) and is started again in {again_in:?}; its log is {}", log.display())
    }
}

/// A process that is kept running until it is stopped.
#[derive(Debug)]
pub struct Supervised {
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl Supervised {
    /// Keeps `process` running, and tells each of its deaths.
    pub fn keep(mut process: Process, tell: impl Fn(Death) + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let keeper = tokio::spawn(async move {
            tokio::select! {
                // A process that ends while it is stopped did not die.
                biased;
                // Also when the owner is gone without a word: then the process is not wanted either.
                _ = stopped => {}
                never = keep_running(&mut process, tell) => match never {},
            }
            process.stop().await;
        });
        Self { stop, keeper }
    }

    /// Stops the process in good order.
    pub async fn stop(self) {
        // Both fail only when the keeper is gone already, and the process with it.
        let _ = self.stop.send(());
        let _ = self.keeper.await;
    }
}

async fn keep_running(process: &mut Process, tell: impl Fn(Death)) -> Infallible {
    let mut delay = FIRST_DELAY;
    loop {
        let started = Instant::now();
        let mut cause = process.ended().await.to_string();
        if started.elapsed() > STEADY_AFTER {
            delay = FIRST_DELAY;
        }
        loop {
            tell(Death {
                name: process.name().to_owned(),
                cause,
                log: process.log().to_owned(),
                again_in: delay,
            });
            sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
            match process.start_again() {
                Ok(()) => break,
                Err(error) => cause = format!("{error:#}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::stack::Launch;

    #[tokio::test]
    async fn who_dies_is_started_again_later_each_time_until_it_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(Launch::shell(folder.path(), "exit 3")).unwrap();
        let (tell, mut deaths) = mpsc::unbounded_channel();
        let supervised = Supervised::keep(process, move |death| _ = tell.send(death));
        let first = deaths.recv().await.unwrap();
        assert!(first.to_string().starts_with("script ended (exit status: 3)"), "{first}");
        let second = deaths.recv().await.unwrap();
        assert_eq!(second.again_in, 2 * first.again_in);
        supervised.stop().await;
        assert!(deaths.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_stop_is_no_death() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::shell(folder.path(), "exec sleep 60");
        let pid_file = launch.pid_file.clone();
        let process = Process::start(launch).unwrap();
        let (tell, mut deaths) = mpsc::unbounded_channel();
        Supervised::keep(process, move |death| _ = tell.send(death)).stop().await;
        assert!(deaths.recv().await.is_none() && !pid_file.exists());
    }
}
