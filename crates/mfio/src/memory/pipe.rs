//! [`pipe`]: a stream in memory.
//!
//! Invariants
//!
//! 1. No view is completed under the lock: its waker may be user code, which may use this pipe.
//! 2. One thread at a time serves (`serving`), and sees the requests queued meanwhile. So there is
//!    no recursion if completing a view sends the next request at once.

mod control;

use crate::backend::{DynBackend, IoBackend, SharedBackend};
use crate::error::{Cause, ErrorKind};
use crate::io::{Identity, IoObject, NoPos, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::packet::{PacketPool, PoolLimits, View};
use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;

/// Capacity of the queue of each direction, in requests.
const DEPTH: usize = 256;

/// Creates a pipe with a buffer of `capacity` bytes, at least one. Returns the reading and the
/// writing end.
///
/// Neither has positions ([`NoPos`]). Requests are served in the order in which they are sent. Up
/// to 256 of each direction wait; another one fails with [`LimitReached`](ErrorKind::LimitReached).
///
/// * A read ends with the bytes available; if they are fewer than asked for, the rest fails with
///   [`WouldBlock`](ErrorKind::WouldBlock). It waits while the pipe is empty, and fails with
///   [`UnexpectedEof`](ErrorKind::UnexpectedEof) when the pipe is empty and the writing end is
///   dropped or [shut down](crate::traits::IoControl::shutdown).
/// * A write waits until all its bytes are in the pipe. If the reading end is dropped, the others
///   fail with [`BrokenPipe`](ErrorKind::BrokenPipe).
/// * A read whose future was dropped while it waited consumes nothing.
///
/// A [`ByteStream`](crate::cursor::ByteStream) of an end has the asynchronous I/O traits, a
/// `BlockingByteStream` those of std. Share an end by reference or `Arc`.
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
    let inner = Buffered {
        bytes: VecDeque::new(),
        capacity: capacity.max(1),
        reads: VecDeque::new(),
        writes: VecDeque::new(),
        reader_gone: false,
        writer_gone: false,
        serving: false,
    };
    let shared = Arc::new(Channel(Lock::new(inner)));
    (
        PipeReader(End::new(shared.clone())),
        PipeWriter(End::new(shared)),
    )
}

/// The reading end of a [`pipe`]. Dropping it fails pending and later writes, and discards the
/// contents of the pipe.
pub struct PipeReader(End);

/// The writing end of a [`pipe`]. Dropping it lets reads end after the bytes written before, and so
/// does its [`shutdown`](crate::traits::IoControl::shutdown), after which writes fail with
/// [`BrokenPipe`](ErrorKind::BrokenPipe).
pub struct PipeWriter(End);

/// The fields of both ends.
struct End {
    shared: Arc<Channel>,
    backend: SharedBackend,
    pool: PacketPool,
}

impl End {
    fn new(shared: Arc<Channel>) -> Self {
        Self {
            shared,
            // The backend has no work: the sender of a request serves it.
            backend: SharedBackend::builder(core::future::pending())
                .on_signal_only()
                .build(),
            pool: PacketPool::new(PoolLimits::default()),
        }
    }
}

struct Channel(Lock<Buffered>);

struct Buffered {
    bytes: VecDeque<u8>,
    capacity: usize,
    reads: VecDeque<View<Read>>,
    /// Each with the number of its bytes that are in the pipe.
    writes: VecDeque<(View<Write>, usize)>,
    reader_gone: bool,
    /// The writing end is dropped, or was shut down.
    writer_gone: bool,
    serving: bool,
}

/// A view to complete after the lock is released.
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

impl Buffered {
    /// Moves bytes as far as possible. Returns the first request that this completes.
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
        // A read still waits: the pipe is empty, and no write waits.
        let view = self.reads.pop_front_if(|_| self.writer_gone);
        view.map(|view| Ending::Read(view, 0, ErrorKind::UnexpectedEof.into()))
    }

    /// Moves bytes from the first write into the pipe.
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

    /// Moves bytes from the pipe into the first read, and completes abandoned reads.
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

    /// Queues a read. Returns an abandoned read removed to make room, or `view` if the queue is
    /// full.
    fn push_read(&mut self, view: View<Read>) -> Option<Ending> {
        let mut refused = None;
        if self.reads.len() >= DEPTH {
            match self.reads.iter().position(View::is_abandoned) {
                Some(gone) => refused = self.reads.remove(gone),
                None => return Some(Ending::Read(view, 0, ErrorKind::LimitReached.into())),
            }
        }
        self.reads.push_back(view);
        refused.map(|view| Ending::Read(view, 0, ErrorKind::Cancelled.into()))
    }

    /// Queues a write, or returns it if the queue is full or the stream was ended.
    fn push_write(&mut self, view: View<Write>) -> Option<Ending> {
        if self.writer_gone {
            return Some(Ending::Write(view, 0, ErrorKind::BrokenPipe.into()));
        }
        if self.writes.len() >= DEPTH {
            return Some(Ending::Write(view, 0, ErrorKind::LimitReached.into()));
        }
        self.writes.push_back((view, 0));
        None
    }
}

impl Channel {
    /// Applies `change`, and serves requests unless another thread does so. Completes the request
    /// that `change` returns.
    fn serve(&self, change: impl FnOnce(&mut Buffered) -> Option<Ending>) {
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

    /// Serves one request. `None` if no request can make progress; this thread has then stopped
    /// serving.
    fn step(&self) -> Option<Ending> {
        let mut inner = self.0.lock();
        let ending = inner.step();
        inner.serving = ending.is_some();
        ending
    }
}

macro_rules! ends {
    ($($end:ident, $direction:ident, $push:ident, $gone:ident, $name:literal;)*) => {$(
        impl IoObject for $end {
            fn pool(&self) -> Option<&PacketPool> {
                Some(&self.0.pool)
            }

            fn identity(&self) -> Identity<'_> {
                Identity { object: Some(Cow::Borrowed($name)), driver: Some("memory") }
            }
        }

        impl PacketIo<$direction, NoPos> for $end {
            fn send_io(&self, _: NoPos, view: View<$direction>) {
                self.0.shared.serve(|inner| inner.$push(view));
            }
        }

        impl IoBackend for $end {
            type Backend = DynBackend;

            fn shared(&self) -> Option<&SharedBackend> {
                Some(&self.0.backend)
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
