//! What a person sees: lines that stay, and below them one line that changes.
//!
//! On a terminal the last line tells what is going on now and is rewritten in place. Elsewhere (a log, a
//! pipe) there is no such line: steps are told when they begin and end, figures from time to time when they
//! changed.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;
use tokio::time::interval;

use crate::stack::{Progress, Step};
use crate::terminal;

/// Where there is no terminal, figures are told so often at most.
const CALM: Duration = Duration::from_secs(15);
/// Erases the line from where the cursor is put: its start.
const ERASE: &str = "\r\x1b[K";

/// The one screen of the process. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Screen(Arc<Mutex<State>>);

struct State {
    terminal: bool,
    steps: Vec<(String, Instant)>,
    figures: String,
    told: Option<(String, Instant)>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        Self(Arc::new(Mutex::new(State { terminal, steps: Vec::new(), figures: String::new(), told: None })))
    }

    /// Prints a line that stays.
    pub(super) fn say(&self, line: impl AsRef<str>) {
        self.state().say(line.as_ref());
    }

    /// Shows the latest figures.
    pub(super) fn show(&self, figures: String) {
        let mut state = self.state();
        if state.terminal {
            state.figures = figures;
            state.redraw();
        } else if state.told.as_ref().is_none_or(|(told, at)| *told != figures && at.elapsed() >= CALM) {
            state.say(&figures);
            state.told = Some((figures, Instant::now()));
        }
    }

    /// Takes the changing line away, for those who write to the terminal themselves.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.figures.clear();
        state.redraw();
    }

    /// Where steps are told, to be shown while they run and remembered with the time they took.
    pub(super) fn progress(&self) -> Progress {
        let screen = self.clone();
        Progress::new(move |step| screen.state().step(step))
    }

    /// Keeps the time that running steps take up to date, for as long as it is polled.
    pub(super) async fn tick(&self) -> Infallible {
        let mut second = interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            let mut state = self.state();
            if !state.steps.is_empty() {
                state.redraw();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn say(&mut self, line: &str) {
        let erase = if self.terminal { ERASE } else { "" };
        print(&format!("{erase}{}\n", terminal::text(line)));
        self.redraw();
    }

    fn step(&mut self, step: Step) {
        let (Step::Began(name) | Step::Done(name, _) | Step::Failed(name)) = &step;
        self.steps.retain(|(running, _)| running != name);
        match step {
            Step::Began(name) if self.terminal => {
                self.steps.push((name, Instant::now()));
                self.redraw();
            }
            Step::Began(name) => self.say(&format!("{name} ...")),
            Step::Done(name, took) => self.say(&format!("{name}: {:.1} s", took.as_secs_f32())),
            Step::Failed(name) => self.say(&format!("{name}: failed")),
        }
    }

    fn redraw(&mut self) {
        if !self.terminal {
            return;
        }
        let mut line = self.figures.clone();
        for (name, since) in &self.steps {
            let separator = if line.is_empty() { "" } else { " | " };
            // Writing to a string cannot fail.
            let _ = write!(line, "{separator}{name} ... {} s", since.elapsed().as_secs());
        }
        let width = tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col));
        let line: String = terminal::line(&line).chars().take(width.saturating_sub(1)).collect();
        print(&format!("{ERASE}{line}"));
    }
}

/// Nobody may be left to read it (`up | head`), and that is no reason to stop the system.
fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
