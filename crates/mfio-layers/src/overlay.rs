//! [`Overlay`]: copy on write.

mod control;
mod read;
mod shared;
mod state;
mod work;

use crate::alignment;
use crate::identity::identity_over;
use crate::route::{self, missing, within_space};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Ready, ready};
use core::ops::{Range, RangeInclusive};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Address, Alignment, Exposed, Identity, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::{PacketPool, View};
use mfio::traits::HasLen;
use read::{Sides, Tail, Zeros};
use shared::{Objects, OverlayShared};
use state::{Extent, PendingWrite, Side, room};

/// The sizes that a granule can have, in bytes.
const GRANULES: RangeInclusive<usize> = 1..=1 << 30;

/// Copy on write: a writable object over a base that is only read. Writes go to the *top*, at the
/// same addresses; all other bytes are read from the base.
///
/// The side that has a byte is recorded by *granule*. A write of whole granules goes to the top
/// uncopied. A write of a part of a granule that is not in the top first copies the granule from
/// the base, and stores the whole. A granule that is stored is *present*: reads and writes of it go
/// to the top as they are. Requests are split only where present granules meet others.
///
/// * A failure on either side fails the bytes of the request in that granule, which stays as it
///   was.
/// * Writes of a granule that is not present follow each other, so that none is lost. 32 granules
///   at a time are copied from the base, and other partial writes wait.
/// * The object has the length that was given, within a granule too, which is short then. Where the
///   base ends before, the bytes behind its end are zeros, and writable. The end of the base is
///   where it answers `UnexpectedEof` and has given no byte behind that, in this read or an earlier
///   one. Every other failure of the base fails the read, or the write that needs those bytes, and
///   so does a gap within its data.
///
/// The sets of present granules, and of those that are zero, are in memory. To continue with the
/// same top later, save the results of [`present_and_zeros`](Self::present_and_zeros), and give
/// them to [`with_present`](Self::with_present) and [`with_zeros`](Self::with_zeros).
///
/// # Control operations
///
/// The base gets none. `NotSupported` are those that are not in the table, and those of the top
/// that it does not support.
///
/// | operation | what the layer does |
/// |---|---|
/// | `SyncData`, `SyncAll` | syncs the top; the sets are for the program to save |
/// | `Discard` | makes the whole granules in the range zero; see below |
/// | `WriteZeroes` | makes the whole granules in the range zero; see below |
/// | `Allocate` | allocates the granules that the range touches in the top |
/// | `Len` | answers the given length |
/// | `Extents` | granules that are zero are holes, all others data; asks no object |
/// | `Prefetch` | forwards it to the top |
///
/// A sync covers the writes that have ended. Granules become zero without I/O and without asking
/// for storage. `WriteZeroes` writes zeros to the rest of the range; `Discard` ignores the rest,
/// and discards the granules in the top, if that supports it.
///
/// As every layer over several objects it has no backend; see
/// [`AttachBackend`](crate::AttachBackend).
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
/// use mfio_layers::{AttachBackend, Overlay, BackendSet};
/// use std::sync::Arc;
///
/// let base = Arc::new(Memory::new(b"never changed".to_vec()));
/// let top = Arc::new(Memory::new(vec![0; 13]));
/// let overlay = Overlay::<_, _>::new(base.clone(), top.clone(), 13, 4)?;
/// let io = AttachBackend::new(overlay, BackendSet::new([base.clone(), top])?);
/// io.block_on(async {
///     io.write_all_at(b"Al", 0).await?;
///     io.write_all_at(b"ays ", 4).await?;
///     assert_eq!(io.read_vec_at(0, 100).await?, b"Alveays anged");
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// assert_eq!(io.inner().present(), [0..8]);
/// assert_eq!(base.to_vec(), b"never changed");
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Overlay<B, T, P = u64> {
    objects: Arc<Objects<B, T>>,
    shared: Arc<OverlayShared<B, T, P>>,
}

