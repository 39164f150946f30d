//! [`Sent`]: requests that a layer has sent to the objects below, as relays that keep the
//! shared state of the layer: the part of it that does not own those objects.
//!
//! That state is moved out of a relay before its pool, which belongs to the state, takes the block
//! back. So a request clones the `Arc` once, and an idle block does not keep the layer alive.

use alloc::sync::Arc;
use mfio::packet::{Buffer, OnEnd, Outcome, Relay, RelayPool};

/// A request that the objects below have. `B` is the memory that they work on, `C` the shared
/// state of the layer.
pub(crate) trait Sent<B: Buffer + 'static, C>: Send + Sized + 'static {
    /// Returns the pool that keeps idle blocks of such requests.
    fn pool(shared: &C) -> &SentPool<B, C, Self>;

    /// Goes on when the last view of the request has ended. Runs as [`OnEnd::on_end`] does.
    fn ended(self, shared: Arc<C>, buffer: B, outcome: Outcome);
}

/// How many idle blocks of each kind of request a layer keeps.
pub(crate) const KEPT: usize = 256;

/// Idle blocks of one kind of request.
pub(crate) type SentPool<B, C, S> = RelayPool<B, SentState<C, S>>;

/// The state of a relay: a request, and the shared state of its layer until the request has ended.
pub(crate) struct SentState<C, S> {
    shared: Arc<C>,
    request: S,
}

/// Makes a relay of a request.
#[inline]
pub(crate) fn relay<B, C, S>(shared: &Arc<C>, buffer: B, request: S) -> Relay<B, SentState<C, S>>
where
    B: Buffer + 'static,
    C: Send + Sync + 'static,
    S: Sent<B, C>,
{
    let state = SentState {
        shared: shared.clone(),
        request,
    };
    S::pool(shared).relay(buffer, state)
}

impl<B, C, S> OnEnd<B> for SentState<C, S>
where
    B: Buffer + 'static,
    C: Send + Sync + 'static,
    S: Sent<B, C>,
{
    #[inline]
    fn on_end(relay: Relay<B, Self>, outcome: Outcome) {
        let (buffer, Self { shared, request }) = relay.reclaim(|state| S::pool(&state.shared));
        request.ended(shared, buffer, outcome);
    }
}
