//! The writes of an [`Overlay`](super::Overlay).

use super::shared::{CopyUp, Objects, OverlayShared, WholeWrite};
use super::state::{PendingWrite, Side, Step, by_granule};
use crate::alignment::needed_failure;
use crate::sent::{self, Sent, SentPool};
use crate::steps::{OnPanic, Steps};
use alloc::sync::Arc;
use core::ops::Range;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, Operation, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Outcome, View};

/// Alignment of memory in bytes that suits unbuffered I/O nearly always.
const ALIGNMENT: usize = 512;

impl<B, T, P> OverlayShared<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sends a write that lies within the extent, part by part.
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
                Step::CopyUp(granule, side, write, buffer) => {
                    self.fetch(objects, (granule, side), write, buffer);
                }
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
        let relay = sent::relay(self, view, WholeWrite { granules });
        objects.top.send_io(pos, relay.start());
    }

    fn fetch(
        self: &Arc<Self>,
        objects: &Objects<B, T>,
        (granule, side): (u64, Side),
        write: PendingWrite,
        buffer: Option<AlignedBuf>,
    ) {
        let size = 1 << self.extent.shift;
        let allocate = || {
            let Objects { base, top } = objects;
            let wanted = base
                .alignment(Operation::Read)
                .and(top.alignment(Operation::Write));
            AlignedBuf::try_with_alignment(size, ALIGNMENT.min(size).max(wanted.memory()))
        };
        let start = P::from_u64(self.extent.start(granule));
        // Where `alignment` of an object panics, the granule stays as it was.
        let unsent = OnPanic(|| {
            self.state.lock().return_buffer(None);
            self.settle(granule, core::iter::empty());
            self.drain();
        });
        let buffer = buffer.map_or_else(allocate, Ok);
        core::mem::forget(unsent);
        let (mut buffer, pos) = match (buffer, start) {
            (Ok(buffer), Some(pos)) => (buffer, pos),
            (Err(cause), _) => return self.give_up(granule, write.view, None, cause),
            (Ok(buffer), None) => {
                let cause = Cause::new(ErrorKind::UnexpectedEof);
                return self.give_up(granule, write.view, Some(buffer), cause);
            }
        };
        let copy = CopyUp {
            granule,
            pos,
            write,
            fetched: false,
        };
        if side == Side::Zero {
            buffer.fill(0);
            return copy.store(self, buffer);
        }
        let relay = sent::relay(self, buffer, copy);
        objects
            .base
            .send_io(pos, relay.start_prefix(self.extent.size(granule)));
    }

    /// Fails a partial write, which leaves the granule as it was.
    #[cold]
    fn give_up(
        self: &Arc<Self>,
        granule: u64,
        view: View<Write>,
        buffer: Option<AlignedBuf>,
        cause: Cause,
    ) {
        self.state.lock().return_buffer(buffer);
        self.settle(granule, core::iter::empty());
        view.fail(cause);
        self.drain();
    }

    fn settle(&self, first: u64, stored: impl Iterator<Item = Range<u64>>) {
        self.state.lock().settle(first, stored);
    }

    /// Sends the writes that need not wait any longer. One loop at a time does so: calls during it,
    /// from within it too, leave their writes to it, so that calls do not nest. Where the layer is
    /// dropped the writes fail.
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
        // Drops the write without the lock.
        let next = self.state.lock().next();
        next.is_some()
    }
}

impl<B, T, P> Sent<View<Write>, OverlayShared<B, T, P>> for WholeWrite
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(
        shared: &OverlayShared<B, T, P>,
    ) -> &SentPool<View<Write>, OverlayShared<B, T, P>, Self> {
        &shared.wholes
    }

    fn ended(self, shared: Arc<OverlayShared<B, T, P>>, view: View<Write>, outcome: Outcome) {
        let Self { granules } = self;
        if outcome.is_success() {
            shared.settle(granules.start, core::iter::once(granules));
            view.done();
        } else {
            shared.settle_failed(granules, view, &outcome);
        }
        shared.drain();
    }
}

impl<B, T, P> OverlayShared<B, T, P> {
    /// Ends a write of whole granules that failed in part: a granule with a failed byte fails
    /// whole.
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

impl<B, T, P> Sent<AlignedBuf, OverlayShared<B, T, P>> for CopyUp<P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(
        shared: &OverlayShared<B, T, P>,
    ) -> &SentPool<AlignedBuf, OverlayShared<B, T, P>, Self> {
        &shared.copies
    }

    fn ended(self, shared: Arc<OverlayShared<B, T, P>>, mut buffer: AlignedBuf, outcome: Outcome) {
        match self.missing(&shared, &mut buffer, &outcome) {
            None if !self.fetched => self.store(&shared, buffer),
            None => {
                let mut state = shared.state.lock();
                state.return_buffer(Some(buffer));
                let stored = self.granule..self.granule + 1;
                state.settle(self.granule, core::iter::once(stored));
                drop(state);
                self.write.view.done();
                shared.drain();
            }
            Some(cause) => shared.give_up(self.granule, self.write.view, Some(buffer), cause),
        }
    }
}

impl<P: Address> CopyUp<P> {
    /// Returns the range of the granule that is overwritten.
    fn bytes<B, T>(&self, shared: &OverlayShared<B, T, P>) -> Range<usize> {
        let start = (self.write.at - shared.extent.start(self.granule)) as usize;
        start..start + self.write.view.len()
    }

    /// Returns the cause that a needed byte failed with. Of the granule in the base all bytes are
    /// needed that are not overwritten. Fills in zeros behind the end of the base.
    fn missing<B, T>(
        &self,
        shared: &OverlayShared<B, T, P>,
        buffer: &mut [u8],
        outcome: &Outcome,
    ) -> Option<Cause> {
        if outcome.is_success() {
            return None;
        }
        if self.fetched {
            return outcome.first_error();
        }
        let end = shared.end_of_base(shared.extent.start(self.granule), outcome);
        needed_failure(buffer, outcome, end, &self.bytes(shared))
    }

    /// Overwrites a part of the granule that was read from the base, and stores it in the top.
    fn store<B, T>(mut self, shared: &Arc<OverlayShared<B, T, P>>, mut buffer: AlignedBuf)
    where
        B: PacketIo<Read, P> + Send + Sync + 'static,
        T: PacketIo<Write, P> + Send + Sync + 'static,
    {
        let Some(objects) = shared.objects.upgrade() else {
            let cause = Cause::new(ErrorKind::Dropped);
            return shared.give_up(self.granule, self.write.view, Some(buffer), cause);
        };
        buffer[self.bytes(shared)].copy_from_slice(self.write.view.bytes());
        self.fetched = true;
        let (pos, len) = (self.pos, shared.extent.size(self.granule));
        let relay = sent::relay(shared, buffer, self);
        objects.top.send_io(pos, relay.start_prefix(len));
    }
}
