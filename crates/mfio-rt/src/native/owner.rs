//! What a runtime is made of, and how it ends.
//!
//! [`Core`] is what the backend and the handles share; [`Owner`] is what the handles of users keep alive. Operations in
//! flight hold files' objects, never an owner, so the last handle of a user ends the runtime, whatever is in flight.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mfio::backend::{BackendContainer, BackendHandle, DynBackend, PollingHandle};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::{PacketPool, PoolLimits, View};

use super::cache_policy::Mode;
use super::cached;
use super::config::Config;
use super::driver::contract::{Common, Driver, Handle, Submitted};
use super::fork::ForkMark;
use super::object::Object;
use super::op::{Op, Transfer};
use super::report::{BuildError, Report};
use super::selection::select;
use super::table::Key;

/// Operations whose end could not be proved, of all runtimes of this process.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// How many operations, in this process, the system had not ended when their runtime was dropped. Their buffers,
/// descriptors and rings stay allocated for good: the system may still use them.
#[must_use]
pub fn leaked_operations() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

/// A turn flushes and reaps this often at most before it lets others do something.
const ROUNDS: usize = 8;

/// Shared by the backend and the handles.
#[derive(Debug)]
pub(crate) struct Core {
    driver: Arc<dyn Driver>,
    stride: u32,
    common: Common,
}

/// Kept alive by the handles of users; ends the runtime when the last of them goes.
pub(crate) struct Owner {
    // Both are forgotten, not dropped, in a forked child.
    core: ManuallyDrop<Arc<Core>>,
    container: ManuallyDrop<BackendContainer<DynBackend>>,
    pool: PacketPool,
    report: Report,
    patience: Duration,
}

impl Core {
    /// One turn: hands over what was submitted, ends what is finished.
    fn turn(&self, done: &mut Vec<(Op, i32)>, cx: &Context<'_>) {
        if self.common.mark.is_child() {
            return;
        }
        for _ in 0..ROUNDS {
            let more = self.driver.flush();
            if !(self.driver.reap(done) | more) {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }
}

/// Says what happens to operations that nobody drives, of a driver that needs to be driven.
fn attended(
    container: BackendContainer<DynBackend>,
    driver: &Arc<dyn Driver>,
    self_driving: bool,
) -> BackendContainer<DynBackend> {
    match driver.handle() {
        None => container,
        Some(_) if !self_driving => container.refuse_without_driver(),
        Some(handle) => {
            let driver = Arc::downgrade(driver);
            container.with_fallback_thread(&handle.polling(), move || {
                driver.upgrade().is_some_and(|driver| driver.is_busy())
            })
        }
    }
}

impl Owner {
    pub(crate) fn new(config: &Config) -> Result<Arc<Self>, BuildError> {
        let common = Common {
            mode: Arc::new(Mode::new()),
            mark: Arc::new(ForkMark::new()),
        };
        let (driver, report) = select(config, &common)?;
        let stride = driver.capabilities().inline_stride;
        let flags = driver.handle().map(|handle| handle.flags.clone());
        let core = Arc::new(Core {
            driver,
            stride,
            common,
        });
        let backend = {
            let (core, mut done) = (core.clone(), Vec::with_capacity(64));
            std::future::poll_fn(move |cx| {
                core.turn(&mut done, cx);
                Poll::<()>::Pending
            })
        };
        let container = BackendContainer::new_dyn(backend).on_signal_only();
        let container = match flags {
            Some(flags) => container.with_wake_flags(flags),
            None => container,
        };
        let container = attended(container, &core.driver, config.self_driving);
        Ok(Arc::new(Self {
            core: ManuallyDrop::new(core),
            container: ManuallyDrop::new(container),
            pool: PacketPool::new(PoolLimits::default()),
            report,
            patience: config.patience,
        }))
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.core.driver
    }

    pub(crate) fn driver_name(&self) -> &'static str {
        self.core.driver.capabilities().name
    }

    /// What can be done about a failure of the driver itself.
    pub(crate) fn explain_driver(&self, cause: Cause) -> Option<&'static str> {
        self.core.driver.explain(cause)
    }

    pub(crate) fn container(&self) -> &BackendContainer<DynBackend> {
        &self.container
    }

    pub(crate) fn pool(&self) -> &PacketPool {
        &self.pool
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        self.core.common.mark.is_child()
    }

    /// Where a transfer begins, if it can be done at all. Of a stream, which has no positions, any will do.
    #[inline]
    fn place(&self, object: &Object, pos: u64) -> Result<u64, Cause> {
        if self.is_child() {
            return Err(ErrorKind::BackendGone.into());
        }
        if i64::try_from(pos).is_ok() {
            return Ok(pos);
        }
        match object.is_seekable() {
            true => Err(Cause::from_errno(libc::EINVAL)),
            false => Ok(0),
        }
    }

