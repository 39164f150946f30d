//! [`InFlight`]: the initiator's side of a packet that was started.
//!
//! Invariants are those of [`header`](super::header); in addition
//! 1. An `InFlight` that has a block is its only initiator.
//! 2. The block is a `Block<B>` that `Packet::start` handed over.
#![allow(unsafe_code)]

use super::block::Packet;
use super::buffer::{Buffer, Exact};
use super::ended::Ended;
use super::header::Header;
use super::outcome::Outcome;
use super::segments::Segment;
use super::state::Word;
use crate::budget;
use crate::error::Cause;
use crate::io::Direction;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker, ready};

/// An operation in flight: a future of the packet and its outcome, ready when the last view has
/// ended.
///
/// # Cancel safety
/// Dropping it detaches the operation; packet and buffer are freed when the last view has ended.
///
/// # Panics
/// If it is polled after it was ready.
#[must_use = "dropping it abandons the operation"]
pub struct InFlight<B: Buffer, D: Direction> {
    /// `None` once the packet was given back.
    header: Option<NonNull<Header>>,
    registered: WakerId,
    /// Invariant in the buffer, as the packet is.
    kind: PhantomData<(B, Exact<B>, D)>,
}

// SAFETY: the initiator's part of the block is synchronised with that of the views by the state
// word; the buffer is `Send` by its trait, wakers are `Send`.
unsafe impl<B: Buffer, D: Direction> Send for InFlight<B, D> {}
// SAFETY: `&InFlight` gives atomic loads only.
unsafe impl<B: Buffer, D: Direction> Sync for InFlight<B, D> {}

impl<B: Buffer, D: Direction> Unpin for InFlight<B, D> {}

/// The panic message of a poll after the end.
const GIVEN: &str =
    "an `InFlight` that was ready gave its packet back already: poll or end it no more";

/// The identity of the waker that was registered last, without a reference to it. Only compared
/// while that waker is in the block, so equal parts mean the same waker.
#[derive(Clone, Copy, PartialEq, Eq)]
struct WakerId {
    data: usize,
    vtable: usize,
}

impl WakerId {
    const NONE: Self = Self { data: 0, vtable: 0 };

    fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: core::ptr::from_ref(waker.vtable()).addr(),
        }
    }
}

impl<B: Buffer, D: Direction> InFlight<B, D> {
    /// # Safety
    /// `header` heads a `Block<B>` that was just started, and the caller passes the initiator's
    /// part to it.
    #[inline]
    pub(super) unsafe fn new(header: NonNull<Header>) -> Self {
        Self {
            header: Some(header),
            registered: WakerId::NONE,
            kind: PhantomData,
        }
    }

    /// Returns whether every view has ended, so that the next poll is ready, or was.
    pub fn is_ended(&self) -> bool {
        self.header.is_none_or(|header| {
            // SAFETY: the block lives as long as its initiator (header 2).
            unsafe { (*header.as_ptr()).state.load().ended() }
        })
    }

    /// Returns the packet and its outcome, if every view has ended.
    ///
    /// # Errors
    /// The operation itself, which is still in flight.
    ///
    /// # Panics
    /// If a poll was ready before: it returned the packet.
    #[inline]
    pub fn try_end(mut self) -> Result<Ended<B>, Self> {
        let header = self.header.expect(GIVEN);
        // SAFETY: the block lives as long as its initiator (header 2).
        let word = unsafe { (*header.as_ptr()).state.load() };
        if word.ended() {
            // SAFETY: COUNT is 0 and nothing was registered since.
            Ok(unsafe { self.give_back(header, word) })
        } else {
            Err(self)
        }
    }

    /// Returns the word once every view has ended; registers the waker before that.
    #[inline(always)]
    fn poll_end(&mut self, header: NonNull<Header>, cx: &mut Context<'_>) -> Poll<Word> {
        // SAFETY: the block lives as long as its initiator (header 2).
        let mut word = unsafe { (*header.as_ptr()).state.load() };
        if !word.ended() {
            word = if word.no_waker_yet() {
                self.register_first(header, cx.waker())
            } else if self.registered == WakerId::of(cx.waker()) {
                word
            } else {
                self.register_later(header, cx.waker())
            };
            if !word.ended() {
                return Poll::Pending;
            }
        }
        Poll::Ready(word)
    }

