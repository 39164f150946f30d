//! [`RelayPool`]: idle blocks of relays.
//!
//! Invariants are those of [`carrier`](super::carrier).
#![allow(unsafe_code)]

use super::carrier::{Carrier, CarrierParts};
use super::{OnEnd, Relay};
use crate::packet::block::Packet;
use crate::packet::buffer::Buffer;
use crate::packet::pool::FreeList;
use core::fmt;
use core::mem::MaybeUninit;

/// Idle blocks of a layer's relays, bounded in number, so that a layer allocates nothing in the
/// steady state. Lock-free.
pub struct RelayPool<B, S> {
    free: FreeList<Carrier<B, S>>,
}

impl<B, S> RelayPool<B, S> {
    /// Creates an empty pool that keeps at most `capacity` blocks. More may be in use. Allocates a
    /// pointer for each.
    ///
    /// The types have no bounds here, so that a layer has pools for both directions, whichever its
    /// object has.
    pub fn new(capacity: usize) -> Self {
        Self {
            free: FreeList::new(capacity),
        }
    }
}

impl<B: Buffer + 'static, S: OnEnd<B>> RelayPool<B, S> {
    /// Makes a relay. Allocates only if the pool has no idle block.
    #[inline]
    pub fn relay(&self, buffer: B, state: S) -> Relay<B, S> {
        let Some(mut packet) = self.free.take() else {
            return Relay::new(buffer, state);
        };
        // SAFETY: the block is this packet's alone, and empty (carrier 1).
        unsafe {
            (*packet.parts()).buffer = MaybeUninit::new(buffer.into_parts());
            (*packet.parts()).state = Some(state);
        }
        packet.locate();
        Relay(packet)
    }

    /// Takes buffer and state out of a relay. Keeps its block if there is room. If the pool can
    /// only be reached by the state, see [`Relay::reclaim`].
    #[inline]
    pub fn reclaim(&self, relay: Relay<B, S>) -> (B, S) {
        let (Carrier { buffer, state }, packet) = relay.take_out();
        self.free.put(packet);
        (buffer, state)
    }
}

impl<B: Buffer + 'static, S: OnEnd<B>> Relay<B, S> {
    /// Takes buffer and state out. The pool that `pool` finds in the state, or elsewhere, keeps the
    /// block if it has room.
    ///
    /// So a state that owns its layer, by an `Arc`, can give its block back to the layer's pool
    /// without another clone.
    #[inline]
    pub fn reclaim(self, pool: impl FnOnce(&S) -> &RelayPool<B, S>) -> (B, S) {
        let (Carrier { buffer, state }, packet) = self.take_out();
        pool(&state).free.put(packet);
        (buffer, state)
    }

    /// Moves buffer and state out, and leaves the packet empty.
    #[inline]
    fn take_out(self) -> (Carrier<B, S>, Packet<Carrier<B, S>>) {
        let packet = self.0;
        // SAFETY: the block is this packet's alone; the parts are moved out, and it is left empty
        // (carrier 1).
        let parts = unsafe { core::ptr::replace(packet.parts(), CarrierParts::EMPTY) };
        // SAFETY: no view of a relay exists, so the region is not used.
        (unsafe { parts.fill() }, packet)
    }
}

impl<B, S> fmt::Debug for RelayPool<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelayPool").field(&self.free).finish()
    }
}
