//! The objects that a measurement reads.

use std::sync::Arc;

use mfio_rt::native::{File, NativeRt};

use super::subject::Subject;

/// The file to read, and the one file object through which all contestants of mfio read it.
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) subject: Arc<Subject>,
    pub(super) runtime: NativeRt,
    pub(super) file: File,
}
