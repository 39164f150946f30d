//! [`pipe`]: bytes that go from one end to another, in order.
//!
//! Invariants
//!
//! 1. No view is ended under the lock, since that may run code of others, which may come back here.
//! 2. One thread at a time serves (`serving`); requests that come meanwhile are queued, and it sees them. So a view whose
//!    end sends the next request, directly, does not recurse.

use crate::backend::{
    BackendContainer, BackendHandle, DynBackend, IoBackend, PollingHandle, Sharing,
};
use crate::error::{Cause, ErrorKind};
use crate::io::{Identity, NoPos, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::packet::{PacketPool, PoolLimits, View};
use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;

/// How many requests wait at most, of each direction.
const DEPTH: usize = 256;

/// A pipe of `capacity` bytes, one at least: the end to read from, and the end to write to.
///
/// Neither has positions ([`NoPos`]). Requests are served in the order in which they come. Those that have to wait are
/// queued, up to 256 of each kind; one more fails with [`LimitReached`](ErrorKind::LimitReached).
///
/// * A read ends with what there is: where that is less than it wants, the rest fails with
///   [`WouldBlock`](ErrorKind::WouldBlock). It waits where there is nothing, and fails with
///   [`UnexpectedEof`](ErrorKind::UnexpectedEof) when the writing end has gone and nothing is left.
/// * A write waits until all its bytes are in the pipe. The bytes that are not when the reading end goes fail with
///   [`BrokenPipe`](ErrorKind::BrokenPipe).
/// * A read whose future was dropped while it waited takes nothing.
///
/// A [`ByteStream`](crate::cursor::ByteStream) of an end has the asynchronous I/O traits, a `BlockingByteStream` those of
/// std. Both ends can be shared, by reference or `Arc`.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::pipe;
/// use mfio::traits::{StreamRead, StreamWrite};
///
/// let (reads, writes) = pipe(16);
/// reads.block_on(async {
///     writes.write_all(b"hello").await?;
///     let mut bytes = [0; 16];
///     assert_eq!(reads.read(&mut bytes).await?, 5);
///     drop(writes);
///     assert_eq!(reads.read(&mut bytes).await?, 0);
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub fn pipe(capacity: usize) -> (PipeReader, PipeWriter) {
    let inner = Inner {
        bytes: VecDeque::new(),
        capacity: capacity.max(1),
        reads: VecDeque::new(),
        writes: VecDeque::new(),
        reader_gone: false,
        writer_gone: false,
        serving: false,
    };
    let shared = Arc::new(Shared(Lock::new(inner)));
    (
        PipeReader(End::new(shared.clone())),
        PipeWriter(End::new(shared)),
    )
}

/// The end of a [`pipe`] to read from. Dropping it fails what is, or will be, written; what is in the pipe is lost.
pub struct PipeReader(End);

/// The end of a [`pipe`] to write to. Dropping it ends the data, after what was written.
pub struct PipeWriter(End);

/// What both ends have.
struct End {
    shared: Arc<Shared>,
    backend: BackendContainer<DynBackend>,
    pool: PacketPool,
}

impl End {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            // There is nothing to drive: requests are served by who sends them.
            backend: BackendContainer::new_dyn(core::future::pending()).on_signal_only(),
            pool: PacketPool::new(PoolLimits::default()),
        }
    }
}

struct Shared(Lock<Inner>);

struct Inner {
    bytes: VecDeque<u8>,
    capacity: usize,
    reads: VecDeque<View<Read>>,
    /// With how many bytes of it are in the pipe already.
    writes: VecDeque<(View<Write>, usize)>,
    reader_gone: bool,
    writer_gone: bool,
    serving: bool,
}

/// A view to be ended, when the lock is released.
enum Ending {
    Read(View<Read>, usize, Cause),
    Write(View<Write>, usize, Cause),
}

impl Ending {
    fn end(self) {
        match self {
            Self::Read(view, good, cause) => view.done_prefix(good, cause),
            Self::Write(view, good, cause) => view.done_prefix(good, cause),
        }
    }
}

impl Inner {
    /// Moves bytes as far as it can. The first request that is over by it.
    fn step(&mut self) -> Option<Ending> {
        if let Some(ending) = self.fill() {
            return Some(ending);
        }
        if self.reader_gone {
            if let Some(view) = self.reads.pop_front() {
                return Some(Ending::Read(view, 0, ErrorKind::Cancelled.into()));
            }
            self.bytes.clear();
        } else if let Some(ending) = self.drain() {
            return Some(ending);
        }
        // A read waits still: nothing is in the pipe, nor was there anything to fill it with.
        let view = self.reads.pop_front_if(|_| self.writer_gone);
        view.map(|view| Ending::Read(view, 0, ErrorKind::UnexpectedEof.into()))
    }

