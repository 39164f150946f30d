//! [`View`]: an owned claim on a range of a packet's bytes, for drivers and layers.
//!
//! Invariants are those of [`header`](super::header); in addition
//! 1. A `View` stands for one unit of COUNT from its making to its end, so the block lives as long
//!    as the view (header 2).
//! 2. `data` points to `len` bytes of the packet's memory, which belong to this view alone, or are
//!    copies of a range that is written from (header 3).
#![allow(unsafe_code)]

mod leaving;
mod parts;

use super::header::Header;
use super::outcome::Outcome;
use crate::error::Cause;
use crate::io::{Direction, Read, Write};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use leaving::{leave, leave_dropped};
pub use parts::Parts;

/// An owned claim on a range of bytes of one packet, to be filled ([`Read`]) or taken from
/// ([`Write`]).
///
/// It can be sent to any thread, kept as long as needed and split. It ends once: by
/// [`done`](View::done), [`fail`](View::fail) or [`done_prefix`](View::done_prefix). Dropped
/// otherwise, it fails with [`ErrorKind::Dropped`]. An empty view has no bytes to fail, so it fails
/// nothing, unless the whole request is empty.
///
/// # Wakers
/// Ending the last view of a packet, also by dropping it, runs the initiator's waker, if the
/// initiator was polled. That is code of the user, which may call into the code that ends the view:
/// hold no lock meanwhile. The same is true of [`send_io`](crate::io::PacketIo::send_io), which may
/// end the view. With std, a panic of a waker is reported and stays within the call.
///
/// ```
/// use mfio::error::ErrorKind;
/// use mfio::io::Read;
/// use mfio::packet::Packet;
///
/// let (in_flight, view) = Packet::new([0u8; 6]).start::<Read>();
/// let (mut head, tail) = view.split_at(4);
/// head.bytes_mut().copy_from_slice(b"head");
/// std::thread::spawn(move || tail.fail(ErrorKind::UnexpectedEof)).join().unwrap();
/// head.done();
///
/// let ended = in_flight.try_end().expect("both views have ended");
/// assert_eq!(ended.outcome.good_prefix(), 4);
/// assert_eq!(&ended.packet.buffer()[..4], b"head");
/// ```
///
/// [`ErrorKind::Dropped`]: crate::error::ErrorKind::Dropped
#[must_use = "a view that is dropped fails its range"]
pub struct View<D: Direction> {
    header: NonNull<Header>,
    data: *mut u8,
    /// Offset of the range in the packet.
    offset: usize,
    len: usize,
    direction: PhantomData<D>,
}

// SAFETY: a view reaches its own bytes (invariant 2) and the shared, synchronised part of the
// block; the buffer, which it may have to drop, is `Send` by its trait.
unsafe impl<D: Direction> Send for View<D> {}
// SAFETY: `&View` gives shared reads of the bytes, a raw pointer, and atomic loads.
unsafe impl<D: Direction> Sync for View<D> {}

impl<D: Direction> View<D> {
    /// Makes a view of a packet that was just started: the `len` bytes at `data`, at `offset` in
    /// its outcome.
    ///
    /// # Safety
    /// The caller has a unit of COUNT for this view (invariant 1), the memory is this view's
    /// (invariant 2), and the buffer suits `D`.
    #[inline]
    pub(super) unsafe fn new(
        header: NonNull<Header>,
        data: *mut u8,
        offset: usize,
        len: usize,
    ) -> Self {
        Self {
            header,
            data,
            offset,
            len,
            direction: PhantomData,
        }
    }

    /// Returns the length of the range in bytes, not that of the whole packet.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the range is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the offset of the range in its packet.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the address and the length of the range.
    #[inline]
    pub(super) fn region(&self) -> (*mut u8, usize) {
        (self.data, self.len)
    }

    /// Returns whether the initiator is gone, so that the outcome will not be seen: a hint to stop
    /// early. The view still has to be ended.
    ///
    /// A relay whose buffer is a view is abandoned when that view is.
    #[inline]
    pub fn is_abandoned(&self) -> bool {
        // SAFETY: the block lives (invariant 1).
        let word = unsafe { (*self.header.as_ptr()).state.hint() };
        // SAFETY: as above; this view is not ended while it is borrowed.
        word.abandoned()
            || word.relay() && unsafe { ((*self.header.as_ptr()).vtable.unwanted)(self.header) }
    }

    /// Splits the range in two: the bytes up to `at`, and the rest. Allocates nothing.
    ///
    /// # Panics
    /// If `at` is beyond the end; if one packet has more views than can be counted (2^24 on 32-bit
    /// systems, 2^56 on 64-bit ones), which takes `mem::forget`. The view fails as if dropped.
    pub fn split_at(self, at: usize) -> (Self, Self) {
        assert!(at <= self.len, "{}", Beyond(at, self.len));
        self.reserve(1);
        let mut tail = self;
        // SAFETY: the unit was just reserved.
        let head = unsafe { tail.take_front(at) };
        (head, tail)
    }

