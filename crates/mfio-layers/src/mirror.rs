//! [`Mirror`]: several objects that hold the same bytes.

mod detour;
mod gate;
mod order;
mod replicas;
mod writes;

use crate::blocks;
use crate::directions::is_stream;
use crate::identity::{first_explanation, first_pool, identity_over_many, strictest};
use crate::len::MirrorLen;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use gate::Gate;
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Alignment, Exposed, Identity, PacketIo, Position, Read, Write};
use mfio::packet::{OnEnd, Outcome, PacketPool, Relay, RelayPool, View};
use mfio::traits::HasLen;
use replicas::{InOrder, Replicas};
use writes::{Parked, Writing};

pub use replicas::MAX_REPLICAS;

/// How many blocks of each direction are kept.
const KEPT: usize = 256;

/// When a [`Mirror`] calls a range written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WritePolicy {
    /// When every replica has it, stale ones included.
    #[default]
    All,
    /// When a replica has it that is not stale. Those that have not become stale.
    Any,
}

/// Several objects that hold the same bytes, as one.
///
/// **Reads** go to one replica, in turn: to choose so costs next to nothing, and equal replicas get equal shares. Of what
/// fails there only the failed ranges are read from the next one, and so on; a range fails when every replica that is not
/// stale has failed it, with the cause of the first that was asked. That holds for the end of the data too: a replica that
/// is too short does not cut what another one has.
///
/// **Writes** go to all replicas at once, from the same memory, and end when the last replica has ended. [`WritePolicy`] says
/// when a range is written; otherwise it fails with the cause of the first replica that failed it.
///
/// **A write that fails in part** leaves replicas that differ: those without failure have the new bytes, of the others the
/// old or the new ones, or some of both. So a replica that failed a range which another one has is marked as *stale*
/// before the write ends. Nothing is read from it any more, while writes still go there, until [`clear_stale`] says that
/// it was made whole again. A range that failed everywhere marks nobody: any of the bytes may be read until it is written
/// anew. There is always a replica that is not stale; what it fails is not outweighed by what a stale one has.
///
/// **Writes that overlap** follow each other, in the order in which they came: a later one is sent when the earlier ones have
/// ended on every replica. So replicas hold the same bytes, whatever is written at the same time. Up to a million wait; one more
/// fails with [`LimitReached`](ErrorKind::LimitReached). Writes that do not overlap do not wait for each other; writes to what
/// has no positions, or appends whatever they say, do. With one replica nothing waits. When the layer is dropped, what waits
/// fails with [`Dropped`](ErrorKind::Dropped).
///
/// **Streams** that hold the same bytes are read one at a time: the first that is not stale, which ends a read as it does. The
/// others are not where that one is, so what it has not given is not read from them. To change over, mark it stale.
///
/// **The length** ([`HasLen`]) is the longest of those replicas that are not stale, because reads end there: the others do
/// not cut it, nor does one that cannot tell. They are asked at the same time, which allocates once.
///
/// Nothing is copied, and in the steady state nothing allocated. Blocking reads use the short cut of a replica; where it
/// does not read everything, packets do. It has no backend of its own: [`AttachBackend`](crate::AttachBackend) adds the one that all
/// replicas share, and [`BackendSet`](crate::BackendSet) makes one of many.
///
/// [`clear_stale`]: Self::clear_stale
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
/// use mfio_layers::{AttachBackend, Mirror, BackendSet, WritePolicy};
/// use std::sync::Arc;
///
/// let disks = [8, 4].map(|len| Arc::new(Memory::new(vec![0; len])));
/// let mirror: Mirror<_> = Mirror::with_policy(disks.clone(), WritePolicy::Any)?;
/// let io = AttachBackend::new(mirror, BackendSet::new(disks.clone())?);
/// io.block_on(io.write_all_at(b"abcd", 2))?;
/// assert!(io.inner().is_stale(1), "it ends after two of the bytes");
/// assert_eq!(io.block_on(io.read_vec_at(2, 4))?, b"abcd");
/// assert_eq!(disks[1].to_vec(), b"\0\0ab");
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Mirror<Io, P: Position = u64> {
    replicas: Arc<[Io]>,
    core: Arc<Core<Io, P>>,
}

/// Does not keep the objects: relays that they have keep this.
struct Core<Io, P: Position> {
    objects: Weak<[Io]>,
    replicas: Replicas,
    policy: WritePolicy,
    /// Whether reads must follow each other, and whether writes must.
    reads_in_order: InOrder,
    writes_in_order: InOrder,
    order: Gate<Parked<P>>,
    reads: RelayPool<View<Read>, Reading<Io, P>>,
    writes: RelayPool<View<Write>, Writing<Io, P>>,
}

