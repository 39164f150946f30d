//! The builder of a runtime.

use std::time::Duration;

use super::config::{Choice, Config};
use super::driver::kind::DriverKind;
use super::owner::Owner;
use super::report::BuildError;
use super::runtime::NativeRt;

/// Builds a [`NativeRt`].
///
/// ```
/// use mfio_rt::native::{DriverKind, NativeRt};
///
/// let rt = NativeRt::builder().require(DriverKind::Threads).threads(4).build()?;
/// assert_eq!(rt.report().chosen(), DriverKind::Threads);
/// # Ok::<(), mfio_rt::native::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    config: Config,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config {
                choice: Choice::Best,
                queue_depth: 1024,
                max_in_flight: 65_536,
                threads: std::thread::available_parallelism()
                    .map_or(4, |n| (n.get() * 2).clamp(4, 32)),
                patience: Duration::from_secs(5),
                self_driving: true,
            },
        }
    }
}

impl Builder {
    /// Tries this driver first, then the others.
    pub fn prefer(mut self, kind: DriverKind) -> Self {
        self.config.choice = Choice::Prefer(kind);
        self
    }

    /// Allows this driver only: [`build`](Self::build) fails if it is not available.
    pub fn require(mut self, kind: DriverKind) -> Self {
        self.config.choice = Choice::Require(kind);
        self
    }

    /// Sets how many operations the kernel may have at a time (io_uring): 1 to 16384, default 1024.
    /// Further ones wait for room. If memory for rings is limited the depth is reduced, and the
    /// report tells.
    pub fn queue_depth(mut self, operations: u32) -> Self {
        self.config.queue_depth = operations.clamp(1, 16_384);
        self
    }

    /// Sets how many operations io_uring may have in flight: those that the kernel has, and those
    /// lined up for it. Default 65536. Further ones wait, in the order in which they were sent,
    /// until one of these has ended.
    ///
    /// A waiting operation takes an entry of a queue, a small share of its packet's memory. So the
    /// senders bound the queue; to send less at a time, use a pipeline, or a layer that limits. A
    /// read or an open that is dropped leaves the queue; a write that was sent is carried out. With
    /// the threads driver all operations beyond [`threads`](Self::threads) wait like this.
    #[doc(alias = "max_requests")]
    pub fn max_in_flight(mut self, operations: usize) -> Self {
        self.config.max_in_flight = operations.clamp(1, 1 << 30);
        self
    }

    /// Sets how many threads may block in system calls, or wait for streams, at a time (threads
    /// driver). Default: twice the processors, 4 to 32.
    pub fn threads(mut self, threads: usize) -> Self {
        self.config.threads = threads.clamp(1, 1024);
        self
    }

    /// Sets how long dropping the last handle waits for operations that the system does not end.
    /// Default 5 seconds.
    ///
    /// Writes that were sent are carried out within this time. Those to files end promptly; one to
    /// a pipe without a reader does not. Operations that have not ended by then are cancelled or,
    /// if that is not possible, leaked: see [`leaked_operations`](super::leaked_operations).
    pub fn shutdown_patience(mut self, patience: Duration) -> Self {
        self.config.patience = patience;
        self
    }

    /// Sets whether the runtime drives itself while nothing else does. Default: yes.
    ///
    /// A task that awaits an operation needs something that drives the runtime: a thread in
    /// `block_on`, a `drive` future, an integration. If there is none, a thread is started, which
    /// drives until something else does or no operation is in flight. If that is forbidden, an
    /// operation that is sent while nothing drives fails with `ErrorKind::NotDriven`. A `drive`
    /// future counts from its creation. Operations in flight when the last driver leaves then wait
    /// for the next one.
    ///
    /// `DriverKind::Threads` ends operations on threads of its own, and ignores this.
    pub fn self_driving(mut self, yes: bool) -> Self {
        self.config.self_driving = yes;
        self
    }

    /// Builds the runtime.
    ///
    /// # Errors
    ///
    /// When no allowed driver is available; the error has the reason for each.
    pub fn build(self) -> Result<NativeRt, BuildError> {
        Owner::new(&self.config).map(NativeRt::from_owner)
    }
}

impl NativeRt {
    /// Creates a runtime with the best driver that is available, and default limits.
    ///
    /// # Errors
    ///
    /// When no driver is available.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Returns a builder, to choose the driver and the limits.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
