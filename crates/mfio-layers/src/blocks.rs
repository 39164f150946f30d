//! [`Blocks`]: any request over an object that takes whole blocks.

mod buffers;
mod control;
mod geometry;
mod modify;
mod ordered;
mod read;
mod shared;
mod write;

use crate::forward::{forward_backend, forward_len};
use crate::route::within_space;
use crate::steps::OnPanic;
use alloc::sync::Arc;
use core::fmt;
use core::ops::RangeInclusive;
use geometry::Geometry;
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Address, Alignment, Exposed, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::View;
use shared::BlocksShared;

/// The sizes that a block can have, in bytes.
const BLOCKS: RangeInclusive<usize> = 1..=1 << 20;

/// Takes requests of any position, length and memory, and sends whole aligned blocks to the object
/// below, such as a file that bypasses the page cache.
///
/// * **Aligned requests** are forwarded as they are. A read costs nothing more; a write is ordered
///   among those that overlap it, without a lock where it is the only one.
/// * **Other reads** read whole blocks into memory of the layer, and copy the bytes. Whole blocks
///   in the middle of a long read go to the caller's memory, if that is aligned.
/// * **Other writes** read the first and the last block, change their bytes, and write them back
///   (read-modify-write). Whole blocks between them are written from the caller's memory if that is
///   aligned, and are copied otherwise.
///
/// **Writes to one block** are carried out in the order in which they came, each when the one
/// before has ended. So all bytes of concurrent writes are kept, also where they share a block. Up
/// to a million writes wait; one more fails with [`LimitReached`](ErrorKind::LimitReached). Writes
/// to different blocks do not wait for each other. All writes to the object must go through this
/// layer: a write that bypasses it is lost if a block is written back at the same time.
///
/// **Failures**: bytes are reported as written if the object has written them. A block that cannot
/// be read fails the bytes of the write in that block, and is not changed. A failed write back may
/// have changed any byte of its block if the object writes blocks in part.
///
/// **The last block** may be short. Where its bytes are missing, reads and writes of them fail with
/// [`UnexpectedEof`](ErrorKind::UnexpectedEof) if the object has a fixed length. An object that
/// grows by writes, such as a file, grows by whole blocks, with zeros behind the bytes of the
/// write: afterwards, set its length.
///
/// **Memory**: up to 32 buffers of 64 KiB, or of one block if that is more, are allocated when they
/// are needed, and kept. Requests wait when all are in use. In the steady state nothing is
/// allocated.
///
/// # Control operations
///
/// They are sent to the object, and are supported where it supports them.
///
/// | operation | what the layer does |
/// |---|---|
/// | `SyncData`, `SyncAll` | forwards it: nothing is kept in the layer |
/// | `Discard` | forwards it for the whole blocks in the range, and ignores the rest |
/// | `WriteZeroes` | forwards it for the whole blocks in the range; see below |
/// | `Allocate` | forwards it for the blocks that the range touches |
/// | `SetLen` | forwards it, ordered with the writes to the last block; see below |
/// | `Len` | forwards it |
/// | `Extents` | asks about the blocks that the range touches, and cuts the answer to the range |
/// | `Prefetch` | forwards it for the blocks that the range touches |
/// | `Shutdown` | forwards it |
///
/// `WriteZeroes` sets the bytes of the first and the last block to zero by read-modify-write, in
/// the order of the writes to these blocks. `SetLen` is sent when the writes to the last block, and
/// behind it, have ended; later ones wait for it. A length within a block makes the last one short.
///
/// # Cancel safety
/// Dropping a future of a write that was sent does not cancel it. When the layer is dropped, writes
/// that wait fail with [`Dropped`](ErrorKind::Dropped).
///
/// The backend of the object drives the layer too.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
/// use mfio_layers::Blocks;
///
/// let disk = Blocks::<_>::with_block(Memory::new(vec![0; 4096]), 512)?;
/// disk.block_on(async {
///     disk.write_all_at(b"across two blocks", 500).await?;
///     assert_eq!(disk.read_vec_at(507, 3).await?, b"two");
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Blocks<Io, P = u64> {
    inner: Arc<Io>,
    shared: Arc<BlocksShared<Io, P>>,
}

impl<Io: IoObject, P: Address> Blocks<Io, P> {
    /// Takes any request for `inner`, whose [`alignment`](IoObject::alignment) tells the size of a
    /// block.
    ///
    /// # Errors
    /// `InvalidInput` where the object is a stream, or appends wherever writes go.
    pub fn new(inner: Io) -> Result<Self> {
        let block = required(&inner).block();
        Self::with_block(inner, block)
    }