struct Reading<Io, P: Position> {
    /// Taken out at the end, so that there is one clone for each read.
    core: Option<Arc<Core<Io, P>>>,
    pos: P,
    /// Who is asked, and how many may be asked after.
    replica: usize,
    left: usize,
    /// What the first one said.
    cause: Option<Cause>,
}

impl<Io, P: Position> Mirror<Io, P> {
    /// Mirrors these, which hold the same bytes, under [`WritePolicy::All`].
    ///
    /// # Errors
    /// `InvalidInput` where there are none, or more than [`MAX_REPLICAS`].
    pub fn new(replicas: impl Into<Vec<Io>>) -> Result<Self> {
        Self::with_policy(replicas, WritePolicy::All)
    }

    /// As [`new`](Self::new), with a policy.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_policy(replicas: impl Into<Vec<Io>>, policy: WritePolicy) -> Result<Self> {
        let objects: Arc<[Io]> = replicas.into().into();
        let Some(replicas) = Replicas::new(objects.len()) else {
            return Err(Error::new(ErrorKind::InvalidInput, "mirroring")
                .help("a mirror has at least one replica, and no more than 32"));
        };
        let core = Core {
            objects: Arc::downgrade(&objects),
            replicas,
            policy,
            reads_in_order: InOrder::new(),
            writes_in_order: InOrder::new(),
            order: Gate::new(),
            reads: RelayPool::new(KEPT),
            writes: RelayPool::new(KEPT),
        };
        Ok(Self {
            replicas: objects,
            core: Arc::new(core),
        })
    }

    /// The replicas, in their order.
    pub fn replicas(&self) -> &[Io] {
        &self.replicas
    }

    /// How many writes wait for others that overlap them.
    pub fn waiting(&self) -> usize {
        self.core.order.order().waiting()
    }

    /// Whether a replica has missed a write, and is not read from.
    pub fn is_stale(&self, replica: usize) -> bool {
        self.core.replicas.is_stale(replica)
    }

    /// Says that a replica is not to be read from, for its bytes are not those of the others. `false` where all others are
    /// stale: then it stays the one to be read from.
    pub fn mark_stale(&self, replica: usize) -> bool {
        self.core.replicas.mark_one(replica)
    }

    /// Says that a replica holds the bytes that the others hold, and may be read from again. Writes that end meanwhile may
    /// mark it anew.
    pub fn clear_stale(&self, replica: usize) {
        self.core.replicas.clear(replica);
    }
}

impl<Io, P> PacketIo<Read, P> for Mirror<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Read>) {
        let reading = Reading {
            core: Some(self.core.clone()),
            pos,
            replica: self.choose(),
            left: match self.reads_in_order() {
                true => 0,
                false => self.replicas.len() - 1,
            },
            cause: None,
        };
        reading.send(&self.core, &self.replicas, view);
    }

    fn transfer_blocking(&self, pos: P, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        let len = bytes.len();
        let tried = self.replicas[self.choose()].transfer_blocking(pos, bytes);
        // What came of a stream does not come again.
        tried.filter(|tried| *tried == Ok(len) || self.reads_in_order())
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.replicas[self.choose()].expose(pos, len)
    }

    fn alignment(&self) -> Alignment {
        strictest::<Read, P, Io>(self.replicas.iter())
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        first_pool::<Read, P, Io>(self.replicas.iter())
    }

    fn appends_at(&self) -> Option<P> {
        PacketIo::<Read, P>::appends_at(&self.replicas[self.core.replicas.first()])
    }

    fn identity(&self) -> Identity<'_> {
        identity_over_many("a mirror", self.replicas.len(), self.replicas[0].identity())
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        first_explanation::<Read, P, Io>(self.replicas.iter(), cause)
    }
}

