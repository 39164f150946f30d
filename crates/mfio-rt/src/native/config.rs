//! The settings of a [`Builder`](super::Builder), checked.

use std::time::Duration;

use super::driver::kind::DriverKind;

/// The drivers that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Best,
    Prefer(DriverKind),
    Require(DriverKind),
}

/// The settings of a runtime.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) choice: Choice,
    pub(crate) queue_depth: u32,
    pub(crate) max_in_flight: usize,
    pub(crate) threads: usize,
    pub(crate) patience: Duration,
    pub(crate) self_driving: bool,
}
