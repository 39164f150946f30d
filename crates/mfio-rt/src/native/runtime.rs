//! The handle of a runtime.

use std::fmt;
use std::sync::Arc;

use mfio::backend::{DynBackend, IoBackend, SharedBackend};

use super::owner::Owner;
use super::report::Report;

/// A runtime for files. Clones are handles to the same runtime; the last handle, files included,
/// ends it.
///
/// Ending it carries out the writes that were sent (syncs and closes too), whether or not their
/// futures are still there, cancels everything else, and waits for both: see
/// [`Builder::shutdown_patience`](super::Builder::shutdown_patience).
///
/// ```
/// use mfio_rt::fs::OpenOptions;
/// use mfio_rt::prelude::*;
///
/// # let dir = std::env::temp_dir().join(format!("mfio-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let rt = NativeRt::new()?;
/// let options = OpenOptions::new().read(true).write(true).create(true);
/// rt.block_on(async {
///     let file = rt.open(dir.join("greeting"), &options).await?;
///     file.write_all_at(b"Hello, file!", 0).await?;
///     let mut name = [0; 4];
///     file.read_exact_at(&mut name, 7).await?;
///     assert_eq!(&name, b"file");
///     file.close().await
/// })?;
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NativeRt {
    owner: Arc<Owner>,
}

impl NativeRt {
    pub(crate) fn from_owner(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    /// Returns the driver in use, and why each better one was rejected.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.owner.report()
    }
}

impl fmt::Debug for NativeRt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeRt")
            .field("driver", &self.owner.driver_name())
            .finish_non_exhaustive()
    }
}

impl IoBackend for NativeRt {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(self.owner.backend())
    }
}
