//! An object with any backend, held exclusively, with or without a handle.

use super::Bell;
use mfio::backend::*;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

/// An exclusive object. Its backend is any future.
pub(crate) struct Object {
    pub(crate) container: BackendContainer<DynBackend>,
    pub(crate) bell: Option<Bell>,
}

impl Object {
    /// Without a handle.
    pub(crate) fn bare(backend: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            container: BackendContainer::new_dyn(backend),
            bell: None,
        }
    }

    /// With `bell`, which is drained before each poll of the backend.
    pub(crate) fn with_bell(
        bell: Bell,
        backend: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut drain = bell.drains();
        let mut backend = Box::pin(backend);
        let drained = poll_fn(move |cx| {
            drain();
            backend.as_mut().poll(cx)
        });
        Self {
            container: BackendContainer::new_dyn(drained),
            bell: Some(bell),
        }
    }

    /// Without a handle, with one of either kind: the same backend thrice.
    pub(crate) fn each<B: Future<Output = ()> + Send + 'static>(
        backend: impl Fn() -> B,
    ) -> [Self; 3] {
        [
            Self::bare(backend()),
            Self::with_bell(Bell::socket_pair(), backend()),
            Self::with_bell(Bell::eventfd(), backend()),
        ]
    }

    /// A backend that calls `f` in each round and never completes.
    pub(crate) fn bare_fn(mut f: impl FnMut(&mut Context<'_>) + Send + 'static) -> Self {
        Self::bare(poll_fn(move |cx| {
            f(cx);
            Poll::Pending
        }))
    }

    pub(crate) fn bell(&self) -> &Bell {
        self.bell.as_ref().unwrap()
    }
}

impl IoBackend for Object {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.bell.as_ref().map(|bell| PollingHandle {
            handle: bell.fd(),
            cur_flags: &bell.interests,
            max_flags: PollingFlags::all(),
            waker: bell.waker(),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.container.acquire(self.bell.as_ref().map(Bell::flags))
    }
}
