//! io_uring where there is none.

use std::sync::Arc;

use mfio::error::ErrorKind;

use super::{Common, Driver};
use crate::native::builder::Config;
use crate::native::ladder::Refusal;

/// Never made.
pub(crate) enum Uring {}

impl Uring {
    /// Says that the platform has no io_uring.
    pub(crate) fn open(_: &Config, _: &Common) -> Result<Arc<dyn Driver>, Refusal> {
        Err(Refusal::new(
            "platform",
            ErrorKind::NotSupported,
            "io_uring is part of Linux, and of some architectures only",
        ))
    }
}
