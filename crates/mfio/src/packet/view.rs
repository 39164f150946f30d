//! [`View`]: an owned claim on a range of a packet's bytes. The side of the drivers.
//!
//! Invariants are those of [`header`](super::header); in addition
//! 1. A `View` stands for one unit of COUNT from its making to its end, so the block lives as long as the view (header 2).
//! 2. `data` points to `len` bytes of the packet's memory, which belong to this view alone, or are copies of a range that
//!    is written from (header 3).
#![allow(unsafe_code)]

mod leaving;

use super::header::Header;
use super::outcome::{Outcome, Parts};
use super::splitter::Splitter;
use crate::error::Cause;
use crate::io::{Direction, Read, Write};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use leaving::{leave, leave_dropped};

/// An owned claim on a range of bytes of one packet, to be filled ([`Read`]) or taken from ([`Write`]).
///
/// It can be sent to any thread, kept as long as needed and split. It ends once: [`done`](View::done),
/// [`fail`](View::fail) or [`done_prefix`](View::done_prefix); dropped otherwise, it fails with
/// [`ErrorKind::Dropped`]. An empty view stands for no bytes, so that it fails nothing, except where the whole request is
/// empty.
///
/// # Wakers
/// Ending a view, by dropping it too, runs the initiator's waker where it is the last view of its packet and the
/// initiator was polled since it was sent. That is code of the user, which may come back to where the view is ended: hold
/// no lock meanwhile. The same is true of handing a view on by [`send_io`](crate::io::PacketIo::send_io), which may end
/// it. A waker that panics harms nobody else: with std the panic is reported and stays within the call.
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
    /// Where the range is said to begin.
    offset: usize,
    len: usize,
    direction: PhantomData<D>,
}

// SAFETY: a view reaches its own bytes (invariant 2) and the shared, synchronised part of the block; the buffer, which
// it may have to drop, is `Send` by its trait.
unsafe impl<D: Direction> Send for View<D> {}
// SAFETY: `&View` gives shared reads of the bytes, a raw pointer, and atomic loads.
unsafe impl<D: Direction> Sync for View<D> {}

impl<D: Direction> View<D> {
    /// A view of a packet that was just started, on the `len` bytes at `data`, which its outcome calls those at `offset`.
    ///
    /// # Safety
    /// The caller has a unit of COUNT for this view (invariant 1), the memory is this view's (invariant 2), and the buffer
    /// suits `D`.
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

    /// How many bytes this view claims: its own range, not the whole packet.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the range begins within its packet.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Where its bytes are, and how many.
    #[inline]
    pub(super) fn region(&self) -> (*mut u8, usize) {
        (self.data, self.len)
    }

    /// Whether the initiator has gone, so that nobody will see the outcome: a hint to stop early. The view still has to
    /// be ended.
    ///
    /// What a layer sends in place of a view is abandoned when that view is.
    #[inline]
    pub fn is_abandoned(&self) -> bool {
        // SAFETY: the block lives (invariant 1).
        let word = unsafe { (*self.header.as_ptr()).state.hint() };
        // SAFETY: as above; this view is not ended while it is borrowed.
        word.abandoned()
            || word.relay() && unsafe { ((*self.header.as_ptr()).vtable.unwanted)(self.header) }
    }

    /// Splits the range in two: `len` bytes up to `at`, and the rest. Allocates nothing.
    ///
    /// # Panics
    /// Where `at` is beyond the end, or where one packet has more views than can be counted (2^24 on systems of 32 bits,
    /// 2^56 of 64), which takes forgetting them. The view fails as if dropped.
    pub fn split_at(self, at: usize) -> (Self, Self) {
        assert!(at <= self.len, "{}", Beyond(at, self.len));
        self.reserve(1);
        let mut tail = self;
        // SAFETY: the unit was just reserved.
        let head = unsafe { tail.take_front(at) };
        (head, tail)
    }

    /// Splits the range into many parts, one after another, for less than [`split_at`](Self::split_at) takes for each.
    #[inline]
    pub fn splitter(self) -> Splitter<D> {
        Splitter::new(self)
    }

