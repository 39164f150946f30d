//! [`Relay`]: a packet of a layer, whose end is told to the layer instead of a future.
//!
//! Invariants are those of [`header`](super::header) and [`block`](super::block); in addition
//! 1. The parts of a [`Carrier`] hold a buffer and a state where `state` is `Some`, and neither where it is `None`. In a
//!    [`Relay`], and while views are in flight, they hold both; on the shelf of a pool, neither.
//! 2. While views are in flight the parts are only read, and of them only the buffer's.
#![allow(unsafe_code)]

mod copies;

use super::block::{Packet, free};
use super::buffer::{Buffer, BufferFor, ReadBuffer, Recallable, Recalled, WriteBuffer};
use super::header::{Header, VTable};
use super::outcome::Outcome;
use super::pool::Shelf;
use super::state::State;
use super::view::View;
use crate::io::Direction;
use core::fmt;
use core::mem::MaybeUninit;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

pub use copies::Copies;

/// What a layer does when a [`Relay`] that it sent has ended. Implemented for the state that the relay carries.
///
/// Nothing that was borrowed when the relay was sent need live any more at its end, so no buffer borrows: what a
/// [scope](crate::scope) lends is no buffer of a relay.
pub trait OnEnd<B: Buffer + 'static>: Send + Sized + 'static {
    /// Every view of `relay` has ended, and `outcome` says which ranges succeeded.
    ///
    /// Runs where the last view was ended: on a driver's thread, or within the [`send_io`](crate::io::PacketIo::send_io) of
    /// whoever was asked. So it must not block, and must hold no lock when it ends a view or sends one on. It may send the
    /// relay, or parts of what that carries, again; who does so without bound must see that calls do not nest without bound,
    /// as each may end at once.
    ///
    /// With std a panic is reported and goes no further; what the relay carries is dropped, so that views fail.
    fn on_end(relay: Relay<B, Self>, outcome: Outcome);
}

/// What is in the packet of a relay.
pub(super) struct Carrier<B, S> {
    buffer: B,
    state: S,
}

/// See invariant 1.
pub(super) struct CarrierParts<B: Buffer, S> {
    buffer: MaybeUninit<B::Parts>,
    state: Option<S>,
}

impl<B: Buffer, S> CarrierParts<B, S> {
    const EMPTY: Self = Self {
        buffer: MaybeUninit::uninit(),
        state: None,
    };
}

// SAFETY: where there is a buffer its parts keep the contract, as they are moved, used and turned back as its own packet
// would do; where there is none the region is empty.
unsafe impl<B: Buffer, S: Send> Buffer for Carrier<B, S> {
    type Parts = CarrierParts<B, S>;

    fn into_parts(self) -> Self::Parts {
        CarrierParts {
            buffer: MaybeUninit::new(self.buffer.into_parts()),
            state: Some(self.state),
        }
    }

    unsafe fn from_parts(parts: Self::Parts) -> Self {
        let state = parts.state.expect("a carrier that is turned back is full");
        Self {
            // SAFETY: there is a state, so there is a buffer (invariant 1), and nobody uses its region any more.
            buffer: unsafe { B::from_parts(parts.buffer.assume_init()) },
            state,
        }
    }

    unsafe fn region(parts: *mut Self::Parts) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid; where there is a state there is a buffer (invariant 1).
        unsafe {
            match (*parts).state {
                Some(_) => B::region((&raw mut (*parts).buffer).cast()),
                None => (NonNull::dangling().as_ptr(), 0),
            }
        }
    }

    unsafe fn has_only_capacity(parts: *const Self::Parts) -> bool {
        // SAFETY: as in `region`.
        unsafe {
            (*parts).state.is_some() && B::has_only_capacity((&raw const (*parts).buffer).cast())
        }
    }
}
// SAFETY: the region is the buffer's.
unsafe impl<B: ReadBuffer, S: Send> ReadBuffer for Carrier<B, S> {}
// SAFETY: the region is the buffer's.
unsafe impl<B: WriteBuffer, S: Send> WriteBuffer for Carrier<B, S> {}

/// The end of a relay's last view.
///
/// # Safety
/// `header` heads a `Block<Carrier<B, S>>` that was sent by a `Relay` and is the caller's alone, who gives it up.
unsafe fn relayed<B: Buffer + 'static, S: OnEnd<B>>(header: NonNull<Header>, failed: bool) {
    if failed {
        // SAFETY: the caller's promise is passed on.
        return unsafe { relayed_failed::<B, S>(header) };
    }
    // SAFETY: the block is this call's alone and of this kind.
    let (len, packet) = unsafe { ((*header.as_ptr()).len, Packet::from_raw(header)) };
    S::on_end(Relay(packet), Outcome::success(len));
}

