//! Child processes that are watched while they run and that do not outlive us.
//!
//! A broker that survives its owner holds ports, locks and memory that nobody remembers, so a child gets four
//! ties: the kernel sends it SIGTERM when we die, however we die; its pid is on disk for the next run to
//! find; it has a process group of its own, so that Ctrl-C in a terminal reaches only us and we stop things
//! in order; and dropping a [`Process`] ends it. Everything a child prints goes to a log file, which is also
//! where the reason of a failed start is found.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::watch;
use tokio::time::timeout;

use super::pid_file;
use super::ports::Port;

/// A log larger than this is set aside as `<name>.log.1` when its process starts.
const LOG_LIMIT: u64 = 50 << 20;
/// How much of the end of a log is read to find out why a process ended.
const LOG_TAIL: u64 = 16 << 10;

/// How to start a process, as often as is needed.
#[derive(Debug)]
pub struct Launch {
    /// What people call it.
    pub name: String,
    /// The program's file, or its name on the search path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables on top of our own.
    pub env: Vec<(String, String)>,
    /// Where all that it prints is appended.
    pub log: PathBuf,
    /// Where its pid is kept while it runs.
    pub pid_file: PathBuf,
    /// The ports that it listens on, kept for it while it may be started again.
    pub ports: Vec<Port>,
    /// How long it may take to end after SIGTERM before it is killed.
    pub grace: Duration,
}

/// A process that was started; dropping it asks it to end and does not wait.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    running: Running,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    /// Taken away once it is reaped, so that no signal can reach a stranger who was given its pid.
    child: Arc<Mutex<Option<Child>>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    log_start: u64,
}

impl Process {
    /// Starts it; that it answers is for the caller to find out.
    pub fn start(launch: Launch) -> Result<Self> {
        let running = Running::start(&launch)?;
        Ok(Self { launch, running })
    }

    /// Starts it again, in the same way, after it ended.
    pub fn start_again(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("{} runs already (pid {}): stop it first", self.launch.name, self.pid());
        }
        self.running = Running::start(&self.launch)?;
        Ok(())
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Where all that it prints is appended.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// The pid of the latest start.
    pub fn pid(&self) -> u32 {
        self.running.pid.as_raw_pid().unsigned_abs()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.running.child().is_some()
    }

    /// Waits until it ended.
    pub async fn ended(&self) -> ExitStatus {
        let mut ended = self.running.ended.clone();
        let status = ended.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        status.unwrap_or_default()
    }

    /// Asks it to end with SIGTERM, waits as long as its launch allows, and kills it if that was not enough.
    pub async fn stop(&self) {
        self.running.signal(Signal::TERM);
        if timeout(self.launch.grace, self.ended()).await.is_err() {
            tracing::warn!(name = self.name(), grace = ?self.launch.grace, "did not end when asked: killed");
            self.kill().await;
        }
    }

    /// Kills it with SIGKILL, as a crash or the kernel would.
    pub async fn kill(&self) {
        self.running.signal(Signal::KILL);
        self.ended().await;
    }

    /// The last of what it printed since its latest start.
    pub fn last_words(&self) -> String {
        tail(&self.launch.log, self.running.log_start).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.running.signal(Signal::TERM);
    }
}

impl Running {
    fn start(launch: &Launch) -> Result<Self> {
        let log = open_log(&launch.log).with_context(|| {
            format!("cannot write the log {}: check its owner and free space", launch.log.display())
        })?;
        let log_start = log.metadata()?.len();
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.args)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = spawn(command)
            .with_context(|| format!("cannot start {} ({})", launch.name, launch.program.display()))?;
        let pid = Pid::from_child(&child);
        let child = Arc::new(Mutex::new(Some(child)));
        let (tell, ended) = watch::channel(None);
        let running = Self { pid, child: Arc::clone(&child), ended, log_start };
        let recorded = pid_file::write(&launch.pid_file, pid);
        let pid_file = launch.pid_file.clone();
        thread::Builder::new().name(format!("wait-{}", launch.name)).spawn(move || {
            let status = reap(pid, &child);
            // A pid file that stays behind is recognised as stale, so failing to remove it is no failure.
            let _ = fs::remove_file(pid_file);
            tell.send_replace(status.ok());
        })?;
        recorded?;
        Ok(running)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        lock(&self.child)
    }

    fn signal(&self, signal: Signal) {
        if self.child().is_some() {
            // The only failure left is a process that ends this very moment, which is what was asked for.
            let _ = kill_process(self.pid, signal);
        }
    }
}

