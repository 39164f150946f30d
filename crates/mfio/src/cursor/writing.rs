//! The writing half of a cursor: at most one accepted write in flight.

use super::store::Store;
use crate::budget;
use crate::error::Cause;
use crate::io::{PacketIo, Position, Write};
use crate::packet::{AlignedBuf, Ended, InFlight};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// An accepted write in flight, and the buffer for it.
#[derive(Debug)]
pub(super) struct Writing<P> {
    store: Store,
    sent: Option<InFlightWrite<P>>,
}

#[derive(Debug)]
struct InFlightWrite<P> {
    in_flight: InFlight<AlignedBuf, Write>,
    pos: P,
}

/// An accepted write that failed.
#[derive(Debug)]
pub(super) struct FailedWrite<P> {
    pub(super) cause: Cause,
    /// The position of the first byte that was not written.
    pub(super) pos: P,
    /// Number of accepted bytes from there on, which are given up.
    pub(super) len: usize,
}

impl<P: Position> Writing<P> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            store: Store::new(limit),
            sent: None,
        }
    }

    /// Returns whether a write is in flight, or its outcome was not taken.
    pub(super) fn is_pending(&self) -> bool {
        self.sent.is_some()
    }

    /// Waits for the accepted write. Returns a failure once.
    pub(super) fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FailedWrite<P>>> {
        let Some(sent) = &mut self.sent else {
            return Poll::Ready(Ok(()));
        };
        let ended = ready!(Pin::new(&mut sent.in_flight).poll(cx));
        let pos = sent.pos;
        self.sent = None;
        let (good, cause) = self.end(ended);
        Poll::Ready(match cause {
            None => Ok(()),
            Some((cause, len)) => Err(FailedWrite {
                cause,
                pos: pos.advance(good).unwrap_or(pos),
                len,
            }),
        })
    }

    /// Copies and sends the first of `bytes`, of which there is at least one. Returns their number.
    /// No write is in flight.
    ///
    /// # Errors
    /// `OutOfMemory`, or the error that the object completed the write with at once, if it took no
    /// byte.
    pub(super) fn accept<Io>(&mut self, io: &Io, pos: P, bytes: &[u8]) -> Result<usize, Cause>
    where
        Io: PacketIo<Write, P> + ?Sized,
    {
        debug_assert!(!self.is_pending(), "one write at a time");
        let len = self.store.clip(bytes.len());
        let mut packet = self.store.take(len)?;
        packet.buffer_mut()[..len].copy_from_slice(&bytes[..len]);
        let (in_flight, view) = packet.start_prefix(len);
        io.send_io(pos, view);
        match in_flight.try_end() {
            // The bytes written are the bytes accepted; the error comes again with the rest, or has
            // passed.
            Ok(ended) => match self.end_at_once(ended) {
                (0, Some((cause, _))) => Err(cause),
                (good, _) => Ok(good),
            },
            Err(in_flight) => {
                self.sent = Some(InFlightWrite { in_flight, pos });
                Ok(len)
            }
        }
    }

    fn end_at_once(&mut self, ended: Ended<AlignedBuf>) -> (usize, Option<(Cause, usize)>) {
        budget::charge();
        self.end(ended)
    }

    /// Returns the number of bytes written from the start and, if not all were, the cause and the
    /// number of those left.
    fn end(&mut self, ended: Ended<AlignedBuf>) -> (usize, Option<(Cause, usize)>) {
        let Ended { packet, outcome } = ended;
        self.store.put(packet);
        let good = outcome.good_prefix();
        let left = outcome.len() - good;
        (good, outcome.first_error().map(|cause| (cause, left)))
    }
}