/// A function of its own, so that the compiler knows the outcome in the other one.
///
/// # Safety
/// As for [`relayed`].
#[cold]
unsafe fn relayed_failed<B: Buffer + 'static, S: OnEnd<B>>(header: NonNull<Header>) {
    // SAFETY: the block is this call's alone and of this kind.
    let (outcome, packet) = unsafe {
        let failed = (*header.as_ptr()).side.lock().failures.take();
        let len = (*header.as_ptr()).len;
        (Outcome { len, failed }, Packet::from_raw(header))
    };
    S::on_end(Relay(packet), outcome);
}

/// # Safety
/// `header` heads a `Block<Carrier<B, S>>` that has a buffer, and lives during the call.
unsafe fn unwanted<B: Buffer, S: Send>(header: NonNull<Header>) -> bool {
    // SAFETY: the block is of this kind and its buffer's parts are only read (invariants 1, 2).
    unsafe {
        let parts = Packet::<Carrier<B, S>>::parts_of(header);
        B::is_unwanted((&raw const (*parts).buffer).cast())
    }
}

/// Frees a block that may be empty.
///
/// # Safety
/// As for [`free`].
unsafe fn free_carrier<B: Buffer, S: Send>(header: NonNull<Header>) {
    // SAFETY: the block is the caller's alone and of this kind.
    let empty = unsafe { (*Packet::<Carrier<B, S>>::parts_of(header)).state.is_none() };
    if empty {
        // SAFETY: as above; an empty carrier has nothing to turn back.
        unsafe { super::block::free_block::<Carrier<B, S>>(header) }
    } else {
        // SAFETY: the caller's promise is passed on.
        unsafe { free::<Carrier<B, S>>(header) }
    }
}

struct Kind<B, S>(core::marker::PhantomData<(B, S)>);

impl<B: Buffer + 'static, S: OnEnd<B>> Kind<B, S> {
    const VTABLE: VTable = VTable {
        free: free_carrier::<B, S>,
        relayed: relayed::<B, S>,
        unwanted: unwanted::<B, S>,
    };
}

/// A request of a layer's own, with a buffer and whatever state the layer needs to go on. There is no future: when the last
/// view has ended, [`OnEnd::on_end`] of the state is called with all of it.
///
/// The buffer may be a [`View`] that the layer was sent: the relay then works on that request's memory, without a copy,
/// and the layer ends the view when it knows what became of it. This is how a layer takes a request over: keeps it, sends
/// parts of it elsewhere, tries failed parts again. Take relays from a [`RelayPool`], so that nothing is allocated.
///
/// An object that was sent a relay has its state, so the state must not keep the object: neither would ever be freed, and a
/// user who waits for what nobody drives any more would not hear of it. Where a layer needs the object to go on, it has a
/// `Weak` there.
///
/// A layer that tries once more what failed:
///
/// ```
/// use mfio::io::{PacketIo, Read};
/// use mfio::packet::{OnEnd, Outcome, Packet, Relay, RelayPool, View};
/// use std::sync::{Arc, Weak};
///
/// struct Again<Io> {
///     inner: Arc<Io>,
///     shared: Arc<Shared<Io>>,
/// }
///
/// struct Shared<Io> {
///     inner: Weak<Io>,
///     pool: RelayPool<View<Read>, Attempt<Io>>,
/// }
///
/// struct Attempt<Io> {
///     shared: Arc<Shared<Io>>,
///     pos: u64,
/// }
///
/// impl<Io: PacketIo<Read> + Send + Sync + 'static> PacketIo<Read> for Again<Io> {
///     fn send_io(&self, pos: u64, view: View<Read>) {
///         let attempt = Attempt { shared: self.shared.clone(), pos };
///         let relay = self.shared.pool.relay(view, attempt);
///         self.inner.send_io(pos, relay.send());
///     }
/// }
///
/// impl<Io: PacketIo<Read> + Send + Sync + 'static> OnEnd<View<Read>> for Attempt<Io> {
///     fn on_end(relay: Relay<View<Read>, Self>, outcome: Outcome) {
///         let shared = relay.state().shared.clone();
///         let (view, attempt) = shared.pool.reclaim(relay);
///         let start = view.offset();
///         for (part, result) in view.parts(&outcome) {
///             match (result, shared.inner.upgrade()) {
///                 (Ok(()), _) => part.done(),
///                 (Err(_), Some(inner)) => {
///                     let pos = attempt.pos + (part.offset() - start) as u64;
///                     inner.send_io(pos, part);
///                 }
///                 (Err(cause), None) => part.fail(cause),
///             }
///         }
///     }
/// }
///
/// let inner = Arc::new(mfio::memory::Memory::new(vec![1, 2, 3]));
/// let shared = Shared { inner: Arc::downgrade(&inner), pool: RelayPool::new(16) };
/// let io = Again { inner, shared: Arc::new(shared) };
/// let (in_flight, view) = Packet::new([0; 2]).start::<Read>();
/// io.send_io(1, view);
/// # use mfio::backend::IoBackendExt;
/// let ended = io.inner.block_on(in_flight);
/// assert_eq!(ended.packet.buffer(), [2, 3]);
/// ```
pub struct Relay<B: Buffer + 'static, S: OnEnd<B>>(Packet<Carrier<B, S>>);