    /// From the first write into the pipe.
    fn fill(&mut self) -> Option<Ending> {
        let (view, taken) = self.writes.front_mut()?;
        let rest = &view.bytes()[*taken..];
        if !self.reader_gone {
            let n = rest.len().min(self.capacity - self.bytes.len());
            self.bytes.extend(&rest[..n]);
            *taken += n;
            if n < rest.len() {
                return None;
            }
        }
        let (view, taken) = self.writes.pop_front()?;
        Some(Ending::Write(view, taken, ErrorKind::BrokenPipe.into()))
    }

    /// From the pipe into the first read that somebody waits for.
    fn drain(&mut self) -> Option<Ending> {
        let view = self.reads.front_mut()?;
        if view.is_abandoned() {
            let view = self.reads.pop_front()?;
            return Some(Ending::Read(view, 0, ErrorKind::Cancelled.into()));
        }
        if self.bytes.is_empty() && !view.is_empty() {
            return None;
        }
        let mut view = self.reads.pop_front()?;
        let n = view.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let (into_front, into_back) = view.bytes_mut()[..n].split_at_mut(n.min(front.len()));
        into_front.copy_from_slice(&front[..into_front.len()]);
        into_back.copy_from_slice(&back[..into_back.len()]);
        self.bytes.drain(..n);
        Some(Ending::Read(view, n, ErrorKind::WouldBlock.into()))
    }

    /// Queues a read; a request that has to go for it, or that there is no room for.
    fn push_read(&mut self, view: View<Read>) -> Option<Ending> {
        let mut refused = None;
        if self.reads.len() >= DEPTH {
            // Rather one that nobody waits for.
            match self.reads.iter().position(View::is_abandoned) {
                Some(gone) => refused = self.reads.remove(gone),
                None => return Some(Ending::Read(view, 0, ErrorKind::LimitReached.into())),
            }
        }
        self.reads.push_back(view);
        refused.map(|view| Ending::Read(view, 0, ErrorKind::Cancelled.into()))
    }

    /// Queues a write, or gives it back where there is no room.
    fn push_write(&mut self, view: View<Write>) -> Option<Ending> {
        if self.writes.len() >= DEPTH {
            return Some(Ending::Write(view, 0, ErrorKind::LimitReached.into()));
        }
        self.writes.push_back((view, 0));
        None
    }
}

impl Shared {
    /// Changes something, and serves whom that helps, unless somebody is at it already. Gives back a request that is over
    /// by it.
    fn serve(&self, change: impl FnOnce(&mut Inner) -> Option<Ending>) {
        let mut inner = self.0.lock();
        let refused = change(&mut inner);
        let busy = core::mem::replace(&mut inner.serving, true);
        drop(inner);
        if !busy {
            while let Some(ending) = self.step() {
                ending.end();
            }
        }
        if let Some(refused) = refused {
            refused.end();
        }
    }

    /// One step of who serves; `None`: there is nothing left to do, and nobody serves.
    fn step(&self) -> Option<Ending> {
        let mut inner = self.0.lock();
        let ending = inner.step();
        inner.serving = ending.is_some();
        ending
    }
}

macro_rules! ends {
    ($($end:ident, $direction:ident, $push:ident, $gone:ident, $name:literal;)*) => {$(
        impl PacketIo<$direction, NoPos> for $end {
            fn send_io(&self, _: NoPos, view: View<$direction>) {
                self.0.shared.serve(|inner| inner.$push(view));
            }

            fn pool(&self) -> Option<&PacketPool> {
                Some(&self.0.pool)
            }

            fn identity(&self) -> Identity<'_> {
                Identity { object: Some(Cow::Borrowed($name)), driver: Some("memory") }
            }
        }

        impl IoBackend for $end {
            type Backend = DynBackend;

            fn polling_handle(&self) -> Option<PollingHandle<'_>> {
                None
            }

            fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
                self.0.backend.acquire(None)
            }

            fn sharing(&self) -> Option<&Sharing> {
                self.0.backend.sharing()
            }
        }

        impl Drop for $end {
            fn drop(&mut self) {
                self.0.shared.serve(|inner| {
                    inner.$gone = true;
                    None
                });
            }
        }

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).finish_non_exhaustive()
            }
        }
    )*};
}
ends! {
    PipeReader, Read, push_read, reader_gone, "the reading end of a pipe";
    PipeWriter, Write, push_write, writer_gone, "the writing end of a pipe";
}
