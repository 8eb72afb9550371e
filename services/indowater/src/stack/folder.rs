//! The folder in which one local system keeps everything: data, logs, pids, addresses.
//!
//! One process at a time owns it, by a lock that the kernel drops when the process ends, however it ends; the
//! lock file names the owner. What a crashed owner left running is stopped before the folder is used again,
//! because a broker and a database must never be started twice on the same data.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;

use super::pid_file;

/// With less free space than this, MongoDB's and Kafka's preallocated files alone may fill the disk.
const NEEDED_MEGABYTES: u64 = 1_024;

const LOCK: &str = "lock";
const LOGS: &str = "logs";
const PIDS: &str = "run";
const STATE: [&str; 8] =
    ["kafka", "mongodb", LOGS, "system.json", "token-key", "certificates", "secrets", "access"];

/// A data folder that this process owns until it drops the value.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if need be, takes its lock, and waits for the end of what a crashed run left
    /// running in it.
    pub async fn open(root: &Path) -> Result<Self> {
        let unusable = || {
            format!(
                "cannot use the data folder {}: name one that you may write to, with --data-dir",
                root.display()
            )
        };
        for part in [LOGS, PIDS] {
            fs::create_dir_all(root.join(part)).with_context(unusable)?;
        }
        let root = root.canonicalize().with_context(unusable)?;
        let lock = lock(&root)?;
        let folder = Self { root, _lock: lock };
        folder.outwait_leftovers().await?;
        Ok(folder)
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The part of it that belongs to `owner`.
    pub fn part(&self, owner: &str) -> PathBuf {
        self.root.join(owner)
    }

    /// The log file of a process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.root.join(LOGS).join(format!("{process}.log"))
    }

    /// The pid file of a process.
    pub fn pid_file(&self, process: &str) -> PathBuf {
        self.root.join(PIDS).join(format!("{process}.pid"))
    }

    /// Deletes all state by name, never the folder as a whole: it may be somebody's home.
    pub fn reset(&self) -> Result<()> {
        for name in STATE {
            let path = self.root.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot delete {}: delete it by hand", path.display()));
                }
                _ => {}
            }
        }
        fs::create_dir_all(self.root.join(LOGS))
            .with_context(|| format!("cannot create {}: check its owner", self.root.join(LOGS).display()))
    }

    /// Waits until every process that is recorded here has ended; who does not end in time is killed.
    pub async fn outwait_leftovers(&self) -> Result<()> {
        try_join_all(self.pid_files()?.iter().map(|file| pid_file::outwait(file))).await.map(drop)
    }

    /// Kills every process that is recorded here, for those who cannot wait.
    pub fn kill_all(&self) -> Result<()> {
        self.pid_files()?.iter().try_for_each(|file| pid_file::kill(file))
    }

    /// Refuses a disk that would be full before the system is up.
    pub fn check_space(&self) -> Result<()> {
        check_space(&self.root, NEEDED_MEGABYTES, "choose a folder on another disk with --data-dir")
    }

    fn pid_files(&self) -> Result<Vec<PathBuf>> {
        let folder = self.root.join(PIDS);
        let files =
            fs::read_dir(&folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        files.with_context(|| format!("cannot read {}: check its owner", folder.display()))
    }
}

/// Refuses to go on when the disk that holds `folder` has less than `needed` megabytes left.
pub(super) fn check_space(folder: &Path, needed: u64, remedy: &str) -> Result<()> {
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("cannot tell the free space of {}", folder.display()))?;
    let free = (disk.f_bavail * disk.f_frsize) >> 20;
    if free < needed {
        bail!(
            "the disk that holds {} has {free} MB free and {needed} MB are needed: free some, or {remedy}",
            folder.display()
        );
    }
    Ok(())
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join(LOCK);
    let unusable = || format!("cannot lock {}: check its owner and free space", path.display());
    let mut file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).with_context(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(&path).unwrap_or_default();
            let owner = owner.trim();
            bail!(
                "process {owner} runs in the data folder {} already: stop it (Ctrl-C in its terminal, or \
                 `kill {owner}`), or run a second system beside it with another --data-dir",
                root.display()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(unusable),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).with_context(unusable)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_owner_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataFolder::open(folder.path()).await.unwrap();
        let error = DataFolder::open(folder.path()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains("--data-dir"), "{error}");
        drop(held);
        DataFolder::open(folder.path()).await.unwrap();
    }

    #[tokio::test]
    async fn reset_deletes_our_state_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).await.unwrap();
        fs::create_dir_all(data.part("kafka").join("data")).unwrap();
        fs::write(data.log("ingest"), "x").unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        data.reset().unwrap();
        data.reset().unwrap();
        assert!(!data.part("kafka").exists() && !data.log("ingest").exists());
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_full_disk_is_told_with_both_numbers() {
        let error = check_space(Path::new("/"), u64::MAX >> 21, "look elsewhere").unwrap_err().to_string();
        assert!(error.contains("MB free") && error.contains("look elsewhere"), "{error}");
    }
}
