//! A stream of requests to one object, with a bounded number in flight: [`Pipeline`].
//!
//! ```
//! use mfio::backend::IoBackendExt;
//! use mfio::memory::Memory;
//! use mfio::pipeline::Window;
//! use mfio::traits::IoRead;
//!
//! let io = Memory::new((0..=255).collect::<Vec<u8>>());
//! let requests = (0..100u64).map(|i| (i * 2, [0u8; 2]));
//! let mut results = io.read_pipeline(Window::new(8)).run(requests);
//! io.block_on(async {
//!     let mut sum = 0u32;
//!     while let Some(ended) = results.next().await {
//!         let bytes = ended.into_buffer()?;
//!         sum += u32::from(bytes[0]) + u32::from(bytes[1]);
//!     }
//!     assert_eq!(sum, (0..200).sum());
//!     Ok::<_, mfio::error::Error>(())
//! })?;
//! # Ok::<_, mfio::error::Error>(())
//! ```
//!
//! From plain threads, which keep the queue filled as well:
//!
//! ```
//! # use mfio::memory::Memory;
//! use mfio::pipeline::Window;
//! use mfio::traits::BlockingIo;
//!
//! # let io = Memory::new((0..=255).collect::<Vec<u8>>());
//! let requests = [(7u64, vec![0; 1]), (250, vec![0; 2])];
//! let results = io.blocking().read_pipeline(Window::new(32).in_order(), requests);
//! let read: Vec<_> = results.map(|ended| ended.buffer).collect();
//! assert_eq!(read, [vec![7], vec![250, 251]]);
//! ```
//!
//! Each request is a [relay](crate::packet::Relay), which puts its completion on one list. So
//! fetching a result takes the same time however many are in flight, many completions cause one
//! wake-up, and nothing is allocated in the steady state.

#[cfg(all(test, mfio_loom))]
mod loom_models;
mod request;
mod run;
mod shared;

pub use request::{Completed, Request, Window};
pub use run::{BlockingRun, Next, Run};

use crate::budget;
use crate::error::Cause;
use crate::error::ErrorKind;
use crate::io::{Direction, PacketIo, Position};
use crate::packet::{BufferFor, Outcome};
use crate::traits::failure_of_buffer;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::task::{Context, Poll, ready};
use shared::{Completions, Done};

/// A bounded number of requests in flight to one object: [`try_push`](Self::try_push) sends a
/// request, [`next`](Self::next) returns a result. See the [module](self).
///
/// The caller provides the buffers, and gets them back with the results. A tag `T` travels with
/// each request.
///
/// # Cancel safety
/// Dropping a future of [`next`](Self::next) loses nothing. Dropping the pipeline detaches the
/// requests in flight: they may still be executed, and their buffers are freed when they complete.
pub struct Pipeline<'a, D, P, Io, B, T = ()>
where
    D: Direction,
    P: Position,
    Io: ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    io: &'a Io,
    window: Window,
    shared: Arc<Completions<D, P, B, T>>,
    /// Results taken off the shared list, to be returned next.
    ready: VecDeque<Done<P, B, T>>,
    /// With results in the order of the requests: those that arrived, from the next one to return
    /// on.
    waiting: VecDeque<Option<Done<P, B, T>>>,
    /// Number of requests sent.
    pushed: u64,
    /// Index of the request whose result is the first in `waiting`.
    first: u64,
    /// Number of requests whose results were not returned yet, and their bytes.
    count: usize,
    bytes: usize,
}

impl<'a, D, P, Io, B, T> Pipeline<'a, D, P, Io, B, T>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(io: &'a Io, window: Window) -> Self {
        Self {
            io,
            window,
            shared: Arc::new(Completions::new(window.operations())),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            pushed: 0,
            first: 0,
            count: 0,
            bytes: 0,
        }
    }

    /// Returns the number of requests sent whose results were not returned: at most
    /// [`operations`](Window::operations) of the window.
    pub fn in_flight(&self) -> usize {
        self.count
    }

    /// Whether a request of `len` bytes fits the window now.
    pub fn has_room(&self, len: usize) -> bool {
        let bytes = self.window.get_bytes().saturating_sub(self.bytes);
        self.count == 0 || self.count < self.window.operations() && len <= bytes
    }

    /// Sends a request if it fits the window. A read into a buffer with a capacity but no length
    /// fails with `InvalidInput`.
    ///
    /// # Errors
    /// The request itself, if it does not fit: fetch results first.
    pub fn try_push(
        &mut self,
        request: impl Into<Request<P, B, T>>,
    ) -> Result<(), Request<P, B, T>> {
        let request = request.into();
        // The relay knows the length of the buffer.
        let Request { pos, buffer, tag } = request;
        let relay = self.shared.relay(buffer, pos, tag, self.pushed);
        let len = relay.len();
        if !self.has_room(len) {
            let (buffer, pos, tag) = self.shared.reclaim(relay);
            return Err(Request { pos, buffer, tag });
        }
        self.pushed += 1;
        self.count += 1;
        self.bytes += len;
        let refused = D::READS && len == 0 && relay.has_only_capacity();
        let view = relay.start_inner::<D>();
        match refused {
            false => self.io.send_io(pos, view),
            true => view.fail(ErrorKind::InvalidInput),
        }
        Ok(())
    }

    /// Polls for the next result; `None` if no request is in flight.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completed<P, B, T>>> {
        ready!(budget::poll(cx));
        loop {
            if let Some(done) = self.pop() {
                return Poll::Ready(Some(self.complete(done)));
            }
            if self.count == 0 {
                return Poll::Ready(None);
            }
            if !self.shared.take(&mut self.ready, Some(cx.waker())) {
                return Poll::Pending;
            }
        }
    }

    /// Returns a result that has arrived, without waiting and without registering a waker.
    pub fn try_next(&mut self) -> Option<Completed<P, B, T>> {
        let done = match self.pop() {
            None if self.shared.take(&mut self.ready, None) => self.pop()?,
            done => done?,
        };
        Some(self.complete(done))
    }

    /// Removes the next result to return from those taken off the shared list.
    fn pop(&mut self) -> Option<Done<P, B, T>> {
        if !self.window.is_in_order() {
            return self.ready.pop_front();
        }
        while let Some(done) = self.ready.pop_front() {
            // Less than the window.
            let index = (done.number - self.first) as usize;
            if self.waiting.len() <= index {
                self.waiting.resize_with(index + 1, || None);
            }
            self.waiting[index] = Some(done);
        }
        let done = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.first += 1;
        Some(done)
    }

    /// Makes the result that the caller sees.
    fn complete(&mut self, done: Done<P, B, T>) -> Completed<P, B, T> {
        let len = done.outcome.len();
        budget::charge();
        self.count -= 1;
        self.bytes -= len;
        let why = |cause: Cause| failure_of_buffer::<D, P, Io>(self.io, done.pos, len, cause);
        let result = Outcome::first_error(&done.outcome).map_or(Ok(()), |cause| Err(why(cause)));
        Completed {
            tag: done.tag,
            pos: done.pos,
            buffer: done.buffer,
            result,
            outcome: done.outcome,
        }
    }
}

impl<D, P, Io, B, T> Drop for Pipeline<'_, D, P, Io, B, T>
where
    D: Direction,
    P: Position,
    Io: ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<D, P, Io, B, T> fmt::Debug for Pipeline<'_, D, P, Io, B, T>
where
    D: Direction,
    P: Position,
    Io: ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("direction", &D::VERB)
            .field("window", &self.window)
            .field("in_flight", &self.count)
            .finish_non_exhaustive()
    }
}