    /// Waits for the next range that has ended, while others may still be in flight. Returns it
    /// with its bytes; `None` once there are no more. Only a packet that was started with
    /// [`start_segments`](Packet::start_segments) has segments.
    ///
    /// Every byte is in one segment. Segments that were not taken are discarded when the packet is
    /// awaited; the outcome covers all of them.
    ///
    /// # Cancel safety
    /// Dropping the future loses no segment.
    ///
    /// # Panics
    /// If it is polled after the packet was returned.
    ///
    /// ```
    /// use mfio::error::ErrorKind;
    /// use mfio::io::Read;
    /// use mfio::packet::Packet;
    /// use mfio::poller::block_on;
    ///
    /// let (mut in_flight, view) = Packet::new([0u8; 4]).start_segments::<Read>();
    /// let (mut head, tail) = view.split_at(2);
    /// head.bytes_mut().fill(7);
    /// head.done();
    /// let segment = block_on(in_flight.next_segment());
    /// let segment = segment.expect("the head has ended");
    /// assert_eq!((segment.offset(), segment.bytes()), (0, Ok(&[7, 7][..])));
    /// tail.fail(ErrorKind::UnexpectedEof);
    /// assert_eq!(in_flight.try_end().expect("all have ended").outcome.good_prefix(), 2);
    /// ```
    pub fn next_segment(&mut self) -> NextSegment<'_, B, D> {
        NextSegment(Some(self))
    }

    /// Polls for the next segment, see [`next_segment`](Self::next_segment).
    pub fn poll_segment(&mut self, cx: &mut Context<'_>) -> Poll<Option<EndedSegment<'_>>> {
        let header = self.header.expect(GIVEN);
        let segment = ready!(self.poll_range(header, cx));
        Poll::Ready(segment.map(|segment| self.show(header, segment)))
    }

    /// Polls for the next segment. Returns its length only, for packets whose memory is elsewhere.
    pub(crate) fn poll_segment_len(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let header = self.header.expect(GIVEN);
        let segment = ready!(self.poll_range(header, cx));
        Poll::Ready(segment.map(|segment| segment.len))
    }

    /// Adds the bytes to a segment that was just taken out.
    fn show(&self, header: NonNull<Header>, segment: Segment) -> EndedSegment<'_> {
        // SAFETY: the block lives as long as its initiator, which is borrowed, and with it its
        // memory (header 6). The range has ended (header 7).
        let bytes = unsafe {
            let start = (*header.as_ptr()).data.add(segment.offset);
            core::slice::from_raw_parts(start, segment.len)
        };
        EndedSegment { segment, bytes }
    }

    /// Polls for the next range that has ended; its bytes are the initiator's to look at (header
    /// 7).
    pub(super) fn poll_range(
        &mut self,
        header: NonNull<Header>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Segment>> {
        // SAFETY: the block lives as long as its initiator (header 2).
        let (state, side) = unsafe { (&(*header.as_ptr()).state, &(*header.as_ptr()).side) };
        loop {
            // Loaded first: all views that ended before this are among the segments.
            let word = state.load();
            let ended = word.ended();
            let waker = (!ended).then(|| cx.waker().clone());
            let mut locked = side.lock();
            // Without the flag, segments are those of an earlier operation.
            let segment = match word.segments() {
                true => locked.segments.pop(),
                false => None,
            };
            let unused = match segment {
                None => core::mem::replace(&mut locked.segments.waker, waker),
                Some(_) => waker,
            };
            drop(locked);
            drop(unused);
            if segment.is_none() && ended {
                ready!(budget::poll_charge(cx));
            }
            if segment.is_some() || ended {
                return Poll::Ready(segment);
            }
            let _ended = ready!(self.poll_end(header, cx));
        }
    }

    /// Registers the first waker. Returns the word before.
    fn register_first(&mut self, header: NonNull<Header>, waker: &Waker) -> Word {
        let new = waker.clone();
        // SAFETY: the block lives (header 2); NO_WAKER_YET is still set, so the slot is the
        // initiator's (header 4).
        let before = unsafe {
            (*header.as_ptr()).slot.put(new);
            (*header.as_ptr()).state.arm()
        };
        if before.ended() {
            // SAFETY: COUNT was 0, so the slot stayed the initiator's (header 4).
            drop(unsafe { (*header.as_ptr()).slot.take() });
        } else {
            self.registered = WakerId::of(waker);
        }
        before
    }

    /// Registers a waker that differs from the last one. Returns the word before.
    #[cold]
    fn register_later(&mut self, header: NonNull<Header>, waker: &Waker) -> Word {
        let new = waker.clone();
        // SAFETY: the block lives (header 2).
        let block = unsafe { header.as_ref() };
        let replaced = block.side.lock().waker.replace(new);
        let before = block.state.set_later_waker();
        let unused = if before.ended() {
            block.side.lock().waker.take()
        } else {
            self.registered = WakerId::of(waker);
            None
        };
        drop((replaced, unused));
        before
    }

    /// Turns the operation back into a packet.
    ///
    /// # Safety
    /// COUNT is 0, `word` shows it, and both waker places are empty.
    #[inline(always)]
    unsafe fn give_back(&mut self, header: NonNull<Header>, word: Word) -> Ended<B> {
        self.header = None;
        // SAFETY: the block is the initiator's alone now (header 2), idle, and of this kind
        // (invariant 2).
        let (len, packet) = unsafe { ((*header.as_ptr()).len, Packet::from_raw(header)) };
        if word.failed() {
            // SAFETY: as above.
            let outcome = unsafe { outcome_of_failed(header) };
            return Ended { packet, outcome };
        }
        let outcome = Outcome::success(len);
        Ended { packet, outcome }
    }
}