impl<Io, P> PacketIo<Write, P> for Mirror<Io, P>
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn send_io(&self, pos: P, mut view: View<Write>) {
        // So that the bytes of all copies can be counted, which matters where addresses have 32 bits.
        let longest = usize::MAX / self.replicas.len();
        let mut pos = pos;
        while view.len() > longest {
            let (head, tail) = view.split_at(longest);
            self.core.write(&self.replicas, pos, head);
            view = tail;
            match pos.advance(longest) {
                Some(next) => pos = next,
                None => return view.fail(ErrorKind::UnexpectedEof),
            }
        }
        self.core.write(&self.replicas, pos, view);
    }

    fn alignment(&self) -> Alignment {
        strictest::<Write, P, Io>(self.replicas.iter())
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        first_pool::<Write, P, Io>(self.replicas.iter())
    }

    fn appends_at(&self) -> Option<P> {
        PacketIo::<Write, P>::appends_at(&self.replicas[self.core.replicas.first()])
    }

    fn identity(&self) -> Identity<'_> {
        identity_over_many("a mirror", self.replicas.len(), self.replicas[0].identity())
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let refused = || {
            let own =
                cause == ErrorKind::LimitReached.into() && self.core.order.order().has_refused();
            own.then_some(
                "too many writes that overlap wait for each other in a mirror: send fewer at once",
            )
        };
        first_explanation::<Write, P, Io>(self.replicas.iter(), cause).or_else(refused)
    }
}

impl<Io, P> Mirror<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P>,
{
    #[inline]
    fn reads_in_order(&self) -> bool {
        let alignment = || strictest::<Read, P, Io>(self.replicas.iter());
        let in_order = &self.core.reads_in_order;
        P::SEQUENTIAL || in_order.get(|| is_stream::<P>(alignment()))
    }

    /// The replica that is read from: of streams always the same one.
    #[inline]
    fn choose(&self) -> usize {
        match self.reads_in_order() {
            true => self.core.replicas.first(),
            false => self.core.replicas.choose(),
        }
    }
}

impl<Io: HasLen, P: Position> HasLen for Mirror<Io, P> {
    type Len = MirrorLen<Io::Len>;

    fn io_len(&self) -> Self::Len {
        let fresh = self.core.replicas.fresh();
        MirrorLen::new(fresh.map(|replica| self.replicas[replica].io_len()))
    }

    /// `None` where a replica that is not stale does not know.
    fn len_now(&self) -> Option<u64> {
        let fresh = self.core.replicas.fresh();
        let lens = fresh.map(|replica| self.replicas[replica].len_now());
        let all: Option<Vec<u64>> = lens.collect();
        all?.into_iter().max()
    }
}

impl<Io, P> Reading<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    #[inline]
    fn send(self, core: &Core<Io, P>, objects: &[Io], view: View<Read>) {
        let (pos, replica) = (self.pos, self.replica);
        let relay = core.reads.relay(view, self);
        objects[replica].send_io(pos, relay.send());
    }

    /// Reads a failed range from the next replica, if there is one. Nests no deeper than there are replicas.
    #[cold]
    fn again(&self, core: &Arc<Core<Io, P>>, offset: usize, view: View<Read>, cause: Cause) {
        let cause = self.cause.unwrap_or(cause);
        let next = core.replicas.after(self.replica, self.left);
        let pos = self.pos.advance(offset);
        let (Some((replica, left)), Some(pos), false) = (next, pos, view.is_abandoned()) else {
            return view.fail(cause);
        };
        let Some(objects) = core.objects.upgrade() else {
            return view.fail(cause);
        };
        let next = Reading {
            core: Some(core.clone()),
            pos,
            replica,
            left,
            cause: Some(cause),
        };
        next.send_again(core, &objects, (self.pos, offset), view);
    }
}

impl<Io, P> OnEnd<View<Read>> for Reading<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    #[inline]
    fn on_end(mut relay: Relay<View<Read>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, reading) = core.reads.reclaim(relay);
        if outcome.is_success() {
            return view.done();
        }
        let objects = core.objects.upgrade();
        let alignment = objects.map(|objects| strictest::<Read, P, Io>(objects.iter()));
        // Of a block in which the data of a replica ends, what is there is good.
        let again = |cause: Cause| reading.left > 0 && cause.kind() != ErrorKind::UnexpectedEof;
        let alignment = alignment.unwrap_or_default();
        blocks::each_part(
            view,
            &outcome,
            alignment,
            again,
            |part, at, result| match result {
                Ok(()) => part.done(),
                Err(cause) => reading.again(&core, at, part, cause),
            },
        );
    }
}

impl<Io, P: Position> Drop for Mirror<Io, P> {
    fn drop(&mut self) {
        // The lock is released at the end of this line.
        let left = self.core.order.order().close();
        drop(left);
    }
}

impl<Io: fmt::Debug, P: Position> fmt::Debug for Mirror<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("replicas", &self.replicas)
            .field("stale", &self.core.replicas)
            .finish_non_exhaustive()
    }
}
