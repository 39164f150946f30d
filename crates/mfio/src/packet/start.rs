//! The start of a packet: its block goes to an [`InFlight`] and a [`View`].
//!
//! Invariants are those of [`header`](super::header) and [`block`](super::block).
#![allow(unsafe_code)]

use super::block::Packet;
use super::buffer::{Buffer, BufferFor};
use super::in_flight::InFlight;
use super::view::View;
use crate::io::Direction;

impl<B: Buffer> Packet<B> {
    /// Starts an operation on the whole buffer: send the view, and await the future. Allocates
    /// nothing.
    ///
    /// This is the low level; most programs call
    /// [`read_packet_at`](crate::traits::IoRead::read_packet_at) and
    /// [`write_packet_at`](crate::traits::IoWrite::write_packet_at).
    #[inline]
    pub fn start<D: Direction>(self) -> (InFlight<B, D>, View<D>)
    where
        B: BufferFor<D>,
    {
        let len = self.len();
        self.start_prefix(len)
    }

    /// Starts an operation on the first `len` bytes of the buffer, or on all if there are fewer.
    /// The view has that length, and so has [`Outcome::len`](super::Outcome::len). The rest of the
    /// buffer is unchanged.
    #[inline]
    pub fn start_prefix<D: Direction>(self, len: usize) -> (InFlight<B, D>, View<D>)
    where
        B: BufferFor<D>,
    {
        let len = len.min(self.len());
        let header = self.into_raw();
        // SAFETY: the block was the packet's alone (block 1): one unit of COUNT goes to the view,
        // the initiator's part to the future. The buffer suits `D`, and `len` is within it.
        unsafe {
            (*header.as_ptr()).len = len;
            (*header.as_ptr()).state.start();
            let data = (*header.as_ptr()).data;
            (InFlight::new(header), View::new(header, data, 0, len))
        }
    }

    /// As [`start`](Self::start); the future returns each range as it ends, by
    /// [`next_segment`](InFlight::next_segment). Costs a lock for each view, and more wake-ups.
    pub fn start_segments<D: Direction>(self) -> (InFlight<B, D>, View<D>)
    where
        B: BufferFor<D>,
    {
        let len = self.len();
        self.start_prefix_segments(len)
    }

    /// As [`start_segments`](Self::start_segments), on the first `len` bytes, or on all if there
    /// are fewer.
    pub(crate) fn start_prefix_segments<D: Direction>(self, len: usize) -> (InFlight<B, D>, View<D>)
    where
        B: BufferFor<D>,
    {
        let len = len.min(self.len());
        let header = self.into_raw();
        // SAFETY: as in `start_prefix`.
        unsafe {
            let stale = (*header.as_ptr()).side.lock().segments.clear();
            drop(stale);
            (*header.as_ptr()).len = len;
            (*header.as_ptr()).state.start_many(1, true);
            let data = (*header.as_ptr()).data;
            (InFlight::new(header), View::new(header, data, 0, len))
        }
    }
}
