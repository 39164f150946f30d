//! [`Memory`]: bytes behind the packet interface. The smallest real backend. [`pipe`](fn@pipe): the smallest stream. [`Frozen`]: bytes
//! that nobody changes, which need no backend.
//!
//! Requests are queued by [`send_io`](PacketIo::send_io) and served, a batch at a time, by a backend future. The queue is
//! bounded: a sender that finds it full serves its own request, which for memory is as good as waiting and cannot fail.
//! So the work in flight is bounded, no sender waits for another one, and an operation never ends with "queue full". The
//! memory of the queue grows to what was needed at most; from then on nothing is allocated.
//!
//! No waker runs under a lock: a batch is first copied, then, with the locks released, ended.

mod frozen;
mod pipe;
mod queue;

use crate::backend::{
    BackendContainer, BackendHandle, DynBackend, IoBackend, PollingHandle, Sharing,
};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::{Identity, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::packet::{PacketPool, PoolLimits, View};
use crate::traits::HasLen;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, Ready, ready};
use core::pin::Pin;
use core::task::{Context, Poll};
use queue::{Pushed, Queue, Request};

pub use frozen::Frozen;
pub use pipe::{PipeReader, PipeWriter, pipe};

/// How many requests wait at most.
const DEPTH: usize = 1024;

/// A fixed number of bytes as an object with a backend: to be read and written like a file, from any executor.
///
/// Requests that reach beyond the end have their part within it served; the rest fails with
/// [`UnexpectedEof`](ErrorKind::UnexpectedEof).
///
/// Share it by reference or `Arc`.
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
    shared: Arc<Shared>,
    backend: BackendContainer<DynBackend>,
    pool: PacketPool,
}

struct Shared {
    queue: Queue,
    bytes: Lock<Box<[u8]>>,
    len: usize,
}

impl Memory {
    /// Takes these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self::with_pool(bytes, PoolLimits::default())
    }

    /// Takes these bytes, and sets how many packets are kept for borrowed and typed calls.
    pub fn with_pool(bytes: impl Into<Vec<u8>>, limits: PoolLimits) -> Self {
        let bytes: Box<[u8]> = bytes.into().into_boxed_slice();
        let shared = Arc::new(Shared {
            queue: Queue::new(DEPTH),
            len: bytes.len(),
            bytes: Lock::new(bytes),
        });
        Self {
            backend: BackendContainer::new_dyn(Serve {
                shared: shared.clone(),
                batch: Vec::new(),
            })
            .on_signal_only(),
            shared,
            pool: PacketPool::new(limits),
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.shared.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of all bytes as they are now.
    pub fn to_vec(&self) -> Vec<u8> {
        self.shared.bytes.lock().to_vec()
    }

    #[inline(always)]
    fn send(&self, request: Request) {
        match self.shared.queue.push(request) {
            Ok(Pushed::First) => {
                if let Some(sharing) = self.backend.sharing() {
                    sharing.signal();
                }
            }
            // Whoever pushed the first one signals, and the backend takes all that is queued.
            Ok(Pushed::Behind) => {}
            Err(mut request) => {
                request.copy(&mut self.shared.bytes.lock());
                request.end();
            }
        }
    }
}

impl PacketIo<Read> for Memory {
    #[inline]
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.send(Request::read(pos, view));
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        Some(&self.pool)
    }

    fn identity(&self) -> Identity<'_> {
        IDENTITY
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
        self.send(Request::write(pos, view));
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        Some(&self.pool)
    }

    fn identity(&self) -> Identity<'_> {
        IDENTITY
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

const IDENTITY: Identity<'static> = Identity {
    object: None,
    driver: Some("memory"),
};

/// The part of a request that lies within the bytes.
#[inline(always)]
fn clip(size: usize, pos: u64, len: usize) -> core::ops::Range<usize> {
    let start = usize::try_from(pos).map_or(size, |pos| pos.min(size));
    start..start.saturating_add(len).min(size)
}

impl IoBackend for Memory {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        None
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.backend.acquire(None)
    }

    fn sharing(&self) -> Option<&Sharing> {
        self.backend.sharing()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The backend: serves what is queued.
struct Serve {
    shared: Arc<Shared>,
    /// Empty between polls; what its memory is kept for is the exchange with the queue.
    batch: Vec<Request>,
}

impl Future for Serve {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Self { shared, batch } = &mut *self;
        // One batch a poll: whatever comes meanwhile signals again.
        shared.queue.take(batch);
        if !batch.is_empty() {
            let mut bytes = shared.bytes.lock();
            batch
                .iter_mut()
                .for_each(|request| request.copy(&mut bytes));
            drop(bytes);
            batch.drain(..).for_each(Request::end);
        }
        Poll::Pending
    }
}
