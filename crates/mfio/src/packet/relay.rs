//! [`Relay`]: a packet of a layer, with a callback instead of a future.
//!
//! Invariants are those of [`header`](super::header), [`block`](super::block) and [`carrier`].
#![allow(unsafe_code)]

mod carrier;
mod copies;
mod pool;

use super::block::{Packet, free, free_block};
use super::buffer::{Buffer, BufferFor, ReadBuffer, Recallable, Recalled, WriteBuffer};
use super::header::{Header, VTable};
use super::outcome::Outcome;
use super::state::State;
use super::view::View;
use crate::io::Direction;
use carrier::Carrier;
use core::fmt;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

pub use copies::Copies;
pub use pool::RelayPool;

/// The callback at the end of a [`Relay`], implemented for the state that the relay carries.
///
/// A relay may end after everything that was borrowed at its start is gone, so its buffer does not
/// borrow: memory of a [scope](crate::scope) is no buffer of a relay.
pub trait OnEnd<B: Buffer + 'static>: Send + Sized + 'static {
    /// Called when every view of `relay` has ended, with the outcome.
    ///
    /// Runs where the last view was ended: on a driver's thread, or within the
    /// [`send_io`](crate::io::PacketIo::send_io) of the object below. So it must not block, and
    /// must hold no lock when it ends or sends a view. It may start the relay again, or send its
    /// buffer; each may end at once, so unbounded retries must not nest.
    ///
    /// With std a panic is reported and goes no further; buffer and state are dropped, so that
    /// views fail.
    fn on_end(relay: Relay<B, Self>, outcome: Outcome);
}

/// Ends a relay, after its last view.
///
/// # Safety
/// `header` heads a `Block<Carrier<B, S>>` that was started by a `Relay`, is the caller's alone,
/// and is given up.
unsafe fn relayed<B: Buffer + 'static, S: OnEnd<B>>(header: NonNull<Header>, failed: bool) {
    if failed {
        // SAFETY: the caller's promise is passed on.
        return unsafe { relayed_failed::<B, S>(header) };
    }
    // SAFETY: the block is this call's alone and of this kind.
    let (len, packet) = unsafe { ((*header.as_ptr()).len, Packet::from_raw(header)) };
    S::on_end(Relay(packet), Outcome::success(len));
}

/// Ends a relay that failed: out of line, so that the compiler knows the outcome in [`relayed`].
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

