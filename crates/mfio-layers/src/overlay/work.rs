//! The writes of an [`Overlay`](super::Overlay), and what it does when the objects below have answered.

use super::state::{PendingWrite, Step, by_granule};
use super::{Core, Objects};
use crate::steps::{OnPanic, Steps};
use alloc::sync::Arc;
use core::ops::Range;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, OnEnd, Outcome, Relay, View};

/// What unbuffered I/O asks of memory, nearly always.
const ALIGNMENT: usize = 512;

/// Whole granules on their way to the top.
pub(super) struct Whole<B, T, P> {
    core: Arc<Core<B, T, P>>,
    granules: Range<u64>,
}

/// A granule that is brought from the base and, with a part of it overwritten, stored in the top.
pub(super) struct Part<B, T, P> {
    core: Arc<Core<B, T, P>>,
    granule: u64,
    pos: P,
    write: PendingWrite,
    /// Whether it has come from the base.
    fetched: bool,
}

impl<B, T, P> Core<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sees to a write that lies within the extent.
    pub(super) fn write(self: &Arc<Self>, objects: &Objects<B, T>, write: PendingWrite) {
        let mut next = Some(write);
        while let Some(write) = next {
            let (step, rest) = self.state.lock().plan(self.extent, write);
            next = rest;
            match step {
                Step::Through(write) => match P::from_u64(write.at) {
                    Some(pos) => objects.top.send_io(pos, write.view),
                    None => write.view.fail(ErrorKind::UnexpectedEof),
                },
                Step::Whole(granules, view) => self.store(objects, granules, view),
                Step::Part(granule, write, buffer) => self.fetch(objects, granule, write, buffer),
                Step::Queued => {}
            }
        }
    }

    fn store(self: &Arc<Self>, objects: &Objects<B, T>, granules: Range<u64>, view: View<Write>) {
        let Some(pos) = P::from_u64(self.extent.start(granules.start)) else {
            self.settle(granules.start, core::iter::empty());
            view.fail(ErrorKind::UnexpectedEof);
            return self.drain();
        };
        let core = self.clone();
        let relay = self.wholes.relay(view, Whole { core, granules });
        objects.top.send_io(pos, relay.send());
    }

    fn fetch(
        self: &Arc<Self>,
        objects: &Objects<B, T>,
        granule: u64,
        write: PendingWrite,
        buffer: Option<AlignedBuf>,
    ) {
        let size = 1 << self.extent.shift;
        let allocate = || {
            let wanted = objects.base.alignment().and(objects.top.alignment());
            AlignedBuf::try_with_alignment(size, ALIGNMENT.min(size).max(wanted.memory()))
        };
        let start = P::from_u64(self.extent.start(granule));
        // An object that panics when it is asked what it wants leaves the granule as it was.
        let begun = OnPanic(|| {
            self.state.lock().give_back(None);
            self.settle(granule, core::iter::empty());
            self.drain();
        });
        let buffer = buffer.map_or_else(allocate, Ok);
        core::mem::forget(begun);
        let (buffer, pos) = match (buffer, start) {
            (Ok(buffer), Some(pos)) => (buffer, pos),
            (Err(cause), _) => return self.give_up(granule, write.view, None, cause),
            (Ok(buffer), None) => {
                let cause = Cause::new(ErrorKind::UnexpectedEof);
                return self.give_up(granule, write.view, Some(buffer), cause);
            }
        };
        let part = Part {
            core: self.clone(),
            granule,
            pos,
            write,
            fetched: false,
        };
        let relay = self.parts.relay(buffer, part);
        objects
            .base
            .send_io(pos, relay.send_prefix(self.extent.size(granule)));
    }

    /// Ends a partial write that came to nothing; the granule is as it was.
    #[cold]
    fn give_up(
        self: &Arc<Self>,
        granule: u64,
        view: View<Write>,
        buffer: Option<AlignedBuf>,
        cause: Cause,
    ) {
        self.state.lock().give_back(buffer);
        self.settle(granule, core::iter::empty());
        view.fail(cause);
        self.drain();
    }

    fn settle(&self, first: u64, stored: impl Iterator<Item = Range<u64>>) {
        self.state.lock().settle(first, stored);
    }

    /// Sees to those who waited, as long as there are any. Who comes here meanwhile, within a call of this very function
    /// too, leaves them to it, so that calls do not nest with the number of those who wait. Where
    /// the layer has gone they fail.
    fn drain(self: &Arc<Self>) {
        if !self.state.lock().begin_draining() {
            return;
        }
        let left = OnPanic(|| while self.drop_next() {});
        let mut steps = Steps::default();
        let objects = self.objects.upgrade();
        loop {
            let next = self.state.lock().next();
            match (next, &objects) {
                (Some(write), Some(objects)) => steps.run(|| self.write(objects, write)),
                (Some(write), None) => drop(write),
                (None, _) => break,
            }
        }
        core::mem::forget(left);
        steps.over();
    }

    fn drop_next(&self) -> bool {
        // Dropped when the lock is released.
        let next = self.state.lock().next();
        next.is_some()
    }
}