    /// Takes any request for `inner`, and sends blocks of `block` bytes.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and `InvalidInput` where `block` is not a power of two from 1 to
    /// 2^20, or less than a block that the object asks for.
    pub fn with_block(inner: Io, block: usize) -> Result<Self> {
        let refused = |help| Err(Error::new(ErrorKind::InvalidInput, "making blocks").help(help));
        let required = required(&inner);
        if !block.is_power_of_two() || !BLOCKS.contains(&block) {
            return refused("a block is a power of two, from 1 byte to 1 MiB");
        }
        if block < required.block() {
            return refused("the object takes larger blocks only (`IoObject::alignment`)");
        }
        if required.is_in_order() || inner.appends_at().is_some() {
            return refused("a block is read and written at its position, which a stream lacks");
        }
        let inner = Arc::new(inner);
        let geometry = Geometry::new(block, required.memory());
        Ok(Self {
            shared: Arc::new(BlocksShared::new(&inner, geometry)),
            inner,
        })
    }
}

/// Returns the alignment that suits reads and writes, as a write may have to read.
fn required(inner: &impl IoObject) -> Alignment {
    let read = inner.alignment(Operation::Read);
    read.and(inner.alignment(Operation::Write))
}

impl<Io, P> Blocks<Io, P> {
    /// Returns the object. Do not write to it while writes to this layer are under way.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns the size of a block in bytes.
    pub fn block(&self) -> usize {
        self.shared.geometry.block()
    }

    /// Returns how many writes wait for others to the same blocks.
    pub fn waiting(&self) -> usize {
        self.shared.gate.order().waiting()
    }
}

impl<Io: IoObject, P> IoObject for Blocks<Io, P> {
    #[inline]
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&*self.inner)
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let refused = || {
            let own =
                cause == ErrorKind::LimitReached.into() && self.shared.gate.order().has_refused();
            own.then_some("too many writes wait for others to the same blocks: send fewer at once")
        };
        self.inner.explain(operation, cause).or_else(refused)
    }

    /// Returns no requirements.
    #[inline]
    fn alignment(&self, _: Operation) -> Alignment {
        Alignment::NONE
    }
}

impl<P, Io> PacketIo<Read, P> for Blocks<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Read>) {
        let Self { inner, shared } = self;
        let at = pos.to_u64();
        let address = view.as_mut_ptr().addr();
        if shared.geometry.is_aligned(at, address, view.len()) {
            return inner.send_io(pos, view);
        }
        shared.read(inner, at, within_space::<P, Read>(at, view));
    }

    /// Transfers aligned requests only.
    #[inline]
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &mut [u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let Self { inner, shared } = self;
        let address = bytes.as_ptr().addr();
        let aligned = shared
            .geometry
            .is_aligned(pos.to_u64(), address, bytes.len());
        aligned.then(|| PacketIo::<Read, P>::transfer_blocking(&**inner, pos, bytes))?
    }

    /// Exposes the blocks around, and returns the part.
    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        let (first, last) = self.shared.geometry.blocks(pos.to_u64(), len as u64)?;
        let within = (pos.to_u64() - first) as usize;
        let whole = usize::try_from(last - first).ok()?.checked_add(1)?;
        let exposed = self.inner.expose(P::from_u64(first)?, whole)?;
        let part = exposed.slice(within..within + len);
        (!part.is_empty()).then_some(part)
    }
}

impl<P, Io> PacketIo<Write, P> for Blocks<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Write>) {
        let at = pos.to_u64();
        self.shared
            .write(&self.inner, at, within_space::<P, Write>(at, view));
    }

    /// Transfers aligned requests only, while no other write is under way.
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &[u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let Self { inner, shared } = self;
        let (at, len) = (pos.to_u64(), bytes.len());
        let address = bytes.as_ptr().addr();
        if !shared.geometry.is_aligned(at, address, len) {
            return None;
        }
        let (first, last) = shared.geometry.blocks(at, len as u64)?;
        let number = shared.gate.alone(first, last)?;
        let panicked = OnPanic(|| shared.finish(number));
        let result = PacketIo::<Write, P>::transfer_blocking(&**inner, pos, bytes);
        core::mem::forget(panicked);
        shared.finish(number);
        result
    }
}

forward_backend!([Io, P] Blocks<Io, P>, Io, |layer| &layer.inner);
forward_len!([Io, P] Blocks<Io, P>, Io, |layer| &layer.inner);

impl<Io, P> Drop for Blocks<Io, P> {
    fn drop(&mut self) {
        // Ends the writes without the lock.
        let left = self.shared.gate.order().close();
        drop(left);
    }
}

impl<Io: fmt::Debug, P> fmt::Debug for Blocks<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("inner", &self.inner)
            .field("block", &self.block())
            .finish_non_exhaustive()
    }
}
