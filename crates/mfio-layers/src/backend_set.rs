//! [`BackendSet`]: several backends as one.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use mfio::backend::{DynBackend, Integration, IoBackend, LinksIoBackend, Null, SharedBackend};
use mfio::error::{Error, ErrorKind, Result};

/// Drives the backends of several objects as one, for [`AttachBackend`](crate::AttachBackend) or to
/// be spawned.
///
/// It takes backends without a polling handle, such as that of [`Memory`](mfio::memory::Memory),
/// which notify by other means. Each wake polls all of them, so it suits a few. The objects of one
/// runtime share one backend, and need no `BackendSet`. For several runtimes, spawn a `drive` of an
/// executor's integration for each.
///
/// Other tasks and threads may drive the same backends.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
/// use mfio_layers::BackendSet;
/// use std::sync::Arc;
///
/// let [from, to] = ["source", "target"].map(|text| Arc::new(Memory::new(text)));
/// let both = BackendSet::new([from.clone(), to.clone()])?;
/// both.block_on(async {
///     let bytes = from.read_vec_at(0, 6).await?;
///     to.write_all_at(&bytes, 0).await
/// })?;
/// assert_eq!(to.to_vec(), b"source");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[doc(alias = "Together")]
pub struct BackendSet {
    backend: SharedBackend,
}

impl BackendSet {
    /// Drives the backends of `links`.
    ///
    /// # Errors
    /// `NotSupported` where one of them has a polling handle, or is not shared, so that one task at
    /// a time may drive it.
    pub fn new<L>(links: impl IntoIterator<Item = L>) -> Result<Self>
    where
        L: LinksIoBackend<Link: Sync> + Send + 'static,
    {
        let drive = |link: L| {
            let object = link.get_mut();
            if object
                .shared()
                .is_none_or(|shared| shared.polling_handle().is_some())
            {
                return Err(
                    Error::new(ErrorKind::NotSupported, "driving a set of backends").help(
                        "one of the backends has a polling handle, or is not shared: spawn a \
                         `drive` for each",
                    ),
                );
            }
            let drive: Pin<Box<dyn Future<Output = Infallible> + Send>> =
                Box::pin(Null::drive(link));
            Ok(drive)
        };
        let drives = links.into_iter().map(drive).collect::<Result<_>>()?;
        Ok(Self {
            backend: SharedBackend::new(All { drives }),
        })
    }
}

impl IoBackend for BackendSet {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

impl fmt::Debug for BackendSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendSet").finish_non_exhaustive()
    }
}

/// A future that polls every backend.
struct All {
    drives: Vec<Pin<Box<dyn Future<Output = Infallible> + Send>>>,
}

impl Future for All {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for drive in &mut self.drives {
            match drive.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(never) => match never {},
            }
        }
        Poll::Pending
    }
}