// SAFETY: the block is the relay's alone; buffers and states are `Send` by their traits. Said here, not left to the packet,
// so that a state may hold relays of its own kind.
unsafe impl<B: Buffer + 'static, S: OnEnd<B>> Send for Relay<B, S> {}
// SAFETY: `&Relay` gives shared reads of plain bytes, of the state, and of a recall, which is `Sync` by its trait.
unsafe impl<B: Buffer + 'static, S: OnEnd<B> + Sync> Sync for Relay<B, S> {}

impl<B: Buffer + 'static, S: OnEnd<B>> Relay<B, S> {
    /// A relay of its own. Allocates; see [`RelayPool::relay`].
    pub fn new(buffer: B, state: S) -> Self {
        let carrier = Carrier { buffer, state };
        // SAFETY: these functions are for a block of this kind.
        Self(unsafe { Packet::with_vtable(carrier, &Kind::<B, S>::VTABLE) })
    }

    /// The state that it carries.
    #[inline]
    pub fn state(&self) -> &S {
        // SAFETY: the block is this relay's alone, which is borrowed.
        let state = unsafe { &(*self.0.parts()).state };
        state.as_ref().expect("a relay is full")
    }

    /// The state that it carries, to be changed.
    #[inline]
    pub fn state_mut(&mut self) -> &mut S {
        // SAFETY: as above, exclusively.
        let state = unsafe { &mut (*self.0.parts()).state };
        state.as_mut().expect("a relay is full")
    }

    /// How many bytes the buffer has.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the buffer has a capacity and no length.
    pub(crate) fn has_only_capacity(&self) -> bool {
        self.0.has_only_capacity()
    }

    /// Whether the buffer has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of the buffer.
    #[inline]
    pub fn buffer(&self) -> &[u8] {
        self.0.buffer()
    }

    /// The bytes of the buffer, to be changed.
    #[inline]
    pub fn buffer_mut(&mut self) -> &mut [u8]
    where
        B: ReadBuffer,
    {
        self.0.buffer_mut()
    }

    /// The buffer and the state. Frees the block; see [`RelayPool::reclaim`].
    pub fn into_parts(self) -> (B, S) {
        let Carrier { buffer, state } = self.0.into_buffer();
        (buffer, state)
    }

    /// Starts an operation on the whole buffer: the view is to be sent.
    #[inline]
    pub fn send<D: Direction>(self) -> View<D>
    where
        B: BufferFor<D>,
    {
        let len = self.len();
        self.send_prefix(len)
    }

    /// Starts an operation on the first `len` bytes of the buffer, or on all where there are not so many.
    #[inline]
    pub fn send_prefix<D: Direction>(self, len: usize) -> View<D>
    where
        B: BufferFor<D>,
    {
        // SAFETY: the buffer suits `D`.
        unsafe { self.start(len) }
    }

    /// # Safety
    /// The region of the buffer is fit for `D`.
    #[inline]
    unsafe fn start<D: Direction>(self, len: usize) -> View<D> {
        let len = len.min(self.len());
        let header = self.0.into_raw();
        // SAFETY: the block was the relay's alone; its one unit of COUNT goes to the view. The buffer suits `D`, as the
        // caller promises, and `len` is within it.
        unsafe {
            (*header.as_ptr()).len = len;
            (*header.as_ptr()).state.start_relay(1);
            View::new(header, (*header.as_ptr()).data, 0, len)
        }
    }

    /// Starts `copies` operations, each on the whole buffer, which is only read: to write the same bytes to several places.
    /// The outcome is about all of them, one after another: what became of number `n` is its
    /// [part](Outcome::part) from `n * len` to `(n + 1) * len`.
    ///
    /// # Panics
    /// Where all copies together have more bytes than can be counted, or there are more of them than views of one packet
    /// can be (see [`View::split_at`]). The relay is dropped.
    pub fn send_copies(self, copies: NonZeroUsize) -> Copies
    where
        B: WriteBuffer,
    {
        let len = self.len();
        let total = len.checked_mul(copies.get());
        let total = total.filter(|_| State::counts(copies.get()));
        let total = total.expect("too many copies");
        let header = self.0.into_raw();
        // SAFETY: the block was the relay's alone; its units of COUNT go to `Copies`.
        unsafe {
            (*header.as_ptr()).len = total;
            (*header.as_ptr()).state.start_relay(copies.get());
        }
        // SAFETY: as above; all views of the block are on the same bytes.
        unsafe { Copies::new(header, len, copies.get()) }
    }
}