    /// Counts so many views more, which are to be made or given back.
    #[inline]
    pub(super) fn reserve(&self, views: usize) {
        // SAFETY: the block lives (invariant 1).
        let room = unsafe { (*self.header.as_ptr()).state.reserve(views) };
        assert!(room, "too many views of one packet were forgotten");
    }

    /// Takes back what was counted for views that were not made.
    #[inline]
    pub(super) fn give_back(&self, views: usize) {
        // SAFETY: the block lives (invariant 1).
        unsafe { (*self.header.as_ptr()).state.give_back(views) }
    }

    /// Splits the first `len` bytes off.
    ///
    /// # Panics
    /// Where there are not so many; nothing has happened then.
    ///
    /// # Safety
    /// The caller has reserved a unit of COUNT for the new view, and gives it up with this call, unless it panics.
    #[inline]
    pub(super) unsafe fn take_front(&mut self, len: usize) -> Self {
        assert!(len <= self.len, "{}", Beyond(len, self.len));
        let front = Self { len, ..*self };
        // SAFETY: `len` is within the range (asserted), which is within one allocation (invariant 2).
        self.data = unsafe { self.data.add(len) };
        self.offset += len;
        self.len -= len;
        front
    }

    /// Ends the view: all its bytes were moved.
    #[inline]
    pub fn done(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the view ends here, once: it is not dropped.
        unsafe { this.end(this.len, None) }
    }

    /// Ends the view: none of its bytes count. An empty view has none to fail, see [`View`].
    #[cold]
    pub fn fail(self, cause: impl Into<Cause>) {
        self.fail_from(0, cause.into());
    }

    /// Ends the view: its first `n` bytes were moved, the rest failed. Where no rest is left this is
    /// [`done`](Self::done).
    #[inline(always)]
    pub fn done_prefix(self, n: usize, rest: impl Into<Cause>) {
        if n >= self.len {
            self.done();
        } else {
            self.fail_from(n, rest.into());
        }
    }

    /// Ends the view as `outcome` says of its bytes: what a layer does that learned it of a packet of its own. Bytes that the
    /// outcome does not speak of, as it is about fewer, fail with [`ErrorKind::Dropped`].
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

    #[cold]
    fn resolve_parts(self, outcome: &Outcome) {
        for (part, result) in self.parts(outcome) {
            match result {
                Ok(()) => part.done(),
                Err(cause) => part.fail(cause),
            }
        }
    }

    /// Splits the view into the ranges that succeeded and those that failed by an outcome about its bytes, in order: a layer
    /// ends the good ones and tries again with the others. Bytes that the outcome does not speak of have failed with
    /// [`ErrorKind::Dropped`]. What is left of the iterator when it is dropped fails.
    ///
    /// [`ErrorKind::Dropped`]: crate::error::ErrorKind::Dropped
    pub fn parts(self, outcome: &Outcome) -> Parts<'_, D> {
        Parts::new(self, outcome)
    }

    fn fail_from(self, good: usize, cause: Cause) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the view ends here, once: it is not dropped.
        unsafe { this.end(good, Some(cause)) }
    }

    /// Ends the view: its first `good` bytes were moved, the rest, if any, failed. Where the whole request is empty a cause
    /// fails it.
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
    /// The bytes, to be filled. They hold whatever was there before.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the range is this view's alone (invariant 2), initialised and in place (header 6), and may be written:
        // only a `ReadBuffer` is read into.
        unsafe { core::slice::from_raw_parts_mut(self.data, self.len) }
    }

    /// Where the bytes are, for drivers that hand the address on. It stays valid for [`len`](View::len) bytes until the
    /// view ends, wherever the view is moved meanwhile. Not null, even where the view is empty.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.data
    }
}

impl View<Write> {
    /// The bytes to write.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: nobody writes to a packet that is being written from: only `View<Read>` does, and all views of a
        // packet have one direction; initialised and in place (header 6).
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }

    /// Where the bytes are, for drivers that hand the address on. It stays valid for [`len`](View::len) bytes until the
    /// view ends, wherever the view is moved meanwhile. Not null, even where the view is empty.
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

/// Why a split is refused.
struct Beyond(usize, usize);

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, len) = self;
        write!(f, "split at {at} of a view of {len} bytes")
    }
}
