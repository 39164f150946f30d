//! The parts of a runtime, and its end.
//!
//! The backend and the handles share [`Engine`]; the user's handles keep [`Owner`] alive.
//! Operations in flight hold files' objects, never an owner. So the user's last handle ends the
//! runtime, whatever is in flight.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use mfio::backend::{BackendWait, Pollable, PollingFlags, SharedBackend};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::{PacketPool, PoolLimits, View};

use super::cache_policy::Mode;
use super::cached;
use super::config::Config;
use super::driver;
use super::driver::contract::{Common, Driver, Submitted};
use super::fork::ForkMark;
use super::object::Object;
use super::op::{Op, Transfer};
use super::report::{BuildError, Report};
use super::selection::select;
use super::table::Key;

/// Operations of all runtimes of this process that did not end before their runtime was dropped.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of operations, in this process, that the system had not ended when their
/// runtime was dropped. Their buffers, descriptors and rings stay allocated: the system may still
/// use them.
#[must_use]
pub fn leaked_operations() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

/// Flushes and reaps of one poll, at most, before other tasks run.
const ROUNDS: usize = 8;

/// Shared by the backend and the handles.
#[derive(Debug)]
pub(crate) struct Engine {
    driver: Arc<dyn Driver>,
    /// Threads for operations that the driver cannot carry out, from the first of them on.
    helpers: OnceLock<Arc<dyn Driver>>,
    stride: u32,
    common: Common,
    config: Config,
}

/// Kept alive by the user's handles; the last of them ends the runtime.
pub(crate) struct Owner {
    // Both are forgotten, not dropped, in a forked child.
    core: ManuallyDrop<Arc<Engine>>,
    backend: ManuallyDrop<SharedBackend>,
    pool: PacketPool,
    report: Report,
}

impl Engine {
    #[cold]
    fn helpers(&self) -> &dyn Driver {
        &**self.helpers.get_or_init(|| driver::helpers(&self.config))
    }

    /// Polls once: submits accepted operations, ends completed ones.
    fn poll_once(&self, done: &mut Vec<(Op, i32)>, cx: &Context<'_>) {
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

/// Makes the shared backend of a driver, with the policy for operations that nothing drives, if the
/// driver has to be driven.
fn share(core: &Arc<Engine>, self_driving: bool) -> SharedBackend {
    let (polled, mut done) = (core.clone(), Vec::with_capacity(64));
    let builder = SharedBackend::builder(std::future::poll_fn(move |cx| {
        polled.poll_once(&mut done, cx);
        Poll::<()>::Pending
    }))
    .on_signal_only()
    .waits(core.clone());
    let Some(handle) = core.driver.handle() else {
        return builder.build();
    };
    let builder = builder.handle(handle.export());
    if !self_driving {
        return builder.refuse_without_driver().build();
    }
    builder.build_with_fallback_thread(handle.in_flight.clone())
}

impl Owner {
    pub(crate) fn new(config: &Config) -> Result<Arc<Self>, BuildError> {
        let common = Common {
            mode: Arc::new(Mode::new()),
            mark: Arc::new(ForkMark::new()),
        };
        let (driver, report) = select(config, &common)?;
        let stride = driver.capabilities().inline_stride;
        let core = Arc::new(Engine {
            driver,
            helpers: OnceLock::new(),
            stride,
            common,
            config: config.clone(),
        });
        let backend = share(&core, config.self_driving);
        Ok(Arc::new(Self {
            core: ManuallyDrop::new(core),
            backend: ManuallyDrop::new(backend),
            pool: PacketPool::new(PoolLimits::default()),
            report,
        }))
    }

    pub(crate) fn driver_name(&self) -> &'static str {
        self.core.driver.capabilities().name
    }

    /// Returns a remedy for a failure of the driver itself.
    pub(crate) fn explain_driver(&self, cause: Cause) -> Option<&'static str> {
        self.core.driver.explain(cause)
    }

    pub(crate) fn backend(&self) -> &SharedBackend {
        &self.backend
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

    /// Returns the position of a transfer, or why it is impossible. A stream ignores positions.
    #[inline]
    fn transfer_pos(&self, object: &Object, pos: u64) -> Result<u64, Cause> {
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
        let pos = match self.transfer_pos(object, pos) {
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
        match self.transfer_pos(object, pos) {
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

    /// Submits an operation, and signals the backend if it has to be polled.
    #[inline]
    pub(crate) fn submit(&self, op: Op) -> Result<Key, (Op, Cause)> {
        if self.is_child() {
            return Err((op, ErrorKind::BackendGone.into()));
        }
        if op.is_on_thread() && self.core.driver.handle().is_some() {
            return Ok(self.core.helpers().submit(op)?.key);
        }
        self.hand_over(op)
    }

    #[inline]
    fn hand_over(&self, op: Op) -> Result<Key, (Op, Cause)> {
        if let Err(cause) = self.backend.sharing().attend() {
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
        self.backend.sharing().signal();
    }

    /// Looks for abandoned operations of a file that was closed: they keep its descriptor and its
    /// locks.
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

    /// Requests the early end of an operation.
    pub(crate) fn cancel(&self, key: Key) {
        if self.is_child() {
            return;
        }
        self.core.driver.cancel(key);
        // A driver without a handle ends operations by itself. A signal would wake every waiting
        // task for nothing.
        if self.core.driver.handle().is_some() {
            self.signal();
        }
    }
}

impl BackendWait for Engine {
    /// # Panics
    ///
    /// In a forked child, where the wait would never end: the lock may be held by a thread that
    /// does not exist there.
    fn before_wait(&self) {
        assert!(
            !self.common.mark.is_child(),
            "this process is a forked child of the one that made the runtime, and cannot wait for \
             it"
        );
    }

    fn wait(&self, _: &dyn Pollable, _: &PollingFlags, timeout: Option<Duration>) {
        self.before_wait();
        self.driver.wait(timeout);
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
        for driver in self
            .core
            .helpers
            .get()
            .into_iter()
            .chain([&self.core.driver])
        {
            let leaked = driver.shutdown(self.core.config.patience);
            if leaked > 0 {
                LEAKED.fetch_add(leaked, Ordering::Relaxed);
                std::mem::forget(driver.clone());
            }
        }
        drop_in_order(&mut self.backend, &mut self.core);
    }
}

/// The backend first: it has a share of the core.
#[allow(unsafe_code)]
fn drop_in_order(backend: &mut ManuallyDrop<SharedBackend>, core: &mut ManuallyDrop<Arc<Engine>>) {
    // SAFETY: only called at the end of `Owner::drop`, after which neither is used.
    unsafe {
        ManuallyDrop::drop(backend);
        ManuallyDrop::drop(core);
    }
}
