//! Segments: ranges of a running packet that have ended, on their way to an initiator that wants to hear of each.

use super::outcome::FailedRange;
use crate::error::Cause;
use alloc::collections::VecDeque;
use core::task::Waker;

/// A range of a packet that has ended while others may still be on their way.
///
/// Neighbours that ended the same way, and were not asked for in between, come as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the packet.
    pub offset: usize,
    /// How long it is.
    pub len: usize,
    /// Whether its bytes were moved, or why not.
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

/// What has ended and was not yet asked for, in the order of the ends; empty ranges are left out.
///
/// Bounded by the number of bytes of the packet, as ranges do not overlap. Its memory is kept for the next operation.
#[derive(Default)]
pub(super) struct Segments {
    waiting: VecDeque<Segment>,
    /// Who waits for the next one.
    pub(super) waker: Option<Waker>,
}

impl Segments {
    /// Adds a segment. Returns who waits for it, to be woken outside the lock.
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

    /// Forgets what nobody asked for.
    pub(super) fn clear(&mut self) -> Option<Waker> {
        self.waiting.clear();
        self.waker.take()
    }
}
