//! [`Gather`]: control operations that go to several objects, and end when all have ended them.
//!
//! Each part of an operation has bytes of its own, in memory of the layer. At the end the answers
//! are combined in the view of the operation, and the memory is kept for the next one.

use crate::sent::{self, Sent, SentPool};
use crate::translate::Translated;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::{fmt, iter};
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Span};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Operation, Read};
use mfio::lock::Lock;
use mfio::packet::{Outcome, RelayPool, View};

/// Number of operations whose memory is kept.
const KEPT: usize = 16;

/// Upper bounds on the memory that is kept of one operation: bytes of answers, and parts.
const KEPT_BYTES: usize = 1 << 16;
const KEPT_PARTS: usize = 1 << 12;

/// A part of an operation.
pub(crate) struct MemberOp {
    /// The index of the object that carries it out.
    pub(crate) member: usize,
    pub(crate) op: ControlOp,
    /// The extent that was looked at last: its number, its end and its kind.
    extent: usize,
    end: u64,
    kind: ExtentKind,
}

impl MemberOp {
    pub(crate) fn new(member: usize, op: ControlOp) -> Self {
        let span = op.span().unwrap_or_default();
        Self {
            member,
            op,
            extent: 0,
            end: span.start(),
            kind: ExtentKind::Data,
        }
    }

    /// Returns the range, in the object.
    pub(crate) fn span(&self) -> Span {
        self.op.span().unwrap_or_default()
    }
}

/// Makes one result of those of all parts.
pub(crate) trait Combine: Send + Sync + Sized + 'static {
    /// Writes the answer, and returns the result.
    fn combine(&mut self, ended: &mut Ended<'_>, answer: &mut Answer<'_>) -> Result<(), Cause>;

    /// Goes on after the operation has ended.
    fn over(self) {}
}

/// The parts of an operation, all of which have ended.
pub(crate) struct Ended<'a> {
    pub(crate) parts: &'a mut [MemberOp],
    bytes: &'a mut [u8],
    /// Number of bytes for the answer of each part.
    each: usize,
    outcome: &'a Outcome,
}

impl Ended<'_> {
    /// Succeeds if all parts did. Fails with the cause of the first that failed.
    pub(crate) fn all(&self) -> Result<(), Cause> {
        self.outcome.first_error().map_or(Ok(()), Err)
    }

    /// Returns the cause that a part failed with, if it did.
    pub(crate) fn failure(&self, index: usize) -> Option<Cause> {
        let at = index * self.each;
        self.outcome.part(at..at + self.each).first_error()
    }

    /// Returns the objects that failed, each with the cause.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (usize, Cause)> {
        let parts = self.parts.iter().enumerate();
        parts.filter_map(|(index, part)| Some((part.member, self.failure(index)?)))
    }

    /// Returns how many extents an answer has room for.
    pub(crate) fn room(&self) -> usize {
        self.each / Answer::EXTENT
    }

    /// Returns the answer of a part that is a length.
    pub(crate) fn len(&mut self, index: usize) -> Result<u64, Cause> {
        let at = index * self.each;
        let answer = Answer::new(&mut self.bytes[at..at + self.each]).read_len();
        answer.ok_or(ErrorKind::InvalidData.into())
    }

    /// Returns the end and the kind of the extent that holds the byte at `at` of the object, by the
    /// answer of a part. Positions ascend. `None` where the answer ends.
    pub(crate) fn extent(&mut self, index: usize, at: u64) -> Option<(u64, ExtentKind)> {
        let part = &mut self.parts[index];
        while part.end <= at {
            let next = part.extent * Answer::EXTENT;
            if next + Answer::EXTENT > self.each {
                return None;
            }
            let record = index * self.each + next;
            let record = &mut self.bytes[record..record + Answer::EXTENT];
            let extent = Answer::new(record).read_extents(part.end..).next()?;
            part.extent += 1;
            part.end = extent.span.until(part.span().end()).end();
            part.kind = extent.kind;
        }
        Some((part.end, part.kind))
    }

    /// Returns the extents of the answer of a part.
    pub(crate) fn extents(&mut self, index: usize) -> impl Iterator<Item = (u64, ExtentKind)> {
        let MemberOp { member, op, .. } = self.parts[index];
        self.parts[index] = MemberOp::new(member, op);
        let mut at = self.parts[index].end;
        iter::from_fn(move || {
            let (end, kind) = self.extent(index, at)?;
            let start = core::mem::replace(&mut at, end);
            Some((end - start, kind))
        })
    }
}

/// The operations of a layer that are under way, and memory for more.
pub(crate) struct Gather<C> {
    sent: SentPool<Vec<u8>, Self, Gathering<C>>,
    idle: Lock<Vec<Scratch>>,
    /// The last failure, and the object that it is of.
    failed: Lock<Option<(usize, Cause)>>,
}

#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    parts: Vec<MemberOp>,
}

/// An operation that the objects have.
struct Gathering<C> {
    view: View<Read>,
    parts: Vec<MemberOp>,
    each: usize,
    rule: C,
}

