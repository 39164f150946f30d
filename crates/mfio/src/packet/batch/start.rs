//! The start of a batch: the views that are to be sent, and the ranges that fail before.
//!
//! Invariants are those of [`batch`](super).
#![allow(unsafe_code)]

use super::Batch;
use super::ended::InFlightBatch;
use super::sends::Sends;
use crate::error::ErrorKind;
use crate::io::{Direction, Position};
use crate::packet::buffer::{Buffer, BufferFor};
use crate::packet::failures::FailedRange;
use crate::packet::header::Header;
use crate::packet::in_flight::InFlight;
use crate::packet::state::State;
use core::marker::PhantomData;
use core::ptr::NonNull;

impl<B: Buffer, P: Position> Batch<B, P> {
    /// Starts the request: send the views to their positions, and await the future. With `segments`
    /// the future returns each range as it ends, see
    /// [`Packet::start_segments`](crate::packet::Packet::start_segments).
    pub(crate) fn start<D: Direction>(
        self,
        segments: bool,
    ) -> (InFlightBatch<B, P, D>, Sends<B, P, D>)
    where
        B: BufferFor<D>,
    {
        self.start_up_to(State::MAX_VIEWS, segments)
    }

    /// Returns the ranges that fail before they are sent: the buffers from number `most` on, if
    /// there are more than views can be counted (on 32-bit systems), and reads into a capacity
    /// without a length.
    fn failed_at_start<D: Direction>(&self, most: usize) -> [Option<FailedRange>; 2] {
        let unfilled = self
            .unfilled
            .filter(|_| D::READS)
            .map(|offset| FailedRange {
                offset,
                len: 0,
                cause: ErrorKind::InvalidInput.into(),
            });
        let beyond = self.items().get(most).map(|item| FailedRange {
            offset: item.offset,
            len: self.total - item.offset,
            cause: ErrorKind::LimitReached.into(),
        });
        [unfilled, beyond]
    }

    pub(super) fn start_up_to<D: Direction>(
        mut self,
        most: usize,
        segments: bool,
    ) -> (InFlightBatch<B, P, D>, Sends<B, P, D>)
    where
        B: BufferFor<D>,
    {
        let failed = self.failed_at_start::<D>(most);
        let (total, views) = (self.total, self.len().min(most));
        let unfilled = self.unfilled;
        let items = NonNull::from_mut(self.items_mut().as_mut_slice()).cast();
        let header = self.packet.into_raw();
        // SAFETY: the block was the packet's alone; its units of COUNT go to `Sends`, the
        // initiator's part to the future.
        let in_flight = unsafe {
            let stale = (*header.as_ptr()).side.lock().segments.clear();
            drop(stale);
            (*header.as_ptr()).len = total;
            (*header.as_ptr()).state.start_many(views, segments);
            if failed != [None, None] {
                fail_at_start(header, failed);
            }
            InFlight::new(header)
        };
        let sends = Sends {
            header,
            items,
            next: 0,
            views,
            direction: PhantomData,
        };
        let batch = InFlightBatch {
            in_flight,
            total,
            unfilled,
        };
        (batch, sends)
    }
}

/// Records failures before any view is sent.
///
/// # Safety
/// `header` heads a block that the caller has just started and whose views it has.
#[cold]
unsafe fn fail_at_start(header: NonNull<Header>, failed: [Option<FailedRange>; 2]) {
    // SAFETY: the block lives, as its views are the caller's.
    let header = unsafe { header.as_ref() };
    let mut side = header.side.lock();
    failed
        .into_iter()
        .flatten()
        .for_each(|range| side.failures.push(range));
    drop(side);
    header.state.set_failed();
}
