//! Which driver, and why not a better one.

use std::fmt;
use std::sync::Arc;

use mfio::error::{Cause, Error};

use super::builder::{Choice, Config};
use super::driver::{Common, Driver, DriverKind};

/// Why a driver cannot be had.
#[derive(Clone, Debug)]
pub struct Refusal {
    step: &'static str,
    cause: Cause,
    why: String,
}

impl Refusal {
    pub(crate) fn new(step: &'static str, cause: impl Into<Cause>, why: impl Into<String>) -> Self {
        Self {
            step,
            cause: cause.into(),
            why: why.into(),
        }
    }

    /// What was being done: `"io_uring_setup"`, say.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// What the system answered.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// What that means here, and what can be done about it.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.step, self.cause, self.why)
    }
}

/// What became of one driver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It is in use; the particulars.
    Chosen(String),
    /// It was tried, and cannot be had.
    Refused(Refusal),
    /// It was not tried, for a better one was there, or it was not wanted.
    NotTried,
}

/// What was chosen, and why each better driver was refused.
///
/// `Display` prints one line for each driver.
#[derive(Clone, Debug)]
pub struct Report {
    rungs: Vec<(DriverKind, Verdict)>,
    chosen: DriverKind,
}

impl Report {
    /// The driver in use.
    #[must_use]
    pub fn chosen(&self) -> DriverKind {
        self.chosen
    }

    /// Every driver in the order of the ladder, best first, and what became of it.
    pub fn rungs(&self) -> impl Iterator<Item = (DriverKind, &Verdict)> {
        self.rungs.iter().map(|(kind, verdict)| (*kind, verdict))
    }

    /// Why a driver was refused, if it was.
    #[must_use]
    pub fn refusal(&self, kind: DriverKind) -> Option<&Refusal> {
        self.rungs.iter().find_map(|(rung, verdict)| match verdict {
            Verdict::Refused(refusal) if *rung == kind => Some(refusal),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (kind, verdict)) in self.rungs.iter().enumerate() {
            let line_break = if n > 0 { "\n" } else { "" };
            match verdict {
                Verdict::Chosen(details) => write!(f, "{line_break}{kind}: chosen ({details})")?,
                Verdict::Refused(refusal) => write!(f, "{line_break}{kind}: refused: {refusal}")?,
                Verdict::NotTried => write!(f, "{line_break}{kind}: not tried")?,
            }
        }
        Ok(())
    }
}

/// No runtime: every driver that was wanted was refused.
#[derive(Clone, Debug)]
pub struct BuildError {
    refusals: Vec<(DriverKind, Refusal)>,
}

impl BuildError {
    /// Who was refused, and why, in the order in which they were tried.
    pub fn refusals(&self) -> impl Iterator<Item = (DriverKind, &Refusal)> {
        self.refusals.iter().map(|(kind, refusal)| (*kind, refusal))
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no driver for files can be had")?;
        self.refusals
            .iter()
            .try_for_each(|(kind, refusal)| write!(f, "; {kind} is refused: {refusal}"))
    }
}

impl std::error::Error for BuildError {}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        let cause = error.refusals.last().map_or(
            mfio::error::ErrorKind::NotSupported.into(),
            |(_, refusal)| refusal.cause,
        );
        Self::new(cause, "build a runtime").object(error.to_string())
    }
}

impl From<BuildError> for std::io::Error {
    fn from(error: BuildError) -> Self {
        let kind = error
            .refusals
            .last()
            .map(|(_, refusal)| std::io::Error::from(refusal.cause).kind());
        Self::new(kind.unwrap_or(std::io::ErrorKind::Unsupported), error)
    }
}

/// Goes down the ladder to the first driver that can be had.
pub(crate) fn climb(
    config: &Config,
    common: &Common,
) -> Result<(Arc<dyn Driver>, Report), BuildError> {
    let mut found = None;
    let mut rungs: Vec<_> = DriverKind::LADDER
        .iter()
        .map(|kind| (*kind, Verdict::NotTried))
        .collect();
    let mut refusals = Vec::new();
    for kind in order(config.choice) {
        match kind.open(config, common) {
            Ok(driver) => {
                set(
                    &mut rungs,
                    kind,
                    Verdict::Chosen(driver.capabilities().details.clone()),
                );
                found = Some((driver, kind));
                break;
            }
            Err(refusal) => {
                set(&mut rungs, kind, Verdict::Refused(refusal.clone()));
                refusals.push((kind, refusal));
            }
        }
    }
    match found {
        Some((driver, chosen)) => Ok((driver, Report { rungs, chosen })),
        None => Err(BuildError { refusals }),
    }
}

fn set(rungs: &mut [(DriverKind, Verdict)], kind: DriverKind, verdict: Verdict) {
    if let Some(rung) = rungs.iter_mut().find(|(rung, _)| *rung == kind) {
        rung.1 = verdict;
    }
}

fn order(choice: Choice) -> Vec<DriverKind> {
    let ladder = DriverKind::LADDER.iter().copied();
    match choice {
        Choice::Best => ladder.collect(),
        Choice::Require(kind) => vec![kind],
        Choice::Prefer(first) => std::iter::once(first)
            .chain(ladder.filter(|kind| *kind != first))
            .collect(),
    }
}