impl<B, T, P> OnEnd<View<Write>> for Whole<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    fn on_end(relay: Relay<View<Write>, Self>, outcome: Outcome) {
        let core = relay.state().core.clone();
        let (view, Self { granules, .. }) = core.wholes.reclaim(relay);
        if outcome.is_success() {
            core.settle(granules.start, core::iter::once(granules));
            view.done();
        } else {
            core.settle_failed(granules, view, &outcome);
        }
        core.drain();
    }
}

impl<B, T, P> Core<B, T, P> {
    /// Ends a write of whole granules some of which failed, and with each all of its bytes.
    #[cold]
    fn settle_failed(&self, granules: Range<u64>, view: View<Write>, outcome: &Outcome) {
        let failures = outcome.failures().map(|failed| {
            let start = failed.offset as u64;
            (start..start + failed.len as u64, failed.cause)
        });
        let first = granules.start;
        let runs = by_granule(granules, self.extent.shift, failures);
        let stored = runs.iter().filter(|(_, result)| result.is_ok());
        self.state
            .lock()
            .settle(first, stored.map(|(granules, _)| granules.clone()));
        let mut rest = view;
        for (granules, result) in runs {
            let bytes = self.extent.bytes(&granules);
            let (part, tail) = rest.split_at((bytes.end - bytes.start) as usize);
            match result {
                Ok(()) => part.done(),
                Err(cause) => part.fail(cause),
            }
            rest = tail;
        }
        rest.done();
    }
}

impl<B, T, P> OnEnd<AlignedBuf> for Part<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    fn on_end(mut relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let core = relay.state().core.clone();
        match (relay.state().fetched, Self::missing(&mut relay, &outcome)) {
            (false, None) => Self::store(&core, relay),
            (true, None) => {
                let (buffer, part) = core.parts.reclaim(relay);
                let mut state = core.state.lock();
                state.give_back(Some(buffer));
                state.settle(
                    part.granule,
                    core::iter::once(part.granule..part.granule + 1),
                );
                drop(state);
                part.write.view.done();
                core.drain();
            }
            (_, Some(cause)) => {
                let (buffer, part) = core.parts.reclaim(relay);
                core.give_up(part.granule, part.write.view, Some(buffer), cause);
            }
        }
    }
}

impl<B, T, P> Part<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Which bytes of the granule are overwritten.
    fn bytes(&self) -> Range<usize> {
        let start = (self.write.at - self.core.extent.start(self.granule)) as usize;
        start..start + self.write.view.len()
    }

    /// Why something is missing that is needed: of what comes from the base, all that is not overwritten. Zeros come from
    /// behind its end.
    fn missing(relay: &mut Relay<AlignedBuf, Self>, outcome: &Outcome) -> Option<Cause> {
        if outcome.is_success() {
            return None;
        }
        if relay.state().fetched {
            return outcome.first_error();
        }
        let Self { core, granule, .. } = relay.state();
        let end = core.end_of_base(core.extent.start(*granule), outcome);
        let bytes = relay.state().bytes();
        let mut missing = None;
        for failed in outcome.failures() {
            let behind = failed.offset + failed.len;
            let given_up = match failed.cause.kind() {
                ErrorKind::UnexpectedEof => end.clamp(failed.offset, behind),
                _ => behind,
            };
            relay.buffer_mut()[given_up..behind].fill(0);
            let needed = failed.offset < bytes.start || given_up > bytes.end;
            if failed.offset < given_up && needed && missing.is_none() {
                missing = Some(failed.cause);
            }
        }
        missing
    }

    /// Overwrites a part of the granule that has come from the base, and stores it.
    fn store(core: &Arc<Core<B, T, P>>, relay: Relay<AlignedBuf, Self>) {
        let (mut buffer, mut part) = core.parts.reclaim(relay);
        let Some(objects) = core.objects.upgrade() else {
            let cause = Cause::new(ErrorKind::Dropped);
            return core.give_up(part.granule, part.write.view, Some(buffer), cause);
        };
        buffer[part.bytes()].copy_from_slice(part.write.view.bytes());
        part.fetched = true;
        let (granule, pos) = (part.granule, part.pos);
        let relay = core.parts.relay(buffer, part);
        let len = core.extent.size(granule);
        objects.top.send_io(pos, relay.send_prefix(len));
    }
}
