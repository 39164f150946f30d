//! The layer: a virtual address space over a physical one.

use super::entry::{ENTRY, Level, Target, decode, index, span};
use super::walks::{Step, Walks};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Direction, IoObject, PacketIo, Read, Write};
use mfio::lock::Lock;
use mfio::packet::{OnEnd, Outcome, Relay, RelayPool, View};
use std::sync::{Arc, Weak};

/// The virtual addresses of x86-64 tables, at physical addresses of `physical`.
///
/// A request walks all its pages at the same time: of each table the entries that it needs are one
/// read, and all tables of a level are read side by side, as are those of other requests. So it
/// waits for four reads, not for four times as many as it has pages. Then what is in neighbouring
/// pages goes on as one view if it is neighbouring there, too.
///
/// Unmapped pages fail alone (`NotFound`), as do those that may not be written (`PermissionDenied`)
/// and entries that are not valid (`InvalidData`).
///
/// Whatever is in the tables, a walk goes four levels down and ends; each table is read into one of
/// a fixed number of buffers, and those for which there is none wait.
pub(crate) struct PageTables<Io> {
    physical: Arc<Io>,
    core: Arc<Core<Io>>,
}

/// Does not keep the physical memory: reads of tables that it has keep this.
pub(crate) struct Core<Io> {
    physical: Weak<Io>,
    root: u64,
    reads: Lane<Read, Io>,
    writes: Lane<Write, Io>,
}

/// The target of the bytes of an entry, or the cause that they fail with.
type Fate = Result<Target, Cause>;

/// The walks of one direction.
struct Lane<D: Direction, Io> {
    walks: Lock<Walks<D>>,
    relays: RelayPool<Box<[u8]>, Walk<D, Io>>,
}

impl<D: Direction, Io> Lane<D, Io> {
    fn new() -> Self {
        Self {
            walks: Lock::new(Walks::new()),
            relays: RelayPool::new(super::walks::AT_ONCE),
        }
    }
}

pub(crate) trait Way: Direction {
    fn walks<Io>(core: &Core<Io>) -> &Lock<Walks<Self>>;
    fn relays<Io>(core: &Core<Io>) -> &RelayPool<Box<[u8]>, Walk<Self, Io>>;
}

macro_rules! ways {
    ($($direction:ty, $lane:ident;)*) => {$(
        impl Way for $direction {
            fn walks<Io>(core: &Core<Io>) -> &Lock<Walks<Self>> {
                &core.$lane.walks
            }

            fn relays<Io>(core: &Core<Io>) -> &RelayPool<Box<[u8]>, Walk<Self, Io>> {
                &core.$lane.relays
            }
        }
    )*};
}
ways!(Read, reads; Write, writes;);

impl<Io> PageTables<Io> {
    /// With the table of level 4 at this physical address, as in the register CR3.
    pub(crate) fn new(physical: Io, root: u64) -> Self {
        let physical = Arc::new(physical);
        let core = Arc::new(Core {
            physical: Arc::downgrade(&physical),
            root,
            reads: Lane::new(),
            writes: Lane::new(),
        });
        Self { physical, core }
    }

    /// Returns the object with the pages and the tables.
    pub(crate) fn physical(&self) -> &Io {
        &self.physical
    }
}

impl<Io> IoObject for PageTables<Io> {}

impl<D, Io> PacketIo<D> for PageTables<Io>
where
    D: Way,
    Io: PacketIo<Read> + PacketIo<D> + Send + Sync + 'static,
{
    fn send_io(&self, at: u64, view: View<D>) {
        let mut rest = view;
        let mut at = u128::from(at);
        while !rest.is_empty() {
            let (end, canonical) = part_of(at);
            let room = usize::try_from(end - at).map_or(rest.len(), |room| room.min(rest.len()));
            let (part, tail) = rest.split_at(room);
            if canonical {
                let (table, at) = (self.core.root, at as u64);
                D::walks(&self.core).lock().push(Step {
                    table,
                    level: 4,
                    at,
                    view: part,
                });
            } else {
                part.fail(ErrorKind::InvalidInput);
            }
            at += room as u128;
            rest = tail;
        }
        rest.done();
        self.core.drain::<D>();
    }
}

/// The part of the address space that an address is in: where it ends, and whether addresses of 48
/// bits reach it.
fn part_of(at: u128) -> (u128, bool) {
    const HALF: u128 = 1 << 47;
    const ALL: u128 = 1 << 64;
    match at {
        ..HALF => (HALF, true),
        _ if at < ALL - HALF => (ALL - HALF, false),
        _ if at < ALL => (ALL, true),
        _ => (u128::MAX, false),
    }
}

/// Entries of a table on their way.
pub(crate) struct Walk<D: Direction, Io> {
    core: Arc<Core<Io>>,
    step: Step<D>,
}