/// Returns whether the buffer of a relay is not wanted any more.
///
/// # Safety
/// `header` heads a `Block<Carrier<B, S>>` that has a buffer, and lives during the call.
unsafe fn unwanted<B: Buffer, S: Send>(header: NonNull<Header>) -> bool {
    // SAFETY: the block is of this kind and its buffer's parts are only read (carrier 1, 2).
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
        unsafe { free_block::<Carrier<B, S>>(header) }
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

/// A request of a layer, with a buffer and the state that the layer needs to go on. There is no
/// future: when the last view has ended, [`OnEnd::on_end`] of the state is called with both.
///
/// The buffer may be a [`View`] that the layer was sent: the relay then works on the memory of that
/// request, without a copy, and the layer ends the view once it knows the outcome. So a layer can
/// take a request over: queue it, send parts of it elsewhere, retry failed parts. Take relays from
/// a [`RelayPool`], so that nothing is allocated.
///
/// The object below has the relay, and with it the state, so the state must not own the object:
/// neither would ever be freed, and a task that waits for an undriven object would not be woken. If
/// a layer needs the object to go on, the state has a `Weak` of it.
///
/// A layer that retries failed ranges once:
///
/// ```
/// use mfio::io::{IoObject, PacketIo, Read};
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
/// impl<Io: IoObject> IoObject for Again<Io> {
///     fn below(&self) -> Option<&dyn IoObject> {
///         Some(&*self.inner)
///     }
/// }
///
/// impl<Io: PacketIo<Read> + Send + Sync + 'static> PacketIo<Read> for Again<Io> {
///     fn send_io(&self, pos: u64, view: View<Read>) {
///         let attempt = Attempt { shared: self.shared.clone(), pos };
///         let relay = self.shared.pool.relay(view, attempt);
///         self.inner.send_io(pos, relay.start());
///     }
/// }
///
/// impl<Io: PacketIo<Read> + Send + Sync + 'static> OnEnd<View<Read>> for Attempt<Io> {
///     fn on_end(relay: Relay<View<Read>, Self>, outcome: Outcome) {
///         let (view, attempt) = relay.reclaim(|attempt| &attempt.shared.pool);
///         let start = view.offset();
///         for (part, result) in view.parts(&outcome) {
///             match (result, attempt.shared.inner.upgrade()) {
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

// SAFETY: the block is the relay's alone; buffers and states are `Send` by their traits.
// Implemented here, not left to the packet, so that a state may have relays of its own kind.
unsafe impl<B: Buffer + 'static, S: OnEnd<B>> Send for Relay<B, S> {}
// SAFETY: `&Relay` gives shared reads of plain bytes, of the state, and of a recall, which is
// `Sync` by its trait.
unsafe impl<B: Buffer + 'static, S: OnEnd<B> + Sync> Sync for Relay<B, S> {}

impl<B: Buffer + 'static, S: OnEnd<B>> Relay<B, S> {
    /// Creates a relay. Allocates; see [`RelayPool::relay`].
    pub fn new(buffer: B, state: S) -> Self {
        let carrier = Carrier { buffer, state };
        // SAFETY: these functions are for a block of this kind.
        Self(unsafe { Packet::with_vtable(carrier, &Kind::<B, S>::VTABLE) })
    }

    /// Returns the state.
    #[inline]
    pub fn state(&self) -> &S {
        // SAFETY: the block is this relay's alone, which is borrowed.
        let state = unsafe { &(*self.0.parts()).state };
        state.as_ref().expect("a relay is full")
    }

    /// Returns the state, to be changed.
    #[inline]
    pub fn state_mut(&mut self) -> &mut S {
        // SAFETY: as above, exclusively.
        let state = unsafe { &mut (*self.0.parts()).state };
        state.as_mut().expect("a relay is full")
    }

    /// Returns the length of the buffer in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the buffer has a capacity and no length.
    pub(crate) fn has_only_capacity(&self) -> bool {
        self.0.has_only_capacity()
    }

    /// Returns whether the buffer has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes of the buffer.
    #[inline]
    pub fn buffer(&self) -> &[u8] {
        self.0.buffer()
    }

    /// Returns the bytes of the buffer, to be changed.
    #[inline]
    pub fn buffer_mut(&mut self) -> &mut [u8]
    where
        B: ReadBuffer,
    {
        self.0.buffer_mut()
    }

    /// Returns the buffer and the state, and frees the block. To keep the block,
    /// [`reclaim`](Self::reclaim) them.
    pub fn into_parts(self) -> (B, S) {
        let Carrier { buffer, state } = self.0.into_buffer();
        (buffer, state)
    }

    /// Starts an operation on the whole buffer. Returns the view, to be sent.
    #[doc(alias = "send")]
    #[inline]
    pub fn start<D: Direction>(self) -> View<D>
    where
        B: BufferFor<D>,
    {
        let len = self.len();
        self.start_prefix(len)
    }

    /// Starts an operation on the first `len` bytes of the buffer, or on all if there are fewer.
    /// Returns the view, to be sent.
    #[doc(alias = "send_prefix")]
    #[inline]
    pub fn start_prefix<D: Direction>(self, len: usize) -> View<D>
    where
        B: BufferFor<D>,
    {
        // SAFETY: the buffer suits `D`.
        unsafe { self.start_unchecked(len) }
    }

    /// Starts an operation for any direction.
    ///
    /// # Safety
    /// The region of the buffer is fit for `D`.
    #[inline]
    unsafe fn start_unchecked<D: Direction>(self, len: usize) -> View<D> {
        let len = len.min(self.len());
        let header = self.0.into_raw();
        // SAFETY: the block was the relay's alone; its one unit of COUNT goes to the view. The
        // buffer suits `D`, as the caller promises, and `len` is within it.
        unsafe {
            (*header.as_ptr()).len = len;
            (*header.as_ptr()).state.start_relay(1);
            View::new(header, (*header.as_ptr()).data, 0, len)
        }
    }

    /// Starts `copies` operations, each on the whole buffer, which is only read: to write the same
    /// bytes to several places. The outcome is that of all, one after another: that of number `n`
    /// is its [part](Outcome::part) from `n * len` to `(n + 1) * len`.
    ///
    /// # Panics
    /// If all copies together have more than `usize::MAX` bytes, or there are more than views of
    /// one packet can be counted (see [`View::split_at`]). The relay is dropped.
    #[doc(alias = "send_copies")]
    pub fn start_copies(self, copies: NonZeroUsize) -> Copies
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
    /// Returns the recall, which says whether the relay is still wanted.
    #[inline]
    pub fn recall(&self) -> &R {
        // SAFETY: a relay has a buffer (carrier 1), whose parts are this relay's alone, which is
        // borrowed.
        unsafe { &(*self.0.parts()).buffer.assume_init_ref().1 }
    }

    /// As [`start`](Self::start), for any direction that the buffer within suits.
    #[inline]
    pub(crate) fn start_inner<D: Direction>(self) -> View<D>
    where
        B: BufferFor<D>,
    {
        let len = self.len();
        // SAFETY: the region is that of the buffer within, which suits `D`.
        unsafe { self.start_unchecked(len) }
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
