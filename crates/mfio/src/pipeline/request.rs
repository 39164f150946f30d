//! What goes into a pipeline and comes out of it.

use crate::error::Result;
use crate::packet::Outcome;
use core::num::NonZeroUsize;

/// How much a [`Pipeline`](super::Pipeline) has on its way at once, and in which order results come.
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
    /// At most so many operations (0 is taken for 1), any number of bytes, results in the order in which they come.
    ///
    /// With more than 4096 on their way those beyond allocate. `usize::MAX` is no bound: then give one of
    /// [bytes](Self::bytes).
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

    /// At most so many bytes, or one request where that is longer.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Results come in the order of the requests. One that takes long holds up those behind it, which count as on their way
    /// until they are given out.
    #[must_use]
    pub const fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// How many operations there are at once at most.
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

/// A buffer, where it is to be read from or written to, and a tag to know it by.
#[derive(Clone, Debug)]
pub struct Request<P, B, T = ()> {
    /// The position.
    pub pos: P,
    /// The buffer; all of it.
    pub buffer: B,
    /// The user's; it comes back with the result.
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

/// An operation that has ended.
#[must_use]
#[derive(Debug)]
pub struct Completed<P, B, T = ()> {
    /// The user's.
    pub tag: T,
    /// The position.
    pub pos: P,
    /// The buffer. Where a read failed, any part may have been overwritten.
    pub buffer: B,
    /// Whether every byte was moved, or what failed first; the end of the data is `UnexpectedEof`.
    pub result: Result<()>,
    /// What became of each range.
    pub outcome: Outcome,
}

impl<P, B, T> Completed<P, B, T> {
    /// The buffer, where every byte was moved.
    ///
    /// # Errors
    /// What failed first. The buffer is dropped.
    pub fn into_buffer(self) -> Result<B> {
        self.result.map(|()| self.buffer)
    }
}