impl<Io: PacketIo<Read> + Send + Sync + 'static> Core<Io> {
    /// Reads tables as long as there are some to be read, and buffers. Who comes here meanwhile,
    /// within a call of this very function too, leaves it to that, so that calls do not nest with
    /// the number of tables.
    fn drain<D: Way>(self: &Arc<Self>)
    where
        Io: PacketIo<D>,
    {
        if !D::walks(self).lock().begin_draining() {
            return;
        }
        let physical = self.physical.upgrade();
        loop {
            let next = D::walks(self).lock().next();
            let Some((step, buffer)) = next else {
                return;
            };
            let pos = step.table + (index(step.at, step.level) * ENTRY) as u64;
            let len = step.entries() * ENTRY;
            let walk = Walk {
                core: self.clone(),
                step,
            };
            let relay = D::relays(self).relay(buffer, walk);
            match &physical {
                Some(physical) => PacketIo::<Read>::send_io(physical, pos, relay.start_prefix(len)),
                // Its views fail, as all do that nobody ends.
                None => drop(relay),
            }
        }
    }
}

impl<D, Io> OnEnd<Box<[u8]>> for Walk<D, Io>
where
    D: Way,
    Io: PacketIo<Read> + PacketIo<D> + Send + Sync + 'static,
{
    fn on_end(relay: Relay<Box<[u8]>, Self>, outcome: Outcome) {
        let core = relay.state().core.clone();
        let (buffer, Self { step, .. }) = D::relays(&core).reclaim(relay);
        let buffer = core.resolve(step, buffer, &outcome);
        D::walks(&core).lock().return_buffer(buffer);
        core.drain::<D>();
    }
}

impl<Io: PacketIo<Read>> Core<Io> {
    /// Sees to the bytes of a step, whose entries were read. Gives the buffer back.
    fn resolve<D: Way>(&self, step: Step<D>, buffer: Box<[u8]>, outcome: &Outcome) -> Box<[u8]>
    where
        Io: PacketIo<D>,
    {
        let mut runs = Runs { step, run: None };
        for number in 0..runs.step.entries() {
            let Some((within, len)) = runs.entry() else {
                break;
            };
            let fate = match fate::<D>(&buffer, number, runs.step.level, outcome) {
                Ok(Target::Page(address)) => Ok(Target::Page(address + within)),
                fate => fate,
            };
            let before;
            (runs, before) = runs.take(fate, len);
            if let Some((fate, part)) = before {
                self.send::<D>(part, fate);
            }
        }
        if let Runs {
            step,
            run: Some(run),
        } = runs
        {
            self.send::<D>(step, run.fate);
        }
        buffer
    }

    /// Sees to bytes that go on together.
    fn send<D: Way>(&self, step: Step<D>, fate: Fate)
    where
        Io: PacketIo<D>,
    {
        match fate {
            Ok(Target::Page(address)) => match self.physical.upgrade() {
                Some(physical) => physical.send_io(address, step.view),
                None => step.view.fail(ErrorKind::Dropped),
            },
            Ok(Target::Table(table)) => D::walks(self).lock().push(Step {
                table,
                level: step.level - 1,
                ..step
            }),
            Err(cause) => step.view.fail(cause),
        }
    }
}

/// The walk through the bytes of a step.
struct Runs<D: Direction> {
    /// The rest of it.
    step: Step<D>,
    /// The first bytes of that, as far as their fate is known.
    run: Option<Run>,
}

/// Bytes of a request that are forwarded together.
struct Run {
    fate: Fate,
    len: usize,
}

impl<D: Direction> Runs<D> {
    /// Returns the offset of the next bytes in their entry, and how many there are.
    fn entry(&self) -> Option<(u64, usize)> {
        let known = self.run.as_ref().map_or(0, |run| run.len);
        let left = self.step.view.len() - known;
        let within = self.step.at.wrapping_add(known as u64) % span(self.step.level);
        let len = span(self.step.level) - within;
        let len = usize::try_from(len).map_or(left, |len| len.min(left));
        (len > 0).then_some((within, len))
    }

    /// Takes the next `len` bytes, which go on together with those before; otherwise those before
    /// are given back.
    fn take(mut self, fate: Fate, len: usize) -> (Self, Option<(Fate, Step<D>)>) {
        let next = Some(Run { fate, len });
        match &mut self.run {
            None => self.run = next,
            Some(run) if run.continued_by(fate) => run.len += len,
            Some(run) => {
                let before = run.fate;
                let (part, step) = self.step.split(run.len);
                return (Self { step, run: next }, Some((before, part)));
            }
        }
        (self, None)
    }
}

impl Run {
    fn continued_by(&self, fate: Fate) -> bool {
        match (self.fate, fate) {
            (Ok(Target::Page(before)), Ok(Target::Page(page))) => before + self.len as u64 == page,
            (Err(before), Err(cause)) => before == cause,
            _ => false,
        }
    }
}

/// Returns the fate of the bytes of an entry.
fn fate<D: Direction>(buffer: &[u8], number: usize, level: Level, outcome: &Outcome) -> Fate {
    let bytes = number * ENTRY..(number + 1) * ENTRY;
    let unread = |failed: &mfio::packet::FailedRange| {
        failed.offset < bytes.end && failed.offset + failed.len > bytes.start
    };
    if let Some(failed) = outcome.failures().find(unread) {
        return Err(failed.cause);
    }
    let (entries, _) = buffer.as_chunks::<ENTRY>();
    decode(u64::from_le_bytes(entries[number]), level, !D::READS)
}