    /// Reads into `view`.
    #[inline]
    pub(crate) fn read(&self, object: &Arc<Object>, view: View<Read>, pos: u64) {
        if view.is_empty() {
            return view.done();
        }
        let pos = match self.place(object, pos) {
            Ok(pos) => pos,
            Err(cause) => return view.fail(cause),
        };
        let core = &**self.core;
        if let Some((view, pos)) =
            cached::read_at_send(object, &core.common.mode, core.stride, view, pos)
        {
            self.submit_or_fail(Op::Read(Transfer::new(object.clone(), view, pos)));
        }
    }

    /// Writes from `view`.
    pub(crate) fn write(&self, object: &Arc<Object>, view: View<Write>, pos: u64) {
        if view.is_empty() {
            return view.done();
        }
        match self.place(object, pos) {
            Err(cause) => view.fail(cause),
            Ok(pos) => self.submit_or_fail(Op::Write(Transfer::new(object.clone(), view, pos))),
        }
    }

    #[inline]
    fn submit_or_fail(&self, op: Op) {
        if let Err((op, cause)) = self.hand_over(op) {
            op.fail(cause);
        }
    }

    /// Hands an operation to the driver, and tells whoever drives.
    #[inline]
    pub(crate) fn submit(&self, op: Op) -> Result<Key, (Op, Cause)> {
        if self.is_child() {
            return Err((op, ErrorKind::BackendGone.into()));
        }
        self.hand_over(op)
    }

    #[inline]
    fn hand_over(&self, op: Op) -> Result<Key, (Op, Cause)> {
        if let Some(sharing) = self.container.sharing()
            && let Err(cause) = sharing.attend()
        {
            return Err((op, cause));
        }
        let Submitted { key, signal } = self.core.driver.submit(op)?;
        if signal {
            self.signal();
        }
        Ok(key)
    }

    #[inline]
    fn signal(&self) {
        if let Some(sharing) = self.container.sharing() {
            sharing.signal();
        }
    }

    /// Has operations looked for that nobody wants any more: the last handle of a file has gone before them, and whoever
    /// waits for the close, or for a lock of the file, waits for their end.
    #[cold]
    pub(crate) fn sweep(&self) {
        if self.is_child() {
            return;
        }
        self.core.driver.sweep();
        if self.core.driver.handle().is_some() {
            self.signal();
        }
    }

    /// Asks for the early end of an operation.
    pub(crate) fn cancel(&self, key: Key) {
        if self.is_child() {
            return;
        }
        self.core.driver.cancel(key);
        // A driver without a handle ends operations by itself. A signal would wake all tasks that
        // wait for the runtime, and they would find nothing to do.
        if self.core.driver.handle().is_some() {
            self.signal();
        }
    }
}

impl Owner {
    /// Asked for by those who are about to wait.
    ///
    /// # Panics
    ///
    /// In a forked child, where nobody would ever end the wait: the turn may be held by a thread that is not there.
    pub(super) fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.assert_not_child();
        self.driver().handle().map(Handle::polling)
    }

    #[track_caller]
    pub(super) fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.container()
            .acquire(self.driver().handle().map(|handle| handle.flags.clone()))
    }

    /// # Panics
    ///
    /// In a forked child, as above.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        self.assert_not_child();
        self.driver().wait(timeout);
    }

    fn assert_not_child(&self) {
        assert!(
            !self.is_child(),
            "this process is a forked child of the one that made the runtime, and cannot wait for it"
        );
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("driver", &self.driver_name())
            .finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.is_child() {
            // The rings belong to the parent, and locks may have been held when the child was made.
            return;
        }
        let leaked = self.core.driver.shutdown(self.patience);
        if leaked > 0 {
            LEAKED.fetch_add(leaked, Ordering::Relaxed);
            std::mem::forget(self.core.driver.clone());
        }
        drop_in_order(&mut self.container, &mut self.core);
    }
}

/// The backend first: it has a share of the core.
#[allow(unsafe_code)]
fn drop_in_order(
    container: &mut ManuallyDrop<BackendContainer<DynBackend>>,
    core: &mut ManuallyDrop<Arc<Core>>,
) {
    // SAFETY: only called at the end of `Owner::drop`, after which nobody can use either.
    unsafe {
        ManuallyDrop::drop(container);
        ManuallyDrop::drop(core);
    }
}