impl<C> Gather<C> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            sent: RelayPool::new(KEPT),
            idle: Lock::new(Vec::new()),
            failed: Lock::new(None),
        })
    }

    /// Names the object that an operation failed at, if the last failure had this cause.
    pub(crate) fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let failed = *self.failed.lock();
        let (member, _) = failed.filter(|(_, last)| *last == cause)?;
        match operation {
            Operation::Control => Some(NAMES[member.min(NAMES.len() - 1)]),
            _ => None,
        }
    }
}

impl<C: Combine> Gather<C> {
    /// Sends the parts of an operation to the objects, all at once. Each answers as many bytes as
    /// the view has. A single part gets the view itself, and `rule` is not asked.
    pub(crate) fn send<'a, Io, I>(
        self: &Arc<Self>,
        view: View<Read>,
        rule: C,
        parts: impl Fn() -> I,
        object: impl Fn(usize) -> &'a Io,
    ) where
        Io: ControlIo + 'a,
        I: Iterator<Item = MemberOp>,
    {
        match single(&parts) {
            Some(Some(MemberOp { member, op, .. })) => object(member).send_control(op, view),
            Some(None) => Translated::end(view),
            None => {
                let Ok((memory, each)) = self.memory(&view, parts()) else {
                    return view.fail(ErrorKind::OutOfMemory);
                };
                let len = memory.parts.len() * each;
                let request = Gathering {
                    view,
                    parts: memory.parts,
                    each,
                    rule,
                };
                let relay = sent::relay(self, memory.bytes, request);
                let mut views = relay.start_prefix(len).splitter();
                for MemberOp { member, op, .. } in parts() {
                    object(member).send_control(op, views.take(each));
                }
                // Nothing is left of it.
                views.into_rest().done();
            }
        }
    }

    /// Returns memory for an operation with these parts, and the number of bytes of each.
    fn memory(
        &self,
        view: &View<Read>,
        parts: impl Iterator<Item = MemberOp>,
    ) -> Result<(Scratch, usize), ErrorKind> {
        let each = view.len();
        let mut memory = self.idle.lock().pop().unwrap_or_default();
        memory.parts.extend(parts);
        let len = memory.parts.len().checked_mul(each);
        let more = len.and_then(|len| len.checked_sub(memory.bytes.len()));
        if let (Some(len), Some(more)) = (len, more) {
            let room = memory.bytes.try_reserve_exact(more);
            room.map_err(|_| ErrorKind::OutOfMemory)?;
            memory.bytes.resize(len, 0);
        } else if len.is_none() {
            return Err(ErrorKind::OutOfMemory);
        }
        Ok((memory, each))
    }

    fn keep(&self, mut memory: Scratch) {
        memory.parts.clear();
        let fits = memory.bytes.len() <= KEPT_BYTES && memory.parts.capacity() <= KEPT_PARTS;
        let mut idle = self.idle.lock();
        if fits && idle.len() < KEPT {
            idle.push(memory);
        }
    }
}

/// Returns the only part of an operation; `Some(None)` if it has none, `None` if it has several.
#[expect(clippy::option_option, reason = "see above")]
pub(crate) fn single<I: Iterator<Item = MemberOp>>(
    parts: &impl Fn() -> I,
) -> Option<Option<MemberOp>> {
    let mut parts = parts();
    let first = parts.next();
    parts.next().is_none().then_some(first)
}

/// Returns the operations that all objects support.
pub(crate) fn common<'a, Io: ControlIo + 'a>(
    objects: impl Iterator<Item = &'a Io>,
) -> Capabilities {
    let every = ControlKind::ALL.iter().copied().collect();
    objects.fold(every, |all: Capabilities, object| {
        all.intersection(object.capabilities())
    })
}

impl<C: Combine> Sent<Vec<u8>, Gather<C>> for Gathering<C> {
    fn pool(shared: &Gather<C>) -> &SentPool<Vec<u8>, Gather<C>, Self> {
        &shared.sent
    }

    fn ended(self, shared: Arc<Gather<C>>, mut bytes: Vec<u8>, outcome: Outcome) {
        let Self {
            mut view,
            mut parts,
            each,
            mut rule,
        } = self;
        let mut ended = Ended {
            parts: &mut parts,
            bytes: &mut bytes,
            each,
            outcome: &outcome,
        };
        let result = rule.combine(&mut ended, &mut Answer::new(view.bytes_mut()));
        if result.is_err() {
            *shared.failed.lock() = ended.failures().next();
        }
        shared.keep(Scratch { bytes, parts });
        match result {
            Ok(()) => view.done(),
            Err(cause) => view.fail(cause),
        }
        rule.over();
    }
}

impl<C> fmt::Debug for Gather<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}

macro_rules! names {
    ($($number:literal)*) => {
        [$(concat!("the object that failed is number ", $number, ", counted from 0"),)*
            "the object that failed is number 16 or a later one, counted from 0"]
    };
}

/// Explanations of failures by the number of the object.
static NAMES: [&str; 17] = names!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
