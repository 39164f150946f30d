//! Segments: ranges of a packet in flight that have ended, queued for the initiator.

use super::failures::FailedRange;
use crate::error::Cause;
use alloc::collections::VecDeque;
use core::task::Waker;

/// A range of a packet that has ended while others may still be in flight.
///
/// Neighbours with the same result that wait to be taken are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the packet.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
    /// The cause if its bytes were not transferred.
    pub result: Result<(), Cause>,
}

impl From<FailedRange> for Segment {
    fn from(range: FailedRange) -> Self {
        Self {
            offset: range.offset,
            len: range.len,
            result: Err(range.cause),
        }
    }
}

/// The segments that were not taken yet, in the order of the ends; empty ranges are left out.
///
/// Bounded by the number of bytes of the packet, as ranges do not overlap. The memory is kept for
/// the next operation.
#[derive(Default)]
pub(super) struct Segments {
    waiting: VecDeque<Segment>,
    /// The waker of the initiator that waits for the next one.
    pub(super) waker: Option<Waker>,
}

impl Segments {
    /// Adds a segment. Returns the waker of the initiator, to be woken outside the lock.
    #[must_use]
    pub(super) fn push(&mut self, segment: Segment) -> Option<Waker> {
        if segment.len == 0 {
            return None;
        }
        match self.waiting.back_mut() {
            Some(last)
                if last.result == segment.result && last.offset + last.len == segment.offset =>
            {
                last.len += segment.len;
            }
            _ => self.waiting.push_back(segment),
        }
        self.waker.take()
    }

    pub(super) fn pop(&mut self) -> Option<Segment> {
        self.waiting.pop_front()
    }

    /// Discards segments that were not taken. Returns the waker, to be dropped outside the lock.
    pub(super) fn clear(&mut self) -> Option<Waker> {
        self.waiting.clear();
        self.waker.take()
    }
}
