//! [`Mirror`]: several objects that hold the same bytes.

mod control;
mod read;
mod replicas;
mod shared;
mod writes;

use crate::directions::is_stream;
use crate::gather;
use crate::identity::{first_explanation, first_pool, identity_over_many, strictest};
use crate::len::MirrorLen;
use crate::translate::{OF_PARTS, Translated};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{
    Alignment, Exposed, Identity, IoObject, Operation, PacketIo, Position, Read, Write,
};
use mfio::packet::{PacketPool, View};
use mfio::traits::HasLen;
use replicas::Replicas;
use shared::{MirrorShared, ReplicaRead};

pub use replicas::MAX_REPLICAS;
pub use shared::WritePolicy;

/// Presents several objects that hold the same bytes as one.
///
/// **Reads** go to one replica, in turn: that costs next to nothing, and gives equal replicas equal
/// shares. Only the ranges that it fails are read from the next one, and so on. A range fails when
/// every replica that is not stale has failed it, with the cause of the first. The end of the data
/// counts as a failure here: a replica that is too short does not cut a longer one.
///
/// **Writes** go to all replicas at once, from the same memory, and end when the last replica has
/// ended. [`WritePolicy`] says when a range is written; otherwise it fails with the cause of the
/// first replica that failed it.
///
/// **A write that fails in part** leaves replicas that differ: those without failure have the new
/// bytes, the others old or new ones, or some of both. So a replica that failed a range which
/// another one has is marked as *stale* before the write ends. Writes still go there, but no reads,
/// until [`clear_stale`] says that it was repaired. A range that failed everywhere marks no
/// replica: reads may return any of its bytes until it is written again. One replica at least is
/// not stale; a stale one does not stand in for ranges that it fails.
///
/// **Writes that overlap** are sent in the order in which they came, each when the earlier ones
/// have ended on every replica. So replicas hold the same bytes after concurrent writes too. Up to
/// a million writes wait; one more fails with [`LimitReached`](ErrorKind::LimitReached). Writes
/// that do not overlap do not wait for each other. Writes to an object without positions, or that
/// appends wherever they go, wait for all earlier ones. With one replica no write waits. When the
/// layer is dropped, writes that wait fail with [`Dropped`](ErrorKind::Dropped).
///
/// **Streams** that hold the same bytes are read from one replica, the first that is not stale, and
/// a read ends as that replica ends it. The others are at different places of the stream, so failed
/// ranges are not read from them. To change over, mark the replica as stale.
///
/// **The length** ([`HasLen`]) is that of the longest replica that is not stale, because reads end
/// there. A replica that cannot tell its length is ignored. All are asked at the same time, which
/// allocates once.
///
/// # Control operations
/// An operation ends when the last replica has ended it, and [`WritePolicy`] decides about it as it
/// does about a write; the cause is that of the first replica that failed. Stale replicas take part
/// as in writes. With one replica, that one answers, and its short cut is kept.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | all replicas carry it out; those that fail are stale |
/// | `WriteZeroes`, `SetLen` | all do, in the order of writes; those that fail are stale |
/// | `Discard` | all do, in the order of writes; the values of the range may differ |
/// | `Allocate` | all do |
/// | `Prefetch` | those that are not stale do; one of them has to succeed |
/// | `Len` | that of the longest replica that is not stale |
/// | `Extents` | those of the replica that is not stale and tells most |
/// | `Shutdown` | all do, after the writes that wait |
///
/// A replica that fails a sync with `NotSupported` is not stale, as nothing was lost. `WriteZeroes`
/// and `SetLen` are sent to no replica unless all support them.
///
/// # Cost
/// No bytes are copied, and in the steady state nothing is allocated. Blocking reads use the short
/// cut of a replica; where it does not read everything, packets do. A mirror has no backend of its
/// own: [`AttachBackend`](crate::AttachBackend) adds the one that all replicas share, and
/// [`BackendSet`](crate::BackendSet) makes one of many.
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
    shared: Arc<MirrorShared<Io, P>>,
}

impl<Io, P: Position> Mirror<Io, P> {
    /// Mirrors objects that hold the same bytes, under [`WritePolicy::All`].
    ///
    /// # Errors
    /// `InvalidInput` where there are none, or more than [`MAX_REPLICAS`].
    pub fn new(replicas: impl Into<Vec<Io>>) -> Result<Self> {
        Self::with_policy(replicas, WritePolicy::All)
    }

    /// Mirrors objects as [`new`](Self::new) does, under a policy.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_policy(replicas: impl Into<Vec<Io>>, policy: WritePolicy) -> Result<Self> {
        let objects: Arc<[Io]> = replicas.into().into();
        let Some(replicas) = Replicas::new(objects.len()) else {
            return Err(Error::new(ErrorKind::InvalidInput, "mirroring")
                .help("a mirror has at least one replica, and no more than 32"));
        };
        Ok(Self {
            shared: Arc::new(MirrorShared::new(&objects, replicas, policy)),
            replicas: objects,
        })
    }

    /// Returns the replicas, in their order.
    pub fn replicas(&self) -> &[Io] {
        &self.replicas
    }

    /// Returns how many writes wait for others that overlap them.
    pub fn waiting(&self) -> usize {
        self.shared.order.order().waiting()
    }

    /// Whether a replica has missed a write, and is not read from.
    pub fn is_stale(&self, replica: usize) -> bool {
        self.shared.replicas.is_stale(replica)
    }

    /// Marks a replica as stale, because its bytes are not those of the others. Returns `false`,
    /// and marks nothing, where all others are stale.
    pub fn mark_stale(&self, replica: usize) -> bool {
        self.shared.replicas.mark_one(replica)
    }

    /// Says that a replica holds the bytes that the others hold, and may be read from again. Writes
    /// that end meanwhile may mark it anew.
    pub fn clear_stale(&self, replica: usize) {
        self.shared.replicas.clear(replica);
    }
}

