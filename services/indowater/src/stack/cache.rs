//! The folder of the user in which downloads are kept: fetched once, checked at every start, whole or not
//! there.
//!
//! A download goes to a temporary sibling and is renamed only when every file has the SHA-256 that this
//! repository states, so an interrupted one leaves nothing behind that could be mistaken for a whole one, and
//! nothing runs that was not meant. What was damaged since is fetched again. A file lock lets processes that
//! start at once fetch it once.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::folder::check_space;
use super::progress::Progress;

/// With less free space than this there is no use in beginning a download.
const NEEDED_MEGABYTES: u64 = 512;

/// A set of files that is downloaded as one.
#[derive(Debug)]
pub(super) struct Artifact {
    /// What people call it.
    pub name: &'static str,
    /// Its folder in the cache.
    pub folder: &'static str,
    /// About how much is downloaded.
    pub megabytes: u32,
    /// The name and SHA-256 of every file, and of no other.
    pub files: BTreeMap<String, String>,
}

/// Where downloads are kept.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The user's: `$XDG_CACHE_HOME/indowater`, or `~/.cache/indowater`.
    pub fn of_user() -> Result<Self> {
        let home = || env::home_dir().map(|home| home.join(".cache"));
        let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let root = caches
            .or_else(home)
            .context("there is no home folder to keep downloads in: set XDG_CACHE_HOME to a folder")?;
        Ok(Self::at(root.join("indowater")))
    }

    /// A folder of the caller's choice.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The artifact's folder, if it is there with every file as it should be.
    pub(super) async fn find(&self, artifact: &Artifact) -> Result<Option<PathBuf>> {
        let (folder, files) = (self.root.join(artifact.folder), artifact.files.clone());
        Ok(spawn_blocking(move || check(&folder, &files).is_ok().then_some(folder)).await?)
    }

    /// The artifact's folder, after `download` has put the files into the folder that it is given; unless
    /// another process was quicker.
    pub(super) async fn fetch(
        &self,
        artifact: &Artifact,
        progress: &Progress,
        download: impl AsyncFnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.root.join(artifact.folder);
        let unusable =
            || format!("cannot keep downloads in {}: set XDG_CACHE_HOME to a folder", self.root.display());
        fs::create_dir_all(&self.root).with_context(unusable)?;
        check_space(&self.root, NEEDED_MEGABYTES, "set XDG_CACHE_HOME to a folder on another disk")?;
        let lock = File::create(folder.with_added_extension("lock")).with_context(unusable)?;
        let what = format!("Fetching {} ({} MB, once)", artifact.name, artifact.megabytes);
        let fetch = async {
            wait_for(&lock).await.with_context(unusable)?;
            if let Some(folder) = self.find(artifact).await? {
                return Ok(folder);
            }
            let fresh = tempfile::Builder::new()
                .prefix(artifact.folder)
                .tempdir_in(&self.root)
                .with_context(unusable)?;
            download(fresh.path()).await?;
            check(fresh.path(), &artifact.files).with_context(|| {
                format!(
                    "{} was downloaded, but is not what it should be: try again, it was not kept",
                    artifact.name
                )
            })?;
            replace(&folder, fresh).with_context(unusable)?;
            Ok(folder)
        };
        progress.during(what, fetch).await
    }
}

/// Waits for a file lock without holding a thread, so that an interrupted start ends at once.
async fn wait_for(lock: &File) -> io::Result<()> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) => sleep(Duration::from_millis(100)).await,
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Puts the fresh folder where a damaged one may be.
fn replace(folder: &Path, fresh: tempfile::TempDir) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(fresh.path(), folder)?;
    // What it named has moved: there is nothing left to delete.
    let _ = fresh.keep();
    Ok(())
}

fn check(folder: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    let mut expected = files.clone();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match expected.remove(&name) {
            None => bail!("{name} does not belong to it"),
            Some(digest) if digest != sha256(&entry.path())? => {
                bail!("{name} has another SHA-256 than {digest}")
            }
            Some(_) => {}
        }
    }
    match expected.into_keys().next() {
        Some(name) => bail!("{name} is missing"),
        None => Ok(()),
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 256 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(format!("{:x}", digest.finalize())),
            read => digest.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// The SHA-256 of what the tests download.
    const WATER: &str = "0f4168490e38b8447e11ba4bd656aa11b925bd22af30bac464bc153fdb608501";

    fn artifact(digest: &str) -> Artifact {
        let files = [("drop".to_owned(), digest.to_owned())].into();
        Artifact { name: "Water", folder: "water", megabytes: 1, files }
    }

    async fn obtain(cache: &Cache, artifact: &Artifact, downloads: &AtomicU32) -> Result<PathBuf> {
        if let Some(folder) = cache.find(artifact).await? {
            return Ok(folder);
        }
        let download = async |folder: &Path| {
            downloads.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
            Ok(fs::write(folder.join("drop"), "water")?)
        };
        cache.fetch(artifact, &Progress::silent(), download).await
    }

    #[tokio::test]
    async fn it_is_fetched_once_by_however_many_at_once() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path().to_owned());
        let (artifact, downloads) = (artifact(WATER), AtomicU32::new(0));
        let all = (0..8).map(|_| obtain(&cache, &artifact, &downloads));
        futures::future::try_join_all(all).await.unwrap();
        assert_eq!(downloads.into_inner(), 1);
    }

    #[tokio::test]
    async fn what_was_damaged_is_fetched_again() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path().to_owned());
        let (artifact, downloads) = (artifact(WATER), AtomicU32::new(0));
        let folder = obtain(&cache, &artifact, &downloads).await.unwrap();
        for damage in ["", "wat", "watery"] {
            fs::write(folder.join("drop"), damage).unwrap();
            obtain(&cache, &artifact, &downloads).await.unwrap();
        }
        fs::write(folder.join("stranger.jar"), "x").unwrap();
        obtain(&cache, &artifact, &downloads).await.unwrap();
        assert_eq!(downloads.into_inner(), 5);
        assert_eq!(fs::read_to_string(folder.join("drop")).unwrap(), "water");
    }

    #[tokio::test]
    async fn a_download_with_another_digest_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path().to_owned());
        let error = obtain(&cache, &artifact(&"0".repeat(64)), &AtomicU32::new(0)).await.unwrap_err();
        assert!(format!("{error:#}").contains("drop has another SHA-256"), "{error:#}");
        let left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["water.lock"]);
    }
}
