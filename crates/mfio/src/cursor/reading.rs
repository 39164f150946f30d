//! The reading half of a cursor: at most one read on its way, and bytes that nobody has taken yet.

use super::store::Store;
use crate::error::{Cause, ErrorKind};
use crate::io::{PacketIo, Position, Read};
use crate::packet::{AlignedBuf, Ended, InFlight, Packet};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// See the module.
#[derive(Debug)]
pub(super) struct Reading {
    store: Store,
    stage: Stage,
    /// What went wrong behind the bytes that came: for the read that follows them.
    failed: Option<Cause>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Sent(InFlight<AlignedBuf, Read>),
    /// The bytes from `at` to `end` are to be given out; there are some.
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
            stage: Stage::Idle,
            failed: None,
        }
    }

    /// The bytes that came and were not given out.
    pub(super) fn held(&self) -> &[u8] {
        match &self.stage {
            Stage::Held { packet, at, end } => &packet.buffer()[*at..*end],
            _ => &[],
        }
    }

    /// Whether bytes, or their outcome, may be here or on their way: a read of the object would overtake them.
    #[cfg(feature = "std")]
    pub(super) fn is_pending(&self) -> bool {
        self.failed.is_some() || !matches!(self.stage, Stage::Idle)
    }

    /// Waits until there are [held](Self::held) bytes; none: the data ends. Asks `io` for up to `want` bytes, which are
    /// not zero, unless that was done before.
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
        if let Stage::Idle = self.stage {
            if let Some(cause) = self.failed.take() {
                return Poll::Ready(Err(cause));
            }
            let len = self.store.clip(want);
            let (in_flight, view) = self.store.take(len)?.start_prefix(len);
            io.send_io(pos, view);
            self.stage = Stage::Sent(in_flight);
        }
        if let Stage::Sent(in_flight) = &mut self.stage {
            let ended = ready!(Pin::new(in_flight).poll(cx));
            return Poll::Ready(self.end(ended));
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in what a read has brought.
    fn end(&mut self, Ended { packet, outcome }: Ended<AlignedBuf>) -> Result<(), Cause> {
        let end = outcome.good_prefix();
        self.stage = Stage::Idle;
        if end != 0 {
            self.stage = Stage::Held { packet, at: 0, end };
            self.note(outcome.first_error());
            return Ok(());
        }
        self.store.put(packet);
        match outcome.first_error() {
            Some(cause) if cause.kind() != ErrorKind::UnexpectedEof => Err(cause),
            _ => Ok(()),
        }
    }

    /// Remembers what ended a read that brought bytes, where the next one could miss it. Asking again tells of the end of
    /// the data, and "that is all there is now" is no failure.
    pub(super) fn note(&mut self, cause: Option<Cause>) {
        self.failed = cause.filter(|cause| {
            !matches!(
                cause.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::WouldBlock | ErrorKind::Interrupted
            )
        });
    }

    /// Gives out the first of the held bytes: `taken` of them.
    pub(super) fn consume(&mut self, taken: usize) {
        if let Stage::Held { at, end, .. } = &mut self.stage {
            *at = (*at + taken).min(*end);
            if at == end
                && let Stage::Held { packet, .. } = core::mem::replace(&mut self.stage, Stage::Idle)
            {
                self.store.put(packet);
            }
        }
    }

    /// Forgets what was read ahead: the position goes elsewhere. A read on its way is let go.
    pub(super) fn discard(&mut self) {
        self.failed = None;
        if let Stage::Held { packet, .. } = core::mem::replace(&mut self.stage, Stage::Idle) {
            self.store.put(packet);
        }
    }
}

/// Copies the first of `held` bytes to `into`, and says how many.
pub(super) fn copy(held: &[u8], into: &mut [u8]) -> usize {
    let n = held.len().min(into.len());
    into[..n].copy_from_slice(&held[..n]);
    n
}
