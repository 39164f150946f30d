//! The reading half of a cursor: at most one read in flight, and bytes that were not given out yet.

use super::store::Store;
use crate::error::{Cause, ErrorKind};
use crate::io::{PacketIo, Position, Read};
use crate::packet::{AlignedBuf, Ended, InFlight, Packet};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// A read in flight, or its bytes.
#[derive(Debug)]
pub(super) struct Reading {
    store: Store,
    state: ReadState,
    /// The error behind the bytes that came, for the read that follows them.
    failed: Option<Cause>,
}

#[derive(Debug)]
enum ReadState {
    Idle,
    Sent(InFlight<AlignedBuf, Read>),
    /// The bytes from `at` to `end`, at least one, are to be given out.
    Held {
        packet: Packet<AlignedBuf>,
        at: usize,
        end: usize,
    },
}

impl Reading {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            store: Store::new(limit),
            state: ReadState::Idle,
            failed: None,
        }
    }

    /// Returns the bytes that came and were not given out.
    pub(super) fn held(&self) -> &[u8] {
        match &self.state {
            ReadState::Held { packet, at, end } => &packet.buffer()[*at..*end],
            _ => &[],
        }
    }

    /// Returns whether bytes, or an error, are held or in flight: a read of the object would
    /// overtake them.
    #[cfg(feature = "std")]
    pub(super) fn is_pending(&self) -> bool {
        self.failed.is_some() || !matches!(self.state, ReadState::Idle)
    }

    /// Waits until there are [held](Self::held) bytes; none at the end of the data. Sends a read of
    /// up to `want` bytes, at least one, unless one is in flight.
    pub(super) fn poll_fill<P, Io>(
        &mut self,
        io: &Io,
        pos: P,
        want: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Cause>>
    where
        P: Position,
        Io: PacketIo<Read, P> + ?Sized,
    {
        if let ReadState::Idle = self.state {
            if let Some(cause) = self.failed.take() {
                return Poll::Ready(Err(cause));
            }
            let len = self.store.clip(want);
            let (in_flight, view) = self.store.take(len)?.start_prefix(len);
            io.send_io(pos, view);
            self.state = ReadState::Sent(in_flight);
        }
        if let ReadState::Sent(in_flight) = &mut self.state {
            let ended = ready!(Pin::new(in_flight).poll(cx));
            return Poll::Ready(self.end(ended));
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the bytes of a read that has ended.
    fn end(&mut self, Ended { packet, outcome }: Ended<AlignedBuf>) -> Result<(), Cause> {
        let end = outcome.good_prefix();
        self.state = ReadState::Idle;
        if end != 0 {
            self.state = ReadState::Held { packet, at: 0, end };
            self.note(outcome.first_error());
            return Ok(());
        }
        self.store.put(packet);
        match outcome.first_error() {
            Some(cause) if cause.kind() != ErrorKind::UnexpectedEof => Err(cause),
            _ => Ok(()),
        }
    }

    /// Remembers the error that ended a read which brought bytes, unless the next read meets it
    /// again: the end of the data does not move, and "no more bytes now" is no failure.
    pub(super) fn note(&mut self, cause: Option<Cause>) {
        self.failed = cause.filter(|cause| {
            !matches!(
                cause.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::WouldBlock | ErrorKind::Interrupted
            )
        });
    }

    /// Removes the first `taken` of the held bytes.
    pub(super) fn consume(&mut self, taken: usize) {
        if let ReadState::Held { at, end, .. } = &mut self.state {
            *at = (*at + taken).min(*end);
            if at == end
                && let ReadState::Held { packet, .. } =
                    core::mem::replace(&mut self.state, ReadState::Idle)
            {
                self.store.put(packet);
            }
        }
    }

    /// Discards held bytes, since the position changes. Detaches a read in flight.
    pub(super) fn discard(&mut self) {
        self.failed = None;
        if let ReadState::Held { packet, .. } = core::mem::replace(&mut self.state, ReadState::Idle)
        {
            self.store.put(packet);
        }
    }
}

/// Copies the first of `held` bytes to `into`. Returns their number.
pub(super) fn copy(held: &[u8], into: &mut [u8]) -> usize {
    let n = held.len().min(into.len());
    into[..n].copy_from_slice(&held[..n]);
    n
}
