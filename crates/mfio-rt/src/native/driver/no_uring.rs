//! The io_uring driver on platforms without io_uring.

use std::sync::Arc;

use mfio::error::ErrorKind;

use super::contract::{Common, Driver};
use crate::native::config::Config;
use crate::native::report::Rejected;

/// Fails: the platform has no io_uring.
pub(crate) fn open(_: &Config, _: &Common) -> Result<Arc<dyn Driver>, Rejected> {
    Err(Rejected::new(
        "platform",
        ErrorKind::NotSupported,
        "io_uring is part of Linux, and of some architectures only",
    ))
}