/// # Safety
/// The block is the caller's alone.
#[cold]
#[inline(never)]
unsafe fn outcome_of_failed(header: NonNull<Header>) -> Outcome {
    // SAFETY: the caller's promise.
    let (len, failed) = unsafe {
        let header = &*header.as_ptr();
        (header.len, header.side.lock().failures.take())
    };
    Outcome { len, failed }
}

impl<B: Buffer, D: Direction> Future for InFlight<B, D> {
    type Output = Ended<B>;

    // Always: returned through memory in pieces and read back whole, an `Ended` costs a stalled
    // load in every caller.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<B>> {
        let this = &mut *self;
        let header = this.header.expect(GIVEN);
        let word = ready!(this.poll_end(header, cx));
        ready!(budget::poll_charge(cx));
        // SAFETY: COUNT is 0; a waker that was registered too late was taken out again.
        Poll::Ready(unsafe { this.give_back(header, word) })
    }
}

/// A segment with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct EndedSegment<'a> {
    segment: Segment,
    bytes: &'a [u8],
}

impl<'a> EndedSegment<'a> {
    /// Returns the offset of the range in the packet.
    pub fn offset(&self) -> usize {
        self.segment.offset
    }

    /// Returns the range and its result.
    pub fn segment(&self) -> Segment {
        self.segment
    }

    /// Returns the bytes, if they were moved.
    ///
    /// # Errors
    /// The cause of the range's failure.
    pub fn bytes(&self) -> Result<&'a [u8], Cause> {
        self.segment.result.map(|()| self.bytes)
    }
}

/// The future of [`InFlight::next_segment`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct NextSegment<'a, B: Buffer, D: Direction>(Option<&'a mut InFlight<B, D>>);

impl<'a, B: Buffer, D: Direction> Future for NextSegment<'a, B, D> {
    type Output = Option<EndedSegment<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let in_flight = self
            .0
            .take()
            .expect("a future was polled after it was ready");
        let header = in_flight.header.expect(GIVEN);
        match in_flight.poll_range(header, cx) {
            Poll::Ready(segment) => {
                Poll::Ready(segment.map(|segment| in_flight.show(header, segment)))
            }
            Poll::Pending => {
                self.0 = Some(in_flight);
                Poll::Pending
            }
        }
    }
}

impl<B: Buffer, D: Direction> Drop for InFlight<B, D> {
    fn drop(&mut self) {
        let Some(header) = self.header else {
            return;
        };
        // SAFETY: the block lives as long as its initiator (header 2).
        let state = unsafe { &(*header.as_ptr()).state };
        if state.load().ended() || state.abandon().ended() {
            // SAFETY: COUNT is 0: the block is the initiator's alone, idle, and of this kind
            // (invariant 2).
            drop(unsafe { Packet::<B>::from_raw(header) });
        }
    }
}

impl<B: Buffer, D: Direction> fmt::Debug for InFlight<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("direction", &D::VERB)
            .field("ended", &self.is_ended())
            .finish_non_exhaustive()
    }
}
