//! Pid files that name a process and not just a number.
//!
//! A pid is reused once its process is gone, so a file that holds only a pid may point at a stranger after a
//! crash. Ours hold the pid and the moment the kernel started it, which together belong to one process for as
//! long as the machine is up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};

/// How long a process that a crashed run left behind may take to end.
const GRACE: Duration = Duration::from_secs(30);

/// Records that `pid` runs.
pub(super) fn write(path: &Path, pid: Pid) -> Result<()> {
    let started = start_time(pid).unwrap_or_default();
    fs::write(path, format!("{pid} {started}\n"))
        .with_context(|| format!("cannot write {}: check its owner and free space", path.display()))
}

/// The process that the file names, if it still runs.
pub(super) fn find(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let pid = Pid::from_raw(pid.parse().ok()?)?;
    let started: u64 = started.parse().ok()?;
    (start_time(pid)? == started).then_some(pid)
}

/// Waits until the process that the file names has ended, and kills it if that takes too long. It has been
/// told to end already, by the kernel when its parent died, and a second SIGTERM would cut a drain short.
pub(super) async fn outwait(path: &Path) -> Result<()> {
    if timeout(GRACE, gone(path)).await.is_err() {
        kill(path)?;
        gone(path).await;
    }
    // Who was killed removes nothing; a file that cannot be removed is stale and harmless.
    let _ = fs::remove_file(path);
    Ok(())
}

/// Kills the process that the file names, if it still runs.
pub(super) fn kill(path: &Path) -> Result<()> {
    let Some(pid) = find(path) else { return Ok(()) };
    match kill_process(pid, Signal::KILL) {
        Err(error) if error != Errno::SRCH => Err(error).with_context(|| {
            format!("cannot stop process {pid}, which an earlier run left behind: `sudo kill -9 {pid}` does")
        }),
        _ => Ok(()),
    }
}

async fn gone(path: &Path) {
    while find(path).is_some() {
        sleep(Duration::from_millis(50)).await;
    }
}

/// When the kernel started the process, in ticks since boot; the fields after the command's name, which may
/// hold anything.
fn start_time(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // A zombie has ended: it holds nothing but its pid.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::*;

    #[test]
    fn a_pid_that_was_given_to_a_stranger_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ours.pid");
        write(&path, getpid()).unwrap();
        assert_eq!(find(&path), Some(getpid()));
        fs::write(&path, format!("{} 1\n", getpid())).unwrap();
        assert_eq!(find(&path), None);
        fs::write(&path, "garbage").unwrap();
        assert_eq!(find(&path), None);
    }
}
