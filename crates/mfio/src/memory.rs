//! Objects in memory: [`Memory`], the smallest complete backend, [`pipe`](fn@pipe), the smallest
//! stream, and [`Frozen`], immutable bytes that need no backend.
//!
//! [`send_io`](PacketIo::send_io) queues requests, and a backend future serves them in batches. The
//! queue is bounded: a sender that finds it full serves its own request, which takes no longer than
//! waiting and cannot fail. So the work in flight is bounded, no sender waits for another, and no
//! operation fails for a full queue. The queue's memory grows to its maximum need; after that
//! nothing is allocated.
//!
//! No waker runs under a lock: a batch is copied first, and completed after the locks are released.

mod clip;
mod control;
mod frozen;
mod pipe;
mod queue;

use crate::backend::{DynBackend, IoBackend, SharedBackend};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::{Identity, IoObject, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::packet::{PacketPool, PoolLimits, View};
use crate::traits::HasLen;
use alloc::sync::Arc;
use alloc::vec::Vec;
use clip::clip;
use core::fmt;
use core::future::{Future, Ready, ready};
use core::pin::Pin;
use core::task::{Context, Poll};
use queue::{MemoryRequest, Pushed, Queue};

pub use frozen::Frozen;
pub use pipe::{PipeReader, PipeWriter, pipe};

/// Capacity of the queue, in requests.
const DEPTH: usize = 1024;

/// Bytes in memory as an object with a backend, to be read and written like a
/// file from any executor.
///
/// A request beyond the end moves the bytes before the end; the others fail with
/// [`UnexpectedEof`](ErrorKind::UnexpectedEof).
///
/// Control operations ([`IoControl`](crate::traits::IoControl)) resize it, set ranges to zero,
/// which a discard does too, and tell its length; a sync has nothing to do.
///
/// Share it by reference or `Arc`. It has no thread of its own: a future that is awaited outside of
/// `block_on` completes while a task drives the object, such as `Tokio::drive(io.clone())`, and
/// waits until then.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{BlockingIo, IoRead};
///
/// let io = Memory::new(b"hello, world".to_vec());
/// let tail = io.block_on(io.read_vec_at(7, 100))?;
/// assert_eq!(tail, b"world");
///
/// let mut head = [0; 5];
/// io.blocking().read_exact_at(&mut head, 0)?;
/// assert_eq!(&head, b"hello");
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Memory {
    shared: Arc<Contents>,
    backend: SharedBackend,
    pool: PacketPool,
}

struct Contents {
    queue: Queue,
    bytes: Lock<Vec<u8>>,
}

impl Memory {
    /// Creates an object with these contents.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self::with_pool(bytes, PoolLimits::default())
    }

    /// Creates an object with these contents and a limit for the packets kept for borrowed and
    /// typed calls.
    pub fn with_pool(bytes: impl Into<Vec<u8>>, limits: PoolLimits) -> Self {
        let shared = Arc::new(Contents {
            queue: Queue::new(DEPTH),
            bytes: Lock::new(bytes.into()),
        });
        Self {
            backend: SharedBackend::builder(Serve {
                shared: shared.clone(),
                batch: Vec::new(),
            })
            .on_signal_only()
            .build(),
            shared,
            pool: PacketPool::new(limits),
        }
    }

    /// Returns the length, in bytes.
    pub fn len(&self) -> usize {
        self.shared.bytes.lock().len()
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a copy of the contents.
    pub fn to_vec(&self) -> Vec<u8> {
        self.shared.bytes.lock().clone()
    }

    #[inline(always)]
    fn send(&self, request: MemoryRequest) {
        match self.shared.queue.push(request) {
            Ok(Pushed::First) => self.backend.sharing().signal(),
            // The sender of the first request signals, and the backend takes the whole queue.
            Ok(Pushed::Behind) => {}
            Err(mut request) => {
                request.copy(&mut self.shared.bytes.lock());
                request.end();
            }
        }
    }
}

impl IoObject for Memory {
    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        Some(&self.pool)
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            object: None,
            driver: Some("memory"),
        }
    }
}

impl PacketIo<Read> for Memory {
    #[inline]
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.send(MemoryRequest::read(pos, view));
    }

    fn transfer_blocking(&self, pos: u64, into: &mut [u8]) -> Option<Result<usize, Cause>> {
        let bytes = self.shared.bytes.lock();
        let from = clip(bytes.len(), pos, into.len());
        let good = from.len();
        into[..good].copy_from_slice(&bytes[from]);
        Some(Ok(good))
    }
}

impl PacketIo<Write> for Memory {
    #[inline]
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.send(MemoryRequest::write(pos, view));
    }

    fn transfer_blocking(&self, pos: u64, from: &[u8]) -> Option<Result<usize, Cause>> {
        let mut bytes = self.shared.bytes.lock();
        let into = clip(bytes.len(), pos, from.len());
        let good = into.len();
        bytes[into].copy_from_slice(&from[..good]);
        if good == 0 && !from.is_empty() {
            return Some(Err(ErrorKind::UnexpectedEof.into()));
        }
        Some(Ok(good))
    }
}

impl HasLen for Memory {
    type Len = Ready<Result<u64>>;

    fn io_len(&self) -> Self::Len {
        ready(Ok(self.len() as u64))
    }
}

impl IoBackend for Memory {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The backend: serves the queue.
struct Serve {
    shared: Arc<Contents>,
    /// Empty between polls; its memory is kept to be swapped with the queue.
    batch: Vec<MemoryRequest>,
}

impl Future for Serve {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Self { shared, batch } = &mut *self;
        // One batch a poll: requests queued meanwhile signal again.
        shared.queue.take(batch);
        if !batch.is_empty() {
            let mut bytes = shared.bytes.lock();
            batch
                .iter_mut()
                .for_each(|request| request.copy(&mut bytes));
            drop(bytes);
            batch.drain(..).for_each(MemoryRequest::end);
        }
        Poll::Pending
    }
}