    /// Counts more views, which are to be made or given back.
    #[inline]
    pub(super) fn reserve(&self, views: usize) {
        // SAFETY: the block lives (invariant 1).
        let room = unsafe { (*self.header.as_ptr()).state.reserve(views) };
        assert!(room, "too many views of one packet were forgotten");
    }

    /// Takes back [reserved](Self::reserve) views that were not made.
    #[inline]
    pub(super) fn give_back(&self, views: usize) {
        // SAFETY: the block lives (invariant 1).
        unsafe { (*self.header.as_ptr()).state.give_back(views) }
    }

    /// Splits the first `len` bytes off.
    ///
    /// # Panics
    /// If there are fewer; the view is unchanged then.
    ///
    /// # Safety
    /// The caller has reserved a unit of COUNT for the new view, and gives it up with this call,
    /// unless it panics.
    #[inline]
    pub(super) unsafe fn take_front(&mut self, len: usize) -> Self {
        assert!(len <= self.len, "{}", Beyond(len, self.len));
        let front = Self { len, ..*self };
        // SAFETY: `len` is within the range (asserted), which is within one allocation (invariant
        // 2).
        self.data = unsafe { self.data.add(len) };
        self.offset += len;
        self.len -= len;
        front
    }

    /// Ends the view: all its bytes were transferred.
    #[inline]
    pub fn done(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the view ends here, once: it is not dropped.
        unsafe { this.end(this.len, None) }
    }

    /// Ends the view: all its bytes failed. An empty view has none to fail, see [`View`].
    #[cold]
    pub fn fail(self, cause: impl Into<Cause>) {
        self.fail_from(0, cause.into());
    }

    /// Ends the view: its first `n` bytes were transferred, the rest failed. Without a rest this is
    /// [`done`](Self::done).
    #[inline(always)]
    pub fn done_prefix(self, n: usize, rest: impl Into<Cause>) {
        if n >= self.len {
            self.done();
        } else {
            self.fail_from(n, rest.into());
        }
    }

    /// Ends the view by the outcome of its bytes, which a layer got from a packet of its own. Bytes
    /// beyond the end of the outcome fail with [`ErrorKind::Dropped`].
    ///
    /// ```
    /// use mfio::error::ErrorKind;
    /// use mfio::io::Read;
    /// use mfio::packet::Packet;
    ///
    /// let (inner, view) = Packet::new([0u8; 8]).start::<Read>();
    /// view.done_prefix(3, ErrorKind::Busy);
    /// let learned = inner.try_end().expect("it has ended").outcome;
    ///
    /// let (outer, view) = Packet::new([0u8; 8]).start::<Read>();
    /// view.resolve(&learned);
    /// assert_eq!(outer.try_end().expect("it has ended").outcome.good_prefix(), 3);
    /// ```
    ///
    /// [`ErrorKind::Dropped`]: crate::error::ErrorKind::Dropped
    #[inline]
    pub fn resolve(self, outcome: &Outcome) {
        if outcome.is_success() && outcome.len() >= self.len {
            self.done();
        } else {
            self.resolve_parts(outcome);
        }
    }

    fn fail_from(self, good: usize, cause: Cause) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the view ends here, once: it is not dropped.
        unsafe { this.end(good, Some(cause)) }
    }

    /// Ends the view: its first `good` bytes were transferred, the rest failed. An empty request
    /// fails if there is a cause.
    ///
    /// # Safety
    /// The view must not be used, nor dropped, afterwards.
    #[inline(always)]
    unsafe fn end(&self, good: usize, cause: Option<Cause>) {
        // SAFETY: the view has its unit, which it gives up.
        unsafe { leave(self.header, self.offset, self.len, good, cause) }
    }
}

impl View<Read> {
    /// Returns the bytes, to be filled. They have the values from before the operation.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the range is this view's alone (invariant 2), initialised and in place (header
        // 6), and may be written: only a `ReadBuffer` is read into.
        unsafe { core::slice::from_raw_parts_mut(self.data, self.len) }
    }

    /// Returns the address of the bytes, valid for [`len`](View::len) bytes until the view ends,
    /// even if the view is moved. Not null, even for an empty view.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.data
    }
}

impl View<Write> {
    /// Returns the bytes to write.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: a packet that is written from is not written to: only `View<Read>` does that, and
        // all views of a packet have one direction; initialised and in place (header 6).
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }

    /// Returns the address of the bytes, valid for [`len`](View::len) bytes until the view ends,
    /// even if the view is moved. Not null, even for an empty view.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.data
    }
}

impl<D: Direction> Drop for View<D> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: a view that is dropped was not ended: the methods that end it prevent the drop.
        unsafe { leave_dropped(self.header, self.offset, self.len) }
    }
}

impl<D: Direction> fmt::Debug for View<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("direction", &D::VERB)
            .field("offset", &self.offset)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The panic message of a split beyond the end.
struct Beyond(usize, usize);

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, len) = self;
        write!(f, "split at {at} of a view of {len} bytes")
    }
}
