//! The part of an [`Overlay`](super::Overlay) that requests keep while the objects below have them.
//! It does not own those objects.

use super::state::{Extent, OverlayState, PendingWrite};
use crate::sent::{self, SentPool};
use alloc::sync::{Arc, Weak};
use core::ops::Range;
use mfio::io::{Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, RelayPool, View};
use rangemap::RangeSet;

pub(super) struct Objects<B, T> {
    pub(super) base: B,
    pub(super) top: T,
}

/// How many idle blocks are kept of zeros for parts of granules.
const EDGES: usize = 32;

pub(super) struct OverlayShared<B, T, P> {
    pub(super) objects: Weak<Objects<B, T>>,
    pub(super) extent: Extent,
    pub(super) state: Lock<OverlayState>,
    pub(super) reads: SentPool<View<Read>, Self, TailRead>,
    pub(super) wholes: SentPool<View<Write>, Self, WholeWrite>,
    pub(super) copies: SentPool<AlignedBuf, Self, CopyUp<P>>,
    pub(super) edges: SentPool<AlignedBuf, Self, ZeroEdges>,
}

/// Zeros that are written to parts of granules for a control operation.
pub(super) struct ZeroEdges {
    pub(super) view: View<Read>,
}

/// A read of the base beyond the bytes that it is known to have.
pub(super) struct TailRead {
    pub(super) at: u64,
}

/// A write of whole granules to the top.
pub(super) struct WholeWrite {
    pub(super) granules: Range<u64>,
}

/// A partial write, whose granule is read from the base, changed, and stored in the top.
pub(super) struct CopyUp<P> {
    pub(super) granule: u64,
    pub(super) pos: P,
    pub(super) write: PendingWrite,
    /// Whether the granule was read from the base.
    pub(super) fetched: bool,
}

impl<B, T, P> OverlayShared<B, T, P> {
    pub(super) fn new(
        objects: &Arc<Objects<B, T>>,
        extent: Extent,
        present: RangeSet<u64>,
    ) -> Self {
        Self {
            objects: Arc::downgrade(objects),
            extent,
            state: Lock::new(OverlayState::new(present)),
            reads: RelayPool::new(sent::KEPT),
            wholes: RelayPool::new(sent::KEPT),
            copies: RelayPool::new(sent::KEPT),
            edges: RelayPool::new(EDGES),
        }
    }
}