fn lock(child: &Mutex<Option<Child>>) -> MutexGuard<'_, Option<Child>> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the end without the lock, then reaps under it: between the two the pid still belongs to the
/// child.
fn reap(pid: Pid, child: &Mutex<Option<Child>>) -> io::Result<ExitStatus> {
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    let mut child = lock(child);
    let status = child.as_mut().map_or(Ok(ExitStatus::default()), Child::wait);
    *child = None;
    status
}

/// Starts the child from the one thread that lives as long as we do: the kernel ties the death signal to the
/// thread that forked, not to its process, and a worker thread of a runtime may end any time.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                // Nobody waits for the reply any more only if the caller is gone; then the child is not
                // wanted either.
                if let Err(mpsc::SendError(Ok(mut unwanted))) = reply.send(tie_to_us(&mut command).spawn()) {
                    let _ = unwanted.kill();
                }
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    SPAWNER.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the parent-death signal can be set only between fork and exec")]
fn tie_to_us(command: &mut Command) -> &mut Command {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // If we died before the line above, its signal never comes.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; `tie` makes two plain system
    // calls and allocates nothing.
    unsafe { command.pre_exec(tie) }
}

#[cfg(not(target_os = "linux"))]
fn tie_to_us(command: &mut Command) -> &mut Command {
    command
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG_LIMIT) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn tail(log: &Path, start: u64) -> io::Result<String> {
    let mut log = File::open(log)?;
    let end = log.metadata()?.len();
    log.seek(SeekFrom::Start(start.max(end.saturating_sub(LOG_TAIL))))?;
    let mut text = Vec::new();
    log.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
impl Launch {
    /// A shell script in a folder of its own.
    pub(super) fn shell(folder: &Path, script: &str) -> Self {
        Self {
            name: "script".to_owned(),
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            log: folder.join("script.log"),
            pid_file: folder.join("script.pid"),
            ports: Vec::new(),
            grace: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use tokio::time::sleep;

    use super::*;

    async fn said(process: &Process, words: &str) {
        while !process.last_words().contains(words) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_process_leaves_its_words_and_no_pid() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(Launch::shell(folder.path(), "echo \"it is $$\"; exit 3")).unwrap();
        assert_eq!(process.ended().await.code(), Some(3));
        assert_eq!(process.last_words(), format!("it is {}\n", process.pid()));
        assert!(!process.is_running() && !folder.path().join("script.pid").exists());
        process.start_again().unwrap();
        process.ended().await;
        assert_eq!(process.last_words(), format!("it is {}\n", process.pid()));
        assert_eq!(fs::read_to_string(process.log()).unwrap().lines().count(), 2);
    }

    #[tokio::test]
    async fn who_ends_when_asked_is_not_killed_and_who_does_not_is() {
        let folder = tempfile::tempdir().unwrap();
        let polite = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done";
        let process = Process::start(Launch::shell(folder.path(), polite)).unwrap();
        said(&process, "up").await;
        process.stop().await;
        assert_eq!(process.ended().await.code(), Some(7));

        let folder = tempfile::tempdir().unwrap();
        let stubborn = Launch::shell(folder.path(), "trap '' TERM; echo up; while :; do sleep 0.1; done");
        let process = Process::start(Launch { grace: Duration::from_millis(300), ..stubborn }).unwrap();
        said(&process, "up").await;
        process.stop().await;
        assert_eq!(process.ended().await.signal(), Some(9));
    }

    #[tokio::test]
    async fn a_dropped_process_is_recognised_until_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::shell(folder.path(), "echo up; exec sleep 60");
        let pid_file = launch.pid_file.clone();
        let process = Process::start(launch).unwrap();
        said(&process, "up").await;
        let pid = process.pid();
        assert_eq!(pid_file::find(&pid_file).map(|pid| pid.as_raw_pid().unsigned_abs()), Some(pid));
        drop(process);
        pid_file::outwait(&pid_file).await.unwrap();
        assert!(!pid_file.exists());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch { program: "/nonexistent/program".into(), ..Launch::shell(folder.path(), "") };
        let error = Process::start(launch).unwrap_err();
        assert!(format!("{error:#}").contains("cannot start script (/nonexistent/program)"), "{error:#}");
    }
}
