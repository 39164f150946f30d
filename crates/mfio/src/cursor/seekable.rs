//! [`Seekable`].

use super::CAPACITY;
use super::desk::{Desk, Seat, Side};
use super::reading::copy;
use super::seek::SeekFrom;
use super::state::{State, write_failure};
use crate::budget;
use crate::error::Result;
use crate::io::{Direction, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::traits::{HasLen, failure};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

/// An object that is asked by position, with one position: what `File` is elsewhere.
///
/// Clones share the position, and everything else of the cursor: they are handles to one. Whatever they do happens one
/// after the other, so that of two clones that read at once neither gets what the other got, and nothing is left out; a
/// blocking read or write has the others wait. For a position of its own make another `Seekable`, of a clone of the object,
/// or of a reference to it.
///
/// A read that one clone gave up is not lost with it: what it brings is for the clone that reads next. See the
/// [module](super) for what holds of all cursors.
///
/// ```
/// use mfio::cursor::Seekable;
/// use mfio::memory::Memory;
/// use std::io::{Read, Seek, SeekFrom, Write};
///
/// let mut cursor = Seekable::new(Memory::new(b"hello, world".to_vec()));
/// cursor.seek(SeekFrom::End(-5))?;
/// cursor.write_all(b"there")?;
/// cursor.rewind()?;
/// let mut text = String::new();
/// cursor.read_to_string(&mut text)?;
/// assert_eq!(text, "hello, there");
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Panics
/// The `std::io` traits panic where [`Blocking`](crate::traits::Blocking) does.
pub struct Seekable<Io> {
    cursor: Arc<Cursor<Io>>,
    seat: Seat,
    seek: Lock<Seeking>,
}

/// What the handles share.
struct Cursor<Io> {
    // Dropped first: it lets go of operations of the object.
    desk: Owner,
    waker: Waker,
    io: Io,
}

/// Ends the desk with the last handle.
struct Owner(Arc<Desk>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A length on its way.
type Length = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

/// A seek of one handle that is pending.
#[derive(Default)]
struct Seeking {
    /// The question where the end is, and how many writes there were when it was asked.
    end: Option<(Length, u64)>,
    /// The seek that the question is for.
    to: Option<SeekFrom>,
    /// Where to, for callers that say so once, and then wait.
    #[cfg(feature = "tokio")]
    wanted: Option<SeekFrom>,
}

impl<Io> Seekable<Io> {
    /// A cursor at the start of `io`.
    pub fn new(io: Io) -> Self {
        Self::with_capacity(io, CAPACITY)
    }

    /// As [`new`](Self::new), with buffers of at most `bytes` each, which is how much one asynchronous call moves at most.
    pub fn with_capacity(io: Io, bytes: usize) -> Self {
        let desk = Desk::new(State::new(0, bytes));
        let cursor = Cursor {
            waker: Waker::from(desk.clone()),
            desk: Owner(desk),
            io,
        };
        Self::handle(Arc::new(cursor))
    }

    fn handle(cursor: Arc<Cursor<Io>>) -> Self {
        Self {
            seat: Seat::new(&cursor.desk.0),
            cursor,
            seek: Lock::new(Seeking::default()),
        }
    }

    /// The object.
    pub fn get_ref(&self) -> &Io {
        &self.cursor.io
    }

    /// Gives the object up; `None` where the cursor has other clones. Flush first.
    pub fn into_inner(self) -> Option<Io> {
        Arc::into_inner(self.cursor).map(|cursor| cursor.io)
    }

    /// Where the next byte is read or written, as of the last operation that is over: accepted writes count.
    pub fn position(&self) -> u64 {
        self.cursor.desk.0.pos()
    }

    /// Forgets a seek that was given up: the answer to its question may be of no use by now.
    pub(super) fn forget_seek(&mut self) {
        let forgotten = core::mem::take(&mut *self.seek.lock());
        drop(forgotten);
    }

    /// Forgets a seek to elsewhere.
    fn forget_seek_but_for(&mut self, to: SeekFrom) {
        let mut seek = self.seek.lock();
        let forgotten = match seek.to.replace(to) == Some(to) {
            true => None,
            false => seek.end.take(),
        };
        drop(seek);
        drop(forgotten);
    }

    /// Where a seek of callers leads that say so once, and then wait.
    #[cfg(feature = "tokio")]
    pub(super) fn wanted_seek(&self) -> Option<SeekFrom> {
        self.seek.lock().wanted
    }

    /// Sets, or clears, what [`wanted_seek`](Self::wanted_seek) says.
    #[cfg(feature = "tokio")]
    pub(super) fn want_seek(&mut self, to: Option<SeekFrom>) {
        self.forget_seek();
        self.seek.lock().wanted = to;
    }

    /// Polls an operation when it is this handle's turn.
    #[inline]
    fn poll_with<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&Io, &mut State, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        // Here, because a pending operation is polled twice, which would use up a yield of its own.
        ready!(budget::poll(cx));
        let mut turn = ready!(self.seat.poll_turn(side, cx));
        let Cursor { io, waker, .. } = &*self.cursor;
        let mut ours = Context::from_waker(waker);
        let mut polled = operation(io, turn.state(), &mut ours);
        if polled.is_pending() {
            turn.wait(cx.waker());
            // It may have ended before there was anybody to wake.
            polled = operation(io, turn.state(), &mut ours);
            if polled.is_pending() {
                turn.unchanged();
            }
        }
        polled
    }

    /// Reads up to `want` bytes, which are not zero, and hands them to `give`, which says how many it took. None at the
    /// end of the data.
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
        self.poll_with(Side::Reader, cx, |io, state, cx| {
            if let Err(failed) = ready!(state.poll_settle::<Read, Io>(io, cx)) {
                return Poll::Ready(Err(write_failure::<Read, _, _>(io, failed)));
            }
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

    /// Reads into the front of `bytes` and says how many it were: 0 at the end of the data.
    ///
    /// Dropping what polls this loses nothing: see the [module](super).
    ///
    /// # Errors
    /// Why not even the first byte could be read, unless the data ends; or what became of an accepted write.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read>,
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
    /// What became of the write before; or that nothing could be accepted: `UnexpectedEof` where the position is
    /// `u64::MAX`, what the object has answered at once, or `OutOfMemory`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Write>,
    {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.forget_seek();
        self.poll_with(Side::Writer, cx, |io, state, cx| {
            if let Err(failed) = ready!(state.poll_settle::<Write, Io>(io, cx)) {
                return Poll::Ready(Err(write_failure::<Write, _, _>(io, failed)));
            }
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

    /// Waits until what was accepted is written.
    ///
    /// # Errors
    /// Why it could not be, with the position at which that began.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: PacketIo<Write>,
    {
        self.forget_seek();
        self.poll_settled::<Write>(cx).map_ok(drop)
    }

    /// Waits for the accepted write, and says how many there were.
    fn poll_settled<D: Direction>(&self, cx: &mut Context<'_>) -> Poll<Result<u64>>
    where
        Io: PacketIo<D>,
    {
        self.poll_with(Side::Writer, cx, |io, state, cx| {
            let settled = ready!(state.poll_settle::<D, Io>(io, cx));
            let writes = state.writes;
            Poll::Ready(match settled {
                Ok(()) => Ok(writes),
                Err(failed) => Err(write_failure::<D, _, _>(io, failed)),
            })
        })
    }

    /// Moves the position, and says where it is now. Waits for accepted writes first. For the end the object is asked, which
    /// allocates; it is where it was at the moment of the answer.
    ///
    /// Dropping what polls this leaves the position where it was. A new seek asks anew; but the next poll with the same `to`, and
    /// no other call of this handle in between, cannot be told from the next poll of the same seek: an answer that has been
    /// on its way since then is compared with [`HasLen::len_now`], where the object has that, and believed otherwise.
    ///
    /// # Errors
    /// `InvalidInput` where there is no such position; what became of an accepted write; why the length is not known.
    pub fn poll_seek(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<u64>>
    where
        Io: PacketIo<Read> + HasLen,
    {
        loop {
            let end = match to {
                SeekFrom::End(_) => Some(ready!(self.poll_len(cx, to))?),
                _ => {
                    self.forget_seek_but_for(to);
                    None
                }
            };
            let moved = self.poll_with(Side::Writer, cx, |io, state, cx| {
                if let Err(failed) = ready!(state.poll_settle::<Read, Io>(io, cx)) {
                    return Poll::Ready(Err(write_failure::<Read, _, _>(io, failed)));
                }
                let base = match end {
                    // Whoever wrote meanwhile may have moved the end: asks again.
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

    /// Asks for the length, when all that was accepted is written. With how many writes there were.
    fn poll_len(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<(u64, u64)>>
    where
        Io: PacketIo<Read> + HasLen,
    {
        self.forget_seek_but_for(to);
        // Not under the lock, which is there to share the handle: the future is the object's code.
        let asked = self.seek.lock().end.take();
        let kept = asked.is_some();
        let (mut len, writes) = match asked {
            Some(asked) => asked,
            None => {
                let writes = ready!(self.poll_settled::<Read>(cx))?;
                let len: Length = Box::pin(self.cursor.io.io_len());
                (len, writes)
            }
        };
        match len.as_mut().poll(cx) {
            Poll::Ready(len) => {
                let len = len?;
                // It may have been asked for by a seek that was given up long ago.
                let now = kept.then(|| self.cursor.io.len_now()).flatten();
                Poll::Ready(Ok((now.unwrap_or(len), writes)))
            }
            Poll::Pending => {
                self.seek.lock().end = Some((len, writes));
                Poll::Pending
            }
        }
    }
}

impl<Io> Clone for Seekable<Io> {
    /// Another handle to the same cursor: one position.
    fn clone(&self) -> Self {
        Self::handle(self.cursor.clone())
    }
}

impl<Io> fmt::Debug for Seekable<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seekable")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "std")]
mod blocking;