impl<Io: IoObject, P: Position> IoObject for Mirror<Io, P> {
    fn identity(&self) -> Identity<'_> {
        identity_over_many("a mirror", self.replicas.len(), self.replicas[0].identity())
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let refused = || {
            let own = operation != Operation::Read
                && cause == ErrorKind::LimitReached.into()
                && self.shared.order.order().has_refused();
            own.then_some(
                "too many writes that overlap wait for each other in a mirror: send fewer at once",
            )
        };
        let named = || self.shared.control.explain(operation, cause);
        first_explanation(self.replicas.iter(), operation, cause)
            .or_else(refused)
            .or_else(named)
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        first_pool(self.replicas.iter())
    }

    fn alignment(&self, operation: Operation) -> Alignment {
        strictest(self.replicas.iter(), operation)
    }

    fn appends_at(&self) -> Option<u64> {
        self.replicas[self.shared.replicas.first()].appends_at()
    }

    /// `None` where a replica that is not stale cannot tell.
    fn len_now(&self) -> Option<u64> {
        let fresh = self.shared.replicas.fresh();
        let lens = fresh.map(|replica| self.replicas[replica].len_now());
        let all: Option<Vec<u64>> = lens.collect();
        all?.into_iter().max()
    }
}

impl<Io, P> PacketIo<Read, P> for Mirror<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Read>) {
        let read = ReplicaRead {
            pos,
            replica: self.next_replica(),
            left: match self.reads_in_order() {
                true => 0,
                false => self.replicas.len() - 1,
            },
            cause: None,
        };
        read.send(&self.shared, &self.replicas, view);
    }

    fn transfer_blocking(&self, pos: P, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        let len = bytes.len();
        let tried = self.replicas[self.next_replica()].transfer_blocking(pos, bytes);
        // A stream gives each byte once, so no packet may ask again.
        tried.filter(|tried| *tried == Ok(len) || self.reads_in_order())
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.replicas[self.next_replica()].expose(pos, len)
    }
}

impl<Io, P> PacketIo<Write, P> for Mirror<Io, P>
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn send_io(&self, mut pos: P, mut view: View<Write>) {
        // The bytes of all copies together are counted in a `usize`, which may have 32 bits.
        let longest = usize::MAX / self.replicas.len();
        while view.len() > longest {
            let (head, tail) = view.split_at(longest);
            self.shared.write(&self.replicas, pos, head);
            view = tail;
            match pos.advance(longest) {
                Some(next) => pos = next,
                None => return view.fail(ErrorKind::UnexpectedEof),
            }
        }
        self.shared.write(&self.replicas, pos, view);
    }
}

impl<Io, P> Mirror<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P>,
{
    #[inline]
    fn reads_in_order(&self) -> bool {
        let alignment = || self.alignment(Operation::Read);
        let in_order = &self.shared.reads_in_order;
        P::SEQUENTIAL || in_order.get(|| is_stream::<P>(alignment()))
    }

    /// Returns the replica to read from: of streams always the first that is not stale.
    #[inline]
    fn next_replica(&self) -> usize {
        match self.reads_in_order() {
            true => self.shared.replicas.first(),
            false => self.shared.replicas.next(),
        }
    }
}

impl<Io, P> ControlIo for Mirror<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        match op.is_empty() {
            true => Translated::end(view),
            false => self.shared.carry_out(&self.replicas, op, view),
        }
    }

    fn capabilities(&self) -> Capabilities {
        let kept = OF_PARTS
            .with(ControlKind::SetLen)
            .with(ControlKind::Shutdown);
        gather::common(self.replicas.iter()).intersection(kept)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<core::result::Result<(), Cause>> {
        match &*self.replicas {
            _ if op.is_empty() => Some(Translated::answer_nothing(answer)),
            [only] => only.control_blocking(op, answer),
            _ => None,
        }
    }
}

impl<Io: HasLen, P: Position> HasLen for Mirror<Io, P> {
    type Len = MirrorLen<Io::Len>;

    fn io_len(&self) -> Self::Len {
        let fresh = self.shared.replicas.fresh();
        MirrorLen::new(fresh.map(|replica| self.replicas[replica].io_len()))
    }
}

impl<Io, P: Position> Drop for Mirror<Io, P> {
    fn drop(&mut self) {
        // Ends the writes without the lock.
        let left = self.shared.order.order().close();
        drop(left);
    }
}

impl<Io: fmt::Debug, P: Position> fmt::Debug for Mirror<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("replicas", &self.replicas)
            .field("stale", &self.shared.replicas)
            .finish_non_exhaustive()
    }
}