impl<B, T, P> Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Presents `len` bytes of `base`, with zeros behind its end. Writes go to `top`, in granules
    /// of `granule` bytes.
    ///
    /// # Errors
    /// `InvalidInput` where the granule is not a power of two from 1 to 2^30, or where the granule
    /// or `len` is no multiple of the largest block that `base` or `top` asks for
    /// ([`alignment`](IoObject::alignment)).
    pub fn new(base: B, top: T, len: u64, granule: usize) -> Result<Self> {
        Self::with_present(base, top, len, granule, [])
    }

    /// Creates an overlay as [`new`](Self::new) does, with these bytes in `top` already.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and `InvalidInput` where one of `present` does not begin and end
    /// where granules do, or lies behind the end.
    pub fn with_present(
        base: B,
        top: T,
        len: u64,
        granule: usize,
        present: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self> {
        let wrong = |help| Err(Error::new(ErrorKind::InvalidInput, "overlaying").help(help));
        if !granule.is_power_of_two() || !GRANULES.contains(&granule) {
            return wrong("a granule is a power of two, from 1 byte to 1 GiB");
        }
        let alignment = base
            .alignment(Operation::Read)
            .and(top.alignment(Operation::Write));
        alignment::check(
            alignment::is_edge(granule as u64, alignment),
            "overlaying",
            "the base or the top takes whole blocks only (`IoObject::alignment`): a granule must \
             be one, or several",
        )?;
        alignment::check(
            alignment::is_end(len, alignment),
            "overlaying",
            "the base or the top takes whole blocks only (`IoObject::alignment`): round the length \
             up to whole blocks, as behind the end of the base there are zeros",
        )?;
        let extent = Extent {
            shift: granule.trailing_zeros(),
            len,
        };
        let granules = extent.ranges(present)?;
        let objects = Arc::new(Objects { base, top });
        Ok(Self {
            shared: Arc::new(OverlayShared::new(&objects, extent, granules)),
            objects,
        })
    }
}

impl<B, T, P> Overlay<B, T, P> {
    /// Returns the object below, which is only read.
    pub fn base(&self) -> &B {
        &self.objects.base
    }

    /// Returns the object that has the written bytes.
    pub fn top(&self) -> &T {
        &self.objects.top
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.shared.extent.len
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of a granule in bytes.
    pub fn granule(&self) -> usize {
        1 << self.shared.extent.shift
    }

    /// Returns the ranges of bytes that are in the top, in order and without neighbours. Writes
    /// that have ended are included, others may be.
    pub fn present(&self) -> Vec<Range<u64>> {
        self.present_and_zeros().0
    }

    /// Returns the ranges of bytes that were set to zero, or discarded, and not written since, in
    /// order and without neighbours. They are in neither object. Operations that have ended are
    /// included, others may be.
    pub fn zeros(&self) -> Vec<Range<u64>> {
        self.present_and_zeros().1
    }

    /// Returns [`present`](Self::present) and [`zeros`](Self::zeros) of the same moment: a write,
    /// or zeros, between two calls would move a granule that neither result has.
    pub fn present_and_zeros(&self) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
        let state = self.shared.state.lock();
        let bytes = |granules| self.shared.extent.bytes(granules);
        let present = state.present.iter().map(bytes).collect();
        (present, state.zeros.iter().map(bytes).collect())
    }

    /// Sets these bytes to zero, whatever the objects hold there: to continue with the result of
    /// [`zeros`](Self::zeros) of an earlier overlay.
    ///
    /// # Errors
    /// `InvalidInput` where a range does not begin and end where granules do, or lies behind the
    /// end.
    pub fn with_zeros(self, zeros: impl IntoIterator<Item = Range<u64>>) -> Result<Self> {
        let granules = self.shared.extent.ranges(zeros)?;
        let mut state = self.shared.state.lock();
        granules
            .into_iter()
            .for_each(|granules| state.set_zero(granules));
        drop(state);
        Ok(self)
    }

    /// Returns how many bytes are in the top.
    pub fn present_len(&self) -> u64 {
        let state = self.shared.state.lock();
        let len = |granules| {
            let bytes = self.shared.extent.bytes(granules);
            bytes.end - bytes.start
        };
        state.present.iter().map(len).sum()
    }
}

