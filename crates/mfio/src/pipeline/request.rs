//! Requests, results and the window of a pipeline.

use crate::error::Result;
use crate::packet::Outcome;
use core::num::NonZeroUsize;

/// Limits for the requests of a [`Pipeline`](super::Pipeline) in flight, and the order of its
/// results.
///
/// ```
/// use mfio::pipeline::Window;
///
/// let window = Window::new(32).bytes(1 << 20).in_order();
/// assert_eq!(window.operations(), 32);
/// assert_eq!(Window::new(0), Window::new(1), "there is always room for one");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    operations: NonZeroUsize,
    bytes: usize,
    in_order: bool,
}

impl Window {
    /// Allows `operations` requests in flight (0 is taken for 1) with any number of bytes, and
    /// returns results as they complete.
    ///
    /// Requests beyond 4096 in flight allocate. `usize::MAX` sets no limit; set one with
    /// [`bytes`](Self::bytes) then.
    pub const fn new(operations: usize) -> Self {
        let operations = match NonZeroUsize::new(operations) {
            Some(operations) => operations,
            None => NonZeroUsize::MIN,
        };
        Self {
            operations,
            bytes: usize::MAX,
            in_order: false,
        }
    }

    /// Sets the maximum number of bytes in flight; a single longer request is allowed.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Returns results in the order of the requests. A slow request holds up those behind it, which
    /// count as in flight until their results are returned.
    #[must_use]
    pub const fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// Returns the maximum number of requests in flight.
    pub const fn operations(self) -> usize {
        self.operations.get()
    }

    pub(super) const fn get_bytes(self) -> usize {
        self.bytes
    }

    pub(super) const fn is_in_order(self) -> bool {
        self.in_order
    }
}

impl From<usize> for Window {
    fn from(operations: usize) -> Self {
        Self::new(operations)
    }
}

/// A request: a buffer, its position, and a tag that identifies it.
#[derive(Clone, Debug)]
pub struct Request<P, B, T = ()> {
    /// The position.
    pub pos: P,
    /// The buffer. Its whole length is transferred.
    pub buffer: B,
    /// A value of the caller, returned with the result.
    pub tag: T,
}

impl<P, B> From<(P, B)> for Request<P, B> {
    fn from((pos, buffer): (P, B)) -> Self {
        Self {
            pos,
            buffer,
            tag: (),
        }
    }
}

impl<P, B, T> From<(P, B, T)> for Request<P, B, T> {
    fn from((pos, buffer, tag): (P, B, T)) -> Self {
        Self { pos, buffer, tag }
    }
}

/// The result of a request.
#[must_use]
#[derive(Debug)]
pub struct Completed<P, B, T = ()> {
    /// The tag of the request.
    pub tag: T,
    /// The position.
    pub pos: P,
    /// The buffer. A failed read may have overwritten any part.
    pub buffer: B,
    /// Success if every byte was moved, else the first failure; `UnexpectedEof` at end of file.
    pub result: Result<()>,
    /// The outcome of each range.
    pub outcome: Outcome,
}

impl<P, B, T> Completed<P, B, T> {
    /// Returns the buffer if every byte was moved.
    ///
    /// # Errors
    /// The first failure. The buffer is dropped.
    pub fn into_buffer(self) -> Result<B> {
        self.result.map(|()| self.buffer)
    }
}
