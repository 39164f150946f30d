//! The syncs of a cursor: at most one in flight, whose failure is known to the cursor even if its
//! future was dropped.
//!
//! A system reports that data was lost by the failure of one sync: the next one may succeed. So a
//! failure is reported to all calls that wait for a sync at that time, since their data may be
//! among what was lost; if there are none, to the next sync or flush.

use crate::control::{ControlIo, ControlOp};
use crate::error::{Cause, Result};
use crate::io::IoObject;
use crate::traits::{SentControl, control_failure};
use core::task::{Context, Poll, ready};

/// The sync in flight, and the failures so far.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    in_flight: Option<(ControlOp, SentControl)>,
    /// Number of syncs that were sent.
    sent: u64,
    /// The last failure.
    failed: Option<(ControlOp, Cause)>,
    /// Number of failures.
    failures: u64,
    /// Number of failures that were reported.
    reported: u64,
}

/// A call that waits for a sync of its own.
#[derive(Debug, Default)]
pub(super) struct SyncCall {
    /// Number of failures that were reported before this call.
    before: Option<u64>,
    /// The number of its sync, once that was sent.
    number: Option<u64>,
}

impl SyncCall {
    pub(super) fn is_sent(&self) -> bool {
        self.number.is_some()
    }
}

impl Syncs {
    /// Returns whether a sync is in flight, or a failure was not reported.
    #[cfg(feature = "std")]
    pub(super) fn is_pending(&self) -> bool {
        self.in_flight.is_some() || self.failures > self.reported
    }

    /// Waits for the sync in flight, sends that of `call`, and waits for it.
    pub(super) fn poll<Io>(
        &mut self,
        io: &Io,
        cx: &mut Context<'_>,
        op: ControlOp,
        call: &mut SyncCall,
    ) -> Poll<Result<()>>
    where
        Io: ControlIo + ?Sized,
    {
        let before = *call.before.get_or_insert(self.reported);
        loop {
            // Once a later sync was sent, the own one has ended.
            if call.number.is_none_or(|number| number == self.sent) {
                ready!(self.poll_end(io, cx));
            }
            self.report(io, before)?;
            if call.is_sent() {
                return Poll::Ready(Ok(()));
            }
            let sent = SentControl::send(io, op, SentControl::NO_ANSWER);
            self.in_flight = Some((op, sent.map_err(|cause| control_failure(io, op, cause))?));
            self.sent += 1;
            call.number = Some(self.sent);
        }
    }

    /// Takes the end of the sync in flight, if it has ended.
    ///
    /// # Errors
    /// A failure that was not reported.
    pub(super) fn look<Io>(&mut self, io: &Io, cx: &mut Context<'_>) -> Result<()>
    where
        Io: IoObject + ?Sized,
    {
        let _ended_or_not = self.poll_end(io, cx);
        self.report(io, self.reported)
    }

    /// Waits until no sync is in flight.
    fn poll_end<Io>(&mut self, io: &Io, cx: &mut Context<'_>) -> Poll<()>
    where
        Io: IoObject + ?Sized,
    {
        if let Some((op, sent)) = &mut self.in_flight {
            let op = *op;
            let ended = ready!(sent.poll(io, cx, SentControl::NO_ANSWER, |_| ()));
            self.in_flight = None;
            self.note(op, ended);
        }
        Poll::Ready(())
    }

    /// Takes note of a sync that has ended without being in flight.
    ///
    /// # Errors
    /// Its failure.
    #[cfg(feature = "std")]
    pub(super) fn end<Io>(&mut self, io: &Io, op: ControlOp, ended: Result<(), Cause>) -> Result<()>
    where
        Io: IoObject + ?Sized,
    {
        self.note(op, ended);
        self.report(io, self.reported)
    }

    fn note(&mut self, op: ControlOp, ended: Result<(), Cause>) {
        if let Err(cause) = ended {
            self.failed = Some((op, cause));
            self.failures += 1;
        }
    }

    /// Fails if there were more than `before` failures.
    fn report<Io: IoObject + ?Sized>(&mut self, io: &Io, before: u64) -> Result<()> {
        match self.failed {
            Some((op, cause)) if self.failures > before => {
                self.reported = self.failures;
                Err(control_failure(io, op, cause))
            }
            _ => Ok(()),
        }
    }
}
