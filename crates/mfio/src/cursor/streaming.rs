//! [`Streaming`].

use super::CAPACITY;
use super::reading::{Reading, copy};
use super::state::write_failure;
use super::writing::Writing;
use crate::budget;
use crate::error::Result;
use crate::io::{NoPos, PacketIo, Read, Write};
use crate::traits::failure;
use core::fmt;
use core::task::{Context, Poll, ready};

/// An object that has no positions, as a stream: what is read and written in the order in which it is asked for.
///
/// A read ends with what there is. A read that is dropped keeps what it brings for the next one: see the
/// [module](super) for what holds of all cursors.
///
/// The two directions have nothing to do with each other: a read does not wait for a write, so that two sides who each
/// wait for the other's answer do not wait for ever. To read and write in different tasks, make a `Streaming` for each, of
/// a clone of the object or of a reference to it. Do not read one stream through two of them.
///
/// ```
/// use mfio::cursor::Streaming;
/// use mfio::memory::pipe;
/// use std::io::{Read, Write};
///
/// let (reads, writes) = pipe(16);
/// let writer = std::thread::spawn(|| {
///     let mut writes = Streaming::new(writes);
///     writes.write_all(b"more than the pipe holds at once").unwrap();
/// });
/// let mut text = String::new();
/// Streaming::new(reads).read_to_string(&mut text)?;
/// assert_eq!(text, "more than the pipe holds at once");
/// # writer.join().unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Panics
/// The `std::io` traits panic where [`Blocking`](crate::traits::Blocking) does.
pub struct Streaming<Io> {
    reading: Reading,
    writing: Writing<NoPos>,
    io: Io,
}

impl<Io> Streaming<Io> {
    /// A stream over `io`.
    pub fn new(io: Io) -> Self {
        Self::with_capacity(io, CAPACITY)
    }

    /// As [`new`](Self::new), with buffers of at most `bytes` each, which is how much one asynchronous call moves at most.
    pub fn with_capacity(io: Io, bytes: usize) -> Self {
        Self {
            reading: Reading::new(bytes),
            writing: Writing::new(bytes),
            io,
        }
    }

    /// The object.
    pub fn get_ref(&self) -> &Io {
        &self.io
    }

    /// What a read that was dropped has brought, or what was left of it: the next read begins with this.
    pub fn buffered(&self) -> &[u8] {
        self.reading.held()
    }

    /// Gives the object up. Flush first; what was read and not given out, or is on its way, is lost.
    pub fn into_inner(self) -> Io {
        self.io
    }

    #[cfg(feature = "std")]
    pub(super) fn parts(&mut self) -> (&Io, &mut Reading, &mut Writing<NoPos>) {
        (&self.io, &mut self.reading, &mut self.writing)
    }

    /// Reads up to `want` bytes, which are not zero, and hands them to `give`, which says how many it took. None at the
    /// end of the data.
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        want: usize,
        give: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read, NoPos>,
    {
        let Self { io, reading, .. } = self;
        ready!(reading.poll_fill(io, NoPos, want, cx))
            .map_err(|cause| failure::<Read, _, _>(io, NoPos, want, cause))?;
        let taken = give(reading.held());
        reading.consume(taken);
        Poll::Ready(Ok(taken))
    }

    /// Reads into the front of `bytes` and says how many it were: what there is, and 0 at the end of the data.
    ///
    /// Dropping what polls this loses nothing: see the [module](super).
    ///
    /// # Errors
    /// Why not even the first byte could be read, unless the data ends.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read, NoPos>,
    {
        match bytes.len() {
            0 => Poll::Ready(Ok(0)),
            want => self.poll_read_with(cx, want, |held| copy(held, bytes)),
        }
    }

    /// Accepts the front of `bytes` and says how many it were. Pending while the write before is on its way; nothing is
    /// accepted then.
    ///
    /// # Errors
    /// What became of the write before; or that nothing could be accepted: what the object has answered at once, or
    /// `OutOfMemory`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Write, NoPos>,
    {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(budget::poll(cx));
        ready!(self.poll_flush(cx))?;
        let Self { io, writing, .. } = self;
        Poll::Ready(
            writing
                .accept(io, NoPos, bytes)
                .map_err(|cause| failure::<Write, _, _>(io, NoPos, bytes.len(), cause)),
        )
    }

    /// Waits until what was accepted is written.
    ///
    /// # Errors
    /// Why it could not be.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: PacketIo<Write, NoPos>,
    {
        let Self { io, writing, .. } = self;
        writing
            .poll_settle(cx)
            .map_err(|failed| write_failure::<Write, _, _>(io, failed))
    }
}

/// The object is never pinned: it is used by reference.
impl<Io> Unpin for Streaming<Io> {}

impl<Io> fmt::Debug for Streaming<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming")
            .field("buffered", &self.buffered().len())
            .finish_non_exhaustive()
    }
}
