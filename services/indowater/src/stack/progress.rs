//! What takes its time, told to whoever shows it.
//!
//! The stack prints nothing: `up` shows steps on a terminal, a test suite wants silence. Steps run beside
//! each other, so each is told by name when it begins and when it ends.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

/// A step that began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It began.
    Began(String),
    /// It is done, after so long.
    Done(String, Duration),
    /// It failed; the error that tells why travels with the result.
    Failed(String),
}

/// Where steps are told.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step) + Send + Sync>);

impl Progress {
    /// Tells each step to `show`.
    pub fn new(show: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self::new(drop)
    }

    /// Tells when `work` begins and how it ends.
    pub async fn during<T>(
        &self,
        what: impl Into<String>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let what = what.into();
        let begun = Instant::now();
        self.0(Step::Began(what.clone()));
        let result = work.await;
        self.0(if result.is_ok() { Step::Done(what, begun.elapsed()) } else { Step::Failed(what) });
        result
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
