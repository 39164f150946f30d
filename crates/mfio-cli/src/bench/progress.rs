//! Progress on standard error: one line that changes on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// See the module. Errors of standard error are ignored.
#[derive(Debug)]
pub(super) struct Progress {
    mode: Mode,
    shown: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Quiet,
    Lines,
    Terminal,
}

/// A terminal is not written to more often than this.
const PAUSE: Duration = Duration::from_millis(50);

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let mode = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Terminal,
            (false, false) => Mode::Lines,
        };
        Self { mode, shown: None }
    }

    /// Prints a line of its own.
    pub(super) fn line(&mut self, text: &str) {
        self.clear();
        if self.mode != Mode::Quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Rewrites the status line, on a terminal.
    pub(super) fn status(&mut self, text: impl FnOnce() -> String) {
        let recent = self.shown.is_some_and(|shown| shown.elapsed() < PAUSE);
        if self.mode == Mode::Terminal && !recent {
            let _ = write!(io::stderr(), "\r\x1b[K{}", text());
            self.shown = Some(Instant::now());
        }
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