impl<B: IoObject, T: IoObject, P> IoObject for Overlay<B, T, P> {
    fn identity(&self) -> Identity<'_> {
        identity_over("a copy on write", self.objects.base.identity())
    }

    /// Asks the top first about writes, and the base first about others.
    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let base = || self.objects.base.explain(Operation::Read, cause);
        let top = || self.objects.top.explain(operation, cause);
        match operation {
            Operation::Write => top().or_else(base),
            _ => base().or_else(top),
        }
    }

    fn pool(&self) -> Option<&PacketPool> {
        let Objects { base, top } = &*self.objects;
        base.pool().or_else(|| top.pool())
    }

    /// Returns the alignment of the top for writes, and that of both for others.
    fn alignment(&self, operation: Operation) -> Alignment {
        let top = self.objects.top.alignment(operation);
        match operation {
            Operation::Write => top,
            _ => top.and(self.objects.base.alignment(operation)),
        }
    }
}

impl<P, B, T> Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Read, P> + Send + Sync + 'static,
{
    /// Calls `read` with the objects that reads may go to.
    #[inline]
    fn with_sides<R>(
        &self,
        read: impl FnOnce(&Sides<'_, P>, &Arc<OverlayShared<B, T, P>>) -> R,
    ) -> R {
        let Objects { base, top } = &*self.objects;
        let shared = &self.shared;
        let sides = Sides {
            base,
            tail: &Tail { base, shared },
            top,
            zeros: &Zeros,
        };
        read(&sides, shared)
    }
}

impl<P, B, T> PacketIo<Read, P> for Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn send_io(&self, pos: P, view: View<Read>) {
        self.with_sides(|sides, shared| {
            route::split_and_send(pos, view, |at, wanted| sides.route(shared, at, wanted));
        });
    }

    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &mut [u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        self.with_sides(|sides, shared| {
            route::transfer_first::<Read, P, P, _>(pos, bytes, |at, wanted| {
                sides.route(shared, at, wanted)
            })
        })
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.with_sides(|sides, shared| {
            route::expose_first::<Read, P, P, _>(pos, len, |at, wanted| {
                sides.route(shared, at, wanted)
            })
        })
    }
}

impl<P, B, T> PacketIo<Write, P> for Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    fn send_io(&self, pos: P, view: View<Write>) {
        let at = pos.to_u64();
        let view = within_space::<P, Write>(at, view);
        let (view, beyond) = match room(self.shared.extent, at, &view) {
            room if room == view.len() => (view, None),
            room => {
                let (view, beyond) = view.split_at(room);
                (view, Some(beyond))
            }
        };
        if let Some(beyond) = beyond {
            beyond.fail(ErrorKind::UnexpectedEof);
        }
        if view.is_empty() {
            view.done();
        } else {
            self.shared.write(&self.objects, PendingWrite { at, view });
        }
    }

    /// Writes the present part; `None` where the first byte is not present.
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &[u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let OverlayShared { extent, state, .. } = &*self.shared;
        let at = pos.to_u64();
        if bytes.is_empty() {
            return Some(Ok(0));
        }
        if at >= extent.len {
            return missing::<Write>(ErrorKind::UnexpectedEof.into());
        }
        let (side, end) = state.lock().run(extent.granule_of(at));
        if side != Side::Top {
            return None;
        }
        let room = usize::try_from(extent.start(end) - at).unwrap_or(usize::MAX);
        self.objects
            .top
            .transfer_blocking(pos, &bytes[..bytes.len().min(room)])
    }
}

impl<B, T, P> HasLen for Overlay<B, T, P> {
    type Len = Ready<Result<u64>>;

    /// Returns the given length, wherever the base ends.
    fn io_len(&self) -> Self::Len {
        ready(Ok(self.len()))
    }
}

impl<B, T, P> fmt::Debug for Overlay<B, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("len", &self.len())
            .field("granule", &self.granule())
            .field("present", &self.present_len())
            .finish_non_exhaustive()
    }
}
