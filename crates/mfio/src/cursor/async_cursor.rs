//! [`Cursor`].

use super::reading::copy;
use super::seek::SeekFrom;
use super::state::CursorState;
#[cfg(feature = "std")]
use super::state_lock::StateGuard;
use super::state_lock::{Half, LockHandle, StateLock};
use super::store::CAPACITY;
use crate::budget;
use crate::error::Result;
use crate::io::{IoObject, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::traits::{HasLen, failure};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

/// An object with one position, for the asynchronous I/O traits, like a file of tokio.
///
/// Clones are handles to one cursor: they share the position and everything else. Their operations
/// happen one after the other, so that of two clones that read at once neither gets the bytes of
/// the other, and none are left out; while one is in a blocking call, the others wait. For a second
/// position make another `Cursor`, of a clone of the object or of a reference to it.
///
/// A read that one clone dropped is not lost: its bytes are for the clone that reads next. See the
/// [module](super) for the rules of all cursors.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::cursor::Cursor;
/// use mfio::memory::Memory;
/// use std::io::SeekFrom;
/// use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// let io = Memory::new(b"hello, world".to_vec());
/// let mut cursor = Cursor::new(&io);
/// let text = io.block_on(async {
///     cursor.seek(SeekFrom::End(-5)).await?;
///     cursor.write_all(b"there").await?;
///     cursor.rewind().await?;
///     let mut text = String::new();
///     cursor.read_to_string(&mut text).await?;
///     Ok::<_, std::io::Error>(text)
/// })?;
/// assert_eq!(text, "hello, there");
/// # Ok::<_, std::io::Error>(())
/// ```
/// It has none of the traits of `std::io`, so no task can block on it by a wrong import: for those,
/// make a `BlockingCursor` of it with `into_blocking`.
/// ```compile_fail,E0277
/// # use mfio::{cursor::Cursor, memory::Memory};
/// fn reads<R: std::io::Read>(_: R) {}
/// reads(Cursor::new(Memory::new([0; 4])));
/// ```
/// ```
/// # use mfio::{cursor::Cursor, memory::Memory};
/// fn reads<R: std::io::Read>(_: R) {}
/// reads(Cursor::new(Memory::new([0; 4])).into_blocking());
/// ```
#[doc(alias = "Seekable")]
pub struct Cursor<Io> {
    shared: Arc<CursorShared<Io>>,
    lock: LockHandle,
    seek: Lock<Seeking>,
}

/// The part of a cursor that its handles share.
struct CursorShared<Io> {
    // Dropped first: it detaches operations of the object.
    lock: CloseOnDrop,
    waker: Waker,
    io: Io,
}

/// Drops the state with the last handle.
struct CloseOnDrop(Arc<StateLock>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A pending question for the length.
type Length = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

/// A seek of one handle that is pending.
#[derive(Default)]
struct Seeking {
    /// The question for the length, and the number of writes at the time it was asked.
    end: Option<(Length, u64)>,
    /// The target of the seek that the question is for.
    to: Option<SeekFrom>,
    /// The target given by `start_seek` of tokio, for `poll_complete`.
    #[cfg(feature = "tokio")]
    started: Option<SeekFrom>,
}

impl<Io> Cursor<Io> {
    /// Creates a cursor at the start of `io`.
    pub fn new(io: Io) -> Self {
        Self::with_capacity(io, CAPACITY)
    }

    /// As [`new`](Self::new), with buffers of at most `bytes` bytes: the most that a call moves.
    pub fn with_capacity(io: Io, bytes: usize) -> Self {
        let lock = StateLock::new(CursorState::new(0, bytes));
        let shared = CursorShared {
            waker: Waker::from(lock.clone()),
            lock: CloseOnDrop(lock),
            io,
        };
        Self::handle(Arc::new(shared))
    }

    fn handle(shared: Arc<CursorShared<Io>>) -> Self {
        Self {
            lock: LockHandle::new(&shared.lock.0),
            shared,
            seek: Lock::new(Seeking::default()),
        }
    }

    /// Returns the object.
    pub fn get_ref(&self) -> &Io {
        &self.shared.io
    }

    /// Returns the object; `None` if the cursor has other clones. Flush first.
    pub fn into_inner(self) -> Option<Io> {
        Arc::into_inner(self.shared).map(|shared| shared.io)
    }

    /// Returns the position of the next byte to be read or written, as of the last operation that
    /// is over: accepted writes count.
    pub fn position(&self) -> u64 {
        self.shared.lock.0.pos()
    }

    /// Drops the pending seek: the answer to its question may be stale by now.
    pub(super) fn forget_seek(&mut self) {
        let forgotten = core::mem::take(&mut *self.seek.lock());
        drop(forgotten);
    }

    /// Drops the pending seek if its target is another one.
    fn forget_other_seek(&mut self, to: SeekFrom) {
        let mut seek = self.seek.lock();
        let forgotten = match seek.to.replace(to) == Some(to) {
            true => None,
            false => seek.end.take(),
        };
        drop(seek);
        drop(forgotten);
    }

    /// Returns the target given by `start_seek` of tokio.
    #[cfg(feature = "tokio")]
    pub(super) fn started_seek(&self) -> Option<SeekFrom> {
        self.seek.lock().started
    }

    /// Sets, or clears, the target that [`started_seek`](Self::started_seek) returns.
    #[cfg(feature = "tokio")]
    pub(super) fn start_seek(&mut self, to: Option<SeekFrom>) {
        self.forget_seek();
        self.seek.lock().started = to;
    }

    /// Takes the state; blocks until it is put back. Returns the object with it.
    #[cfg(feature = "std")]
    pub(super) fn lock_blocking(&self, half: Half) -> (&Io, StateGuard<'_>) {
        (&self.shared.io, self.lock.lock_blocking(half))
    }

    /// Polls an operation once this handle has the state.
    #[inline]
    pub(super) fn poll_with<R>(
        &self,
        half: Half,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&Io, &mut CursorState, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        // Here, because a pending operation is polled twice, which would use up a yield of its own.
        ready!(budget::poll(cx));
        let mut guard = ready!(self.lock.poll_lock(half, cx));
        let CursorShared { io, waker, .. } = &*self.shared;
        let mut ours = Context::from_waker(waker);
        let mut polled = operation(io, guard.state(), &mut ours);
        if polled.is_pending() {
            guard.wait(cx.waker());
            // It may have ended before the waiter was registered.
            polled = operation(io, guard.state(), &mut ours);
            if polled.is_pending() {
                guard.unlock_unchanged();
            }
        }
        polled
    }

    /// Reads up to `want` bytes, at least one, and passes them to `give`, which returns how many it
    /// took. Returns that number; 0 at the end of the data.
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        want: usize,
        mut give: impl FnMut(&[u8]) -> usize,
    ) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read>,
    {
        self.forget_seek();
        self.poll_with(Half::Read, cx, |io, state, cx| {
            ready!(state.poll_settle(io, cx))?;
            let want = state.clip(want);
            if want == 0 {
                return Poll::Ready(Ok(0));
            }
            ready!(state.read.poll_fill(io, state.pos, want, cx))
                .map_err(|cause| failure::<Read, _, _>(io, state.pos, want, cause))?;
            let taken = give(state.read.held());
            state.read.consume(taken);
            state.advance(taken);
            Poll::Ready(Ok(taken))
        })
    }

    /// Reads into the front of `bytes`. Returns the number of bytes read; 0 at the end of the data.
    ///
    /// # Errors
    /// The failure of the first byte, or of an accepted write.
    ///
    /// # Cancel safety
    /// No byte is lost: the next read begins with those of the dropped one.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read>,
    {
        match bytes.len() {
            0 => Poll::Ready(Ok(0)),
            want => self.poll_read_with(cx, want, |held| copy(held, bytes)),
        }
    }

    /// Accepts the front of `bytes`. Returns the number of bytes accepted. Pending while the write
    /// before is in flight.
    ///
    /// # Errors
    /// The failure of the write before. If nothing could be accepted: `UnexpectedEof` at position
    /// `u64::MAX`, `OutOfMemory`, or the error that the object completed the write with at once.
    ///
    /// # Cancel safety
    /// Nothing was accepted as long as it is pending.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Write>,
    {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.forget_seek();
        self.poll_with(Half::Write, cx, |io, state, cx| {
            ready!(state.poll_settle(io, cx))?;
            let (target, accepted) = state
                .begin_write(io, bytes.len())
                .and_then(|target| {
                    let accepted = state.write.accept(io, target.pos, &bytes[..target.room])?;
                    Ok((target, accepted))
                })
                .map_err(|cause| failure::<Write, _, _>(io, state.pos, bytes.len(), cause))?;
            state.written(io, target, accepted);
            Poll::Ready(Ok(accepted))
        })
    }

    /// Waits until all accepted bytes are written.
    ///
    /// # Errors
    /// The failure of an accepted write, with the position of the first byte that was not written;
    /// that of a sync that was dropped before it ended.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: PacketIo<Write>,
    {
        self.forget_seek();
        self.poll_with(Half::Write, cx, |io, state, cx| state.poll_flush(io, cx))
    }

    /// Waits for the accepted write. Returns the number of writes so far.
    fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<Result<u64>>
    where
        Io: IoObject,
    {
        self.poll_with(Half::Write, cx, |io, state, cx| {
            ready!(state.poll_settle(io, cx))?;
            Poll::Ready(Ok(state.writes))
        })
    }

    /// Moves the position, once accepted writes are done. Returns the new position. For
    /// [`SeekFrom::End`] the object is asked for its length, which allocates; the end is the one at
    /// the moment of the answer.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such position; the failure of an accepted write, or of the
    /// question for the length.
    ///
    /// # Cancel safety
    /// The position stays while it is pending. A new seek asks anew; but a poll with the same `to`,
    /// and no other call of this handle in between, cannot be told from the next poll of the same
    /// seek. It takes the answer to the old question, corrected by [`IoObject::len_now`] if the
    /// object has that.
    pub fn poll_seek(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<u64>>
    where
        Io: PacketIo<Read> + HasLen,
    {
        loop {
            let end = match to {
                SeekFrom::End(_) => Some(ready!(self.poll_len(cx, to))?),
                _ => {
                    self.forget_other_seek(to);
                    None
                }
            };
            let moved = self.poll_with(Half::Write, cx, |io, state, cx| {
                ready!(state.poll_settle(io, cx))?;
                let base = match end {
                    // A write since the question may have moved the end: asks again.
                    Some((_, writes)) if writes != state.writes => return Poll::Ready(Ok(None)),
                    Some((len, _)) => len,
                    None => state.pos,
                };
                Poll::Ready(state.seek(io, to, base).map(Some))
            });
            if let Some(pos) = ready!(moved)? {
                return Poll::Ready(Ok(pos));
            }
        }
    }

    /// Asks for the length, once all accepted bytes are written. Returns the number of writes too.
    fn poll_len(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<(u64, u64)>>
    where
        Io: PacketIo<Read> + HasLen,
    {
        self.forget_other_seek(to);
        // Polled outside the lock: the future is the object's code.
        let asked = self.seek.lock().end.take();
        let kept = asked.is_some();
        let (mut len, writes) = match asked {
            Some(asked) => asked,
            None => {
                let writes = ready!(self.poll_settled(cx))?;
                let len: Length = Box::pin(self.shared.io.io_len());
                (len, writes)
            }
        };
        match len.as_mut().poll(cx) {
            Poll::Ready(len) => {
                let len = len?;
                // The question may be that of a seek that was dropped long ago.
                let now = kept.then(|| self.shared.io.len_now()).flatten();
                Poll::Ready(Ok((now.unwrap_or(len), writes)))
            }
            Poll::Pending => {
                self.seek.lock().end = Some((len, writes));
                Poll::Pending
            }
        }
    }
}

impl<Io> Clone for Cursor<Io> {
    /// Returns another handle to the same cursor: one position.
    fn clone(&self) -> Self {
        Self::handle(self.shared.clone())
    }
}

impl<Io> fmt::Debug for Cursor<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
