//! The part of a [`Mirror`](super::Mirror) that requests keep while the replicas have them. It does
//! not own the replicas.

use super::replicas::{InOrder, Replicas};
use crate::gate::Gate;
use crate::gather::Gather;
use crate::order::Number;
use crate::queued::QueuedRequest;
use crate::sent::{self, SentPool};
use alloc::sync::{Arc, Weak};
use mfio::control::ControlOp;
use mfio::error::Cause;
use mfio::io::{Position, Read, Write};
use mfio::packet::{RelayPool, View};

/// The writes after which a [`Mirror`](super::Mirror) reports a range as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WritePolicy {
    /// Those of all replicas, stale ones included.
    #[default]
    All,
    /// That of one replica that is not stale. The replicas that failed it become stale.
    Any,
}

pub(super) struct MirrorShared<Io, P: Position> {
    pub(super) objects: Weak<[Io]>,
    pub(super) replicas: Replicas,
    pub(super) policy: WritePolicy,
    /// Whether reads must follow each other, and whether writes must.
    pub(super) reads_in_order: InOrder,
    pub(super) writes_in_order: InOrder,
    /// The order of writes, and of control operations that change bytes. Those that wait have
    /// numbers.
    pub(super) order: Gate<QueuedRequest<Self, P, Number>>,
    pub(super) reads: SentPool<View<Read>, Self, ReplicaRead<P>>,
    pub(super) writes: SentPool<View<Write>, Self, ReplicatedWrite>,
    pub(super) control: Arc<Gather<ReplicatedControl<Io, P>>>,
}

/// A read that a replica has.
pub(super) struct ReplicaRead<P> {
    pub(super) pos: P,
    pub(super) replica: usize,
    /// How many replicas may be asked after this one.
    pub(super) left: usize,
    /// The cause that the first replica failed with.
    pub(super) cause: Option<Cause>,
}

/// A write that all replicas have.
pub(super) struct ReplicatedWrite {
    /// Its number in the order of writes; `None` where it needs none.
    pub(super) number: Option<Number>,
}

/// A control operation that several replicas have.
pub(super) struct ReplicatedControl<Io, P: Position> {
    pub(super) shared: Arc<MirrorShared<Io, P>>,
    pub(super) op: ControlOp,
    /// Its number in the order of writes; `None` where it needs none.
    pub(super) number: Option<Number>,
    /// Whether writes are to be sent that have waited for it.
    pub(super) starts: bool,
}

impl<Io, P: Position> MirrorShared<Io, P> {
    pub(super) fn new(objects: &Arc<[Io]>, replicas: Replicas, policy: WritePolicy) -> Self {
        Self {
            objects: Arc::downgrade(objects),
            replicas,
            policy,
            reads_in_order: InOrder::new(),
            writes_in_order: InOrder::new(),
            order: Gate::new(),
            reads: RelayPool::new(sent::KEPT),
            writes: RelayPool::new(sent::KEPT),
            control: Gather::new(),
        }
    }
}
