//! The drivers, and the one place where the operating system chooses among them.
//!
//! To add a platform, copy `stub.rs`, which compiles everywhere, and add the new module and its
//! [`DriverKind`] below. `contract` has the rules for drivers.

use std::sync::Arc;

use self::contract::{Common, Driver};
use self::kind::DriverKind;
use super::config::Config;
use super::report::Rejected;

pub(crate) mod contract;
pub(crate) mod kind;

mod deadline;
#[cfg(test)]
mod stub;
mod threads;
mod waiting;
// Stands in for architectures without bindings in the `io-uring` crate.
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            target_arch = "riscv64",
            target_arch = "loongarch64",
            target_arch = "powerpc64"
        )
    )),
    path = "no_uring.rs"
)]
mod uring;

/// Starts threads for the operations that another driver cannot carry out.
pub(crate) fn helpers(config: &Config) -> Arc<dyn Driver> {
    threads::Threads::open(config)
}

/// Sets a driver up, or returns why that failed.
pub(crate) fn open(
    kind: DriverKind,
    config: &Config,
    common: &Common,
) -> Result<Arc<dyn Driver>, Rejected> {
    match kind {
        DriverKind::IoUring => uring::open(config, common),
        DriverKind::Threads => Ok(threads::Threads::open(config)),
    }
}