impl<B, R, S> Relay<Recallable<B, R>, S>
where
    B: Buffer + 'static,
    R: Recalled,
    S: OnEnd<Recallable<B, R>>,
{
    /// Who says whether the relay is wanted.
    #[inline]
    pub fn recall(&self) -> &R {
        // SAFETY: a relay has a buffer (invariant 1), whose parts are this relay's alone, which is borrowed.
        unsafe { &(*self.0.parts()).buffer.assume_init_ref().1 }
    }

    /// As [`send`](Self::send), for any direction that the buffer within suits.
    #[inline]
    pub(crate) fn send_inner<D: Direction>(self) -> View<D>
    where
        B: BufferFor<D>,
    {
        let len = self.len();
        // SAFETY: the region is that of the buffer within, which suits `D`.
        unsafe { self.start(len) }
    }
}

impl<B: Buffer + 'static, S: OnEnd<B> + fmt::Debug> fmt::Debug for Relay<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("len", &self.len())
            .field("state", self.state())
            .finish()
    }
}

/// Idle blocks of a layer's relays, bounded in number, taken and given without a lock: so that a layer allocates nothing in
/// the steady state.
pub struct RelayPool<B, S> {
    shelf: Shelf<Carrier<B, S>>,
}

impl<B, S> RelayPool<B, S> {
    /// An empty pool that will keep at most `capacity` blocks. More may be in use. Allocates a pointer for each.
    ///
    /// Asks nothing of the types, so that a layer has pools for both directions, whichever its object has.
    pub fn new(capacity: usize) -> Self {
        Self {
            shelf: Shelf::new(capacity),
        }
    }
}

impl<B: Buffer + 'static, S: OnEnd<B>> RelayPool<B, S> {
    /// A relay with this buffer and this state. Allocates only where the pool has no idle block.
    #[inline]
    pub fn relay(&self, buffer: B, state: S) -> Relay<B, S> {
        let Some(mut packet) = self.shelf.take() else {
            return Relay::new(buffer, state);
        };
        // SAFETY: the block is this packet's alone, and empty (invariant 1).
        unsafe {
            (*packet.parts()).buffer = MaybeUninit::new(buffer.into_parts());
            (*packet.parts()).state = Some(state);
        }
        packet.locate();
        Relay(packet)
    }

    /// The buffer and the state of a relay, whose block the pool keeps if it has room.
    #[inline]
    pub fn reclaim(&self, relay: Relay<B, S>) -> (B, S) {
        let packet = relay.0;
        // SAFETY: the block is this packet's alone; the parts are moved out, and it is left empty (invariant 1).
        let CarrierParts { buffer, state } =
            unsafe { core::ptr::replace(packet.parts(), CarrierParts::EMPTY) };
        self.shelf.put(packet);
        let state = state.expect("a relay is full");
        // SAFETY: there was a state, so there was a buffer (invariant 1), whose region nobody uses any more.
        (unsafe { B::from_parts(buffer.assume_init()) }, state)
    }
}

impl<B, S> fmt::Debug for RelayPool<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelayPool").field(&self.shelf).finish()
    }
}
