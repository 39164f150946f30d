//! Lends the memory of a blocked caller to a packet.
//!
//! Invariant 1: [`lend`] does not return while any view of the memory exists. If it
//! unwinds it waits first; if waiting fails too, it aborts the process. So the borrow of the
//! caller's memory outlives the views.
#![allow(unsafe_code)]

use crate::backend::{IoBackend, IoBackendExt};
use crate::io::{Direction, PacketIo, Position, Read, Write};
use crate::packet::{BorrowedBuf, Ended, InFlight, Outcome, Packet, View, give_empty, take_empty};
use crate::scope::settle;
use core::future::poll_fn;
use core::pin::Pin;
use core::ptr::NonNull;

/// Borrowed memory of a direction, taken generically.
pub(crate) trait Lend: Direction {
    /// Returns the rest of the slice from `from` on.
    fn rest<'a>(slice: &'a mut Self::Slice<'_>, from: usize) -> Self::Slice<'a>;

    /// Returns the memory as a buffer.
    ///
    /// # Safety
    /// The views of a packet with this buffer must end before the borrow of the slice.
    unsafe fn borrow(slice: &mut Self::Slice<'_>) -> BorrowedBuf;

    /// Calls [`Packet::start`]: that the buffer suits both directions cannot be expressed
    /// generically.
    fn start(packet: Packet<BorrowedBuf>) -> (InFlight<BorrowedBuf, Self>, View<Self>);
}

impl Lend for Read {
    #[inline]
    fn rest<'a>(slice: &'a mut &mut [u8], from: usize) -> &'a mut [u8] {
        &mut slice[from..]
    }

    unsafe fn borrow(slice: &mut &mut [u8]) -> BorrowedBuf {
        let bytes: NonNull<[u8]> = NonNull::from_mut(slice);
        // SAFETY: the caller has the bytes exclusively, for as long as it promises.
        unsafe { BorrowedBuf::new(bytes.cast(), bytes.len()) }
    }

    #[inline]
    fn start(packet: Packet<BorrowedBuf>) -> (InFlight<BorrowedBuf, Self>, View<Self>) {
        packet.start()
    }
}

impl Lend for Write {
    #[inline]
    fn rest<'a>(slice: &'a mut &[u8], from: usize) -> &'a [u8] {
        &slice[from..]
    }

    unsafe fn borrow(slice: &mut &[u8]) -> BorrowedBuf {
        let bytes: NonNull<[u8]> = NonNull::from_ref(slice);
        // SAFETY: the bytes are shared and not changed for as long as the caller promises; the
        // packet is written from.
        unsafe { BorrowedBuf::new(bytes.cast(), bytes.len()) }
    }

    #[inline]
    fn start(packet: Packet<BorrowedBuf>) -> (InFlight<BorrowedBuf, Self>, View<Self>) {
        packet.start()
    }
}

/// Sends `bytes` and blocks until every view is completed.
pub(super) fn lend<D, P, Io>(io: &Io, pos: P, mut bytes: D::Slice<'_>) -> Outcome
where
    D: Lend,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
{
    let mut packet = take_empty(io.pool());
    // SAFETY: `bytes` is borrowed until this function returns, and that is after the end of the
    // last view (invariant 1).
    packet.replace(unsafe { D::borrow(&mut bytes) });
    let mut fresh = Some(packet);
    let mut guard = SettleOnDrop::<D, Io> {
        io,
        in_flight: None,
    };
    // Sent within `block_on`, so that nothing is in flight if that panics at once.
    let Ended { packet, outcome } = io.block_on(poll_fn(|cx| {
        if let Some(packet) = fresh.take() {
            let (in_flight, view) = D::start(packet);
            guard.in_flight = Some(in_flight);
            io.send_io(pos, view);
        }
        let in_flight = guard.in_flight.as_mut().expect("it was sent above");
        Pin::new(in_flight).poll(cx)
    }));
    give_empty(io.pool(), packet);
    outcome
}

/// Keeps invariant 1 on unwinding.
struct SettleOnDrop<'a, D: Direction, Io: IoBackend + ?Sized> {
    io: &'a Io,
    in_flight: Option<InFlight<BorrowedBuf, D>>,
}

impl<D: Direction, Io: IoBackend + ?Sized> Drop for SettleOnDrop<'_, D, Io> {
    fn drop(&mut self) {
        if let Some(in_flight) = &mut self.in_flight
            && !in_flight.is_ended()
        {
            settle(
                self.io,
                poll_fn(|cx| Pin::new(&mut *in_flight).poll(cx).map(drop)),
            );
        }
    }
}
