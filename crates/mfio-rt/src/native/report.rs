//! The report of driver selection.

use std::fmt;

use mfio::error::{Cause, Error, ErrorKind};

use super::driver::kind::DriverKind;

/// The reason why a driver is not available.
#[derive(Clone, Debug)]
#[doc(alias = "Refusal")]
pub struct Rejected {
    step: &'static str,
    cause: Cause,
    why: String,
}

impl Rejected {
    pub(crate) fn new(step: &'static str, cause: impl Into<Cause>, why: impl Into<String>) -> Self {
        Self {
            step,
            cause: cause.into(),
            why: why.into(),
        }
    }

    /// Returns the step of the setup that failed: `"io_uring_setup"`, for example.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// Returns the error of that step.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns what the error means on this system, and a remedy where there is one.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.step, self.cause, self.why)
    }
}

/// The result of driver selection for one driver.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[doc(alias = "Verdict")]
pub enum ProbeResult {
    /// The driver is in use, with these details.
    Chosen(String),
    /// The driver was tried, and is not available.
    Rejected(Rejected),
    /// The driver was not tried: a better one was available, or it was not allowed.
    NotTried,
}

/// The driver in use, and why each better one was rejected.
///
/// `Display` prints one line for each driver.
#[derive(Clone, Debug)]
pub struct Report {
    drivers: Vec<(DriverKind, ProbeResult)>,
    chosen: DriverKind,
}

impl Report {
    pub(super) fn new(drivers: Vec<(DriverKind, ProbeResult)>, chosen: DriverKind) -> Self {
        Self { drivers, chosen }
    }

    /// Returns the driver in use.
    #[must_use]
    pub fn chosen(&self) -> DriverKind {
        self.chosen
    }

    /// Returns the result for each driver, in the order of [`DriverKind::ALL`].
    #[doc(alias = "rungs")]
    pub fn drivers(&self) -> impl Iterator<Item = (DriverKind, &ProbeResult)> {
        self.drivers.iter().map(|(kind, result)| (*kind, result))
    }

    /// Returns why a driver was rejected, if it was.
    #[must_use]
    #[doc(alias = "refusal")]
    pub fn rejected(&self, kind: DriverKind) -> Option<&Rejected> {
        self.drivers().find_map(|(other, result)| match result {
            ProbeResult::Rejected(rejected) if other == kind => Some(rejected),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (kind, result)) in self.drivers.iter().enumerate() {
            let line_break = if n > 0 { "\n" } else { "" };
            write!(f, "{line_break}{kind}: ")?;
            match result {
                ProbeResult::Chosen(details) => write!(f, "chosen ({details})")?,
                ProbeResult::Rejected(rejected) => write!(f, "refused: {rejected}")?,
                ProbeResult::NotTried => write!(f, "not tried")?,
            }
        }
        Ok(())
    }
}

/// The error of a builder: every allowed driver was rejected.
#[derive(Clone, Debug)]
pub struct BuildError {
    rejected: Vec<(DriverKind, Rejected)>,
}

impl BuildError {
    pub(super) fn new(rejected: Vec<(DriverKind, Rejected)>) -> Self {
        Self { rejected }
    }

    /// Returns the drivers that were tried, in order, each with the reason.
    #[doc(alias = "refusals")]
    pub fn rejected(&self) -> impl Iterator<Item = (DriverKind, &Rejected)> {
        self.rejected
            .iter()
            .map(|(kind, rejected)| (*kind, rejected))
    }

    fn last_cause(&self) -> Cause {
        let last = self.rejected.last();
        last.map_or(ErrorKind::NotSupported.into(), |(_, rejected)| {
            rejected.cause
        })
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no driver for files can be had")?;
        self.rejected()
            .try_for_each(|(kind, rejected)| write!(f, "; {kind} is refused: {rejected}"))
    }
}

impl std::error::Error for BuildError {}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::new(error.last_cause(), "build a runtime").object(error.to_string())
    }
}

impl From<BuildError> for std::io::Error {
    fn from(error: BuildError) -> Self {
        Self::new(Self::from(error.last_cause()).kind(), error)
    }
}
