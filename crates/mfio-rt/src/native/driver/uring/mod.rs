//! The io_uring driver.
//!
//! A submitted operation goes into the in-flight table and waits there for the next flush, in
//! order. A flush makes entries of as many operations as the kernel may have at a time, and submits
//! them in one call. So operations that are sent together are submitted together, and waiting for
//! room is part of waiting for the result.
//!
//! The ring has no special mode: any thread may submit to it and take completions off it.
//!
//! Invariants:
//!
//! 1. An operation is in the table from submission to its terminal completion. Its buffer, its
//!    descriptor and the memory of its request live as long as it does, wherever it moves (see
//!    `op`).
//! 2. `Queue::on_ring` counts the operations that the kernel has or will find on the submission
//!    queue. It never exceeds the depth, so the completion queue, which is larger, does not
//!    overflow.
//! 3. The wake-up descriptor is open as long as the driver lives; the kernel polls it.

mod driver;
mod exits;
mod failure;
mod flush;
mod probe;
mod queue;
mod reap;
mod ring;
mod shutdown;
mod slots;
mod sqe;

use std::sync::Arc;

use super::contract::{Common, Driver};
use crate::native::config::Config;
use crate::native::report::Rejected;

/// Sets the driver up, or returns why that failed.
pub(super) fn open(config: &Config, common: &Common) -> Result<Arc<dyn Driver>, Rejected> {
    driver::Uring::open(config, common)
}
