//! How a runtime is to be.

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

    /// This driver or none: [`build`](Self::build) fails where it cannot be had.
    pub fn require(mut self, kind: DriverKind) -> Self {
        self.config.choice = Choice::Require(kind);
        self
    }

    /// How many operations the kernel may have at a time (io_uring). 1 to 16384, default 1024; further ones wait for
    /// room. Where memory for rings is limited, the depth is reduced as far as needed, and the report tells.
    pub fn queue_depth(mut self, operations: u32) -> Self {
        self.config.queue_depth = operations.clamp(1, 16_384);
        self
    }

    /// How many operations io_uring is given to work on: those that the kernel has, and those that are lined up for it.
    /// Default 65536. Further ones wait until one of these has ended, in the order in which they were sent.
    ///
    /// Waiting takes no memory but an entry of a queue, a small share of the packet that is waiting. So what is sent
    /// bounds the queue; to bound that, send less at a time, by a pipeline or a layer that limits. A read or an open that
    /// is given up leaves the queue; a write that was sent is carried out. (With the threads driver all operations beyond
    /// [`threads`](Self::threads) wait like this.)
    #[doc(alias = "max_requests")]
    pub fn max_in_flight(mut self, operations: usize) -> Self {
        self.config.max_in_flight = operations.clamp(1, 1 << 30);
        self
    }

    /// How many threads may block in system calls, or wait for streams, at a time (threads driver). Default: twice the processors, 4 to 32.
    pub fn threads(mut self, threads: usize) -> Self {
        self.config.threads = threads.clamp(1, 1024);
        self
    }

    /// How long dropping the last handle waits for operations that the system does not end. Default 5 seconds. Writes that
    /// were sent are carried out within this time: those to files end promptly, one to a pipe that nobody reads does not.
    /// What has not ended by then is cancelled or, where that cannot be, leaked: see
    /// [`leaked_operations`](super::leaked_operations).
    pub fn shutdown_patience(mut self, patience: Duration) -> Self {
        self.config.patience = patience;
        self
    }

    /// Whether the runtime drives itself while nobody else does. Default: yes.
    ///
    /// A task that awaits an operation needs somebody who drives the runtime: a thread in `block_on`, a `drive` future, an
    /// integration. Where there is nobody, a thread starts that does so until somebody else drives or nothing is
    /// under way any more. Forbidden, an operation that is sent while nobody drives fails with `ErrorKind::NotDriven`. A `drive`
    /// future counts from when it is made. Operations that are under way when the last driver leaves wait for the next
    /// one then.
    ///
    /// Drivers that end operations on threads of their own (`DriverKind::Threads`) need nobody, and ignore this.
    pub fn self_driving(mut self, yes: bool) -> Self {
        self.config.self_driving = yes;
        self
    }

    /// Sets the runtime up.
    ///
    /// # Errors
    ///
    /// When no driver that may be used can be had; the error says of each why.
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
