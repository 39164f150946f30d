//! [`Overlay`]: copy on write.

mod read;
mod state;
mod work;

use crate::blocks;
use crate::identity::identity_over;
use crate::route::{self, missing, within_space};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::future::{Ready, ready};
use core::ops::Range;
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Address, Alignment, Exposed, Identity, PacketIo, Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, PacketPool, RelayPool, View};
use mfio::traits::HasLen;
use rangemap::RangeSet;
use read::{Below, Sides, Tail};
use state::{Extent, State, room};
use work::{Part, Whole};

/// How many writes on their way are prepared for without allocating.
const IN_FLIGHT: usize = 256;

/// How large a granule can be.
const GRANULES: core::ops::RangeInclusive<usize> = 1..=1 << 30;

/// Copy on write: an object that can be changed over a base that is only read. What is written goes to the *top*, at the
/// same addresses; everything else is still read from the base.
///
/// Which of the two has a byte is kept by *granule*. A write of whole granules goes straight to the top, uncopied. A write
/// of a part of a granule that is not in the top first brings it from the base, and stores the whole. Only when a granule
/// is stored it counts as *present*; then reads and writes of it go to the top as they are. Requests are split only where a
/// present granule follows one that is not, or the other way round.
///
/// * What fails, on either side, fails the bytes of the request that are in that granule, which is as it was.
/// * Writes of one granule that is not present follow each other, so that none is lost; 32 granules at a time are brought
///   from the base, and other partial writes wait for that.
/// * The object has the length that was given: it ends there, if within a granule, whose bytes are then as many as there
///   are. Where the base ends before, the bytes behind its end are zeros, and can be written as all others. The base ends
///   where it answers `UnexpectedEof` and gives no byte behind that, in this read or in an earlier one. Every other failure
///   of the base fails the read, or the write that needs those bytes, and so does a piece that is missing within its data.
///
/// The set of present granules is in memory: keep what [`present`](Self::present) gives, and give it to
/// [`with_present`](Self::with_present), to go on with the same top later.
///
/// As every layer over several objects it has no backend; see [`AttachBackend`](crate::AttachBackend).
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
    core: Arc<Core<B, T, P>>,
}

struct Objects<B, T> {
    base: B,
    top: T,
}

/// Does not keep the objects: requests that they have keep this.
struct Core<B, T, P> {
    objects: Weak<Objects<B, T>>,
    extent: Extent,
    state: Lock<State>,
    reads: RelayPool<View<Read>, Below<B, T, P>>,
    wholes: RelayPool<View<Write>, Whole<B, T, P>>,
    parts: RelayPool<AlignedBuf, Part<B, T, P>>,
}

impl<B, T, P> Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Shows `len` bytes of `base`, with zeros behind its end; what is written goes to `top`, in granules of `granule` bytes.
    ///
    /// # Errors
    /// `InvalidInput` where the granule is not a power of two from 1 to 2^30, or where the granule or `len` is no multiple of
    /// the largest block that `base` or `top` asks for ([`alignment`](PacketIo::alignment)).
    pub fn new(base: B, top: T, len: u64, granule: usize) -> Result<Self> {
        Self::with_present(base, top, len, granule, [])
    }

    /// As [`new`](Self::new), where these bytes are in `top` already.
    ///
    /// # Errors
    /// `InvalidInput` where one of `present` does not begin and end where granules do, or lies behind the end.
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
        let alignment = base.alignment().and(top.alignment());
        blocks::check(
            blocks::is_edge(granule as u64, alignment),
            "overlaying",
            "the base or the top takes whole blocks only (`PacketIo::alignment`): a granule must be one, or several",
        )?;
        blocks::check(
            blocks::is_end(len, alignment),
            "overlaying",
            "the base or the top takes whole blocks only (`PacketIo::alignment`): round the length up to whole blocks, as \
             behind the end of the base there are zeros",
        )?;
        let extent = Extent {
            shift: granule.trailing_zeros(),
            len,
        };
        let mut granules = RangeSet::new();
        for bytes in present {
            let aligned = |at: u64| at == len || at < len && at.is_multiple_of(granule as u64);
            if bytes.start > bytes.end || !aligned(bytes.start) || !aligned(bytes.end) {
                return wrong(
                    "what is present begins and ends where granules do, within the object",
                );
            }
            if bytes.start < bytes.end {
                let end = extent.granule_of(bytes.end - 1) + 1;
                granules.insert(extent.granule_of(bytes.start)..end);
            }
        }
        let objects = Arc::new(Objects { base, top });
        Ok(Self {
            core: Arc::new(Core {
                objects: Arc::downgrade(&objects),
                extent,
                state: Lock::new(State::new(granules)),
                reads: RelayPool::new(IN_FLIGHT),
                wholes: RelayPool::new(IN_FLIGHT),
                parts: RelayPool::new(IN_FLIGHT),
            }),
            objects,
        })
    }
}

impl<B, T, P> Overlay<B, T, P> {
    /// What is below.
    pub fn base(&self) -> &B {
        &self.objects.base
    }

    /// Where writes go.
    pub fn top(&self) -> &T {
        &self.objects.top
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.core.extent.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes a granule has.
    pub fn granule(&self) -> usize {
        1 << self.core.extent.shift
    }

    /// Which bytes are in the top, in order; neighbours are one range. Writes that have ended are in it, others may be.
    pub fn present(&self) -> Vec<Range<u64>> {
        let state = self.core.state.lock();
        let bytes = |granules| self.core.extent.bytes(granules);
        state.present.iter().map(bytes).collect()
    }

    /// How many bytes are in the top.
    pub fn present_len(&self) -> u64 {
        let state = self.core.state.lock();
        let len = |granules| {
            let bytes = self.core.extent.bytes(granules);
            bytes.end - bytes.start
        };
        state.present.iter().map(len).sum()
    }
}

impl<P, B, T> PacketIo<Read, P> for Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn send_io(&self, pos: P, view: View<Read>) {
        let (base, tail, top) = (&self.objects.base, &Tail(self), &self.objects.top);
        let sides = Sides { base, tail, top };
        route::split_and_send(pos, view, |at, wanted| {
            sides.segment(&self.core, at, wanted)
        });
    }

    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &mut [u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let (base, tail, top) = (&self.objects.base, &Tail(self), &self.objects.top);
        let sides = Sides { base, tail, top };
        route::transfer_first::<Read, P, P, _>(pos, bytes, |at, wanted| {
            sides.segment(&self.core, at, wanted)
        })
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        let (base, tail, top) = (&self.objects.base, &Tail(self), &self.objects.top);
        let sides = Sides { base, tail, top };
        route::expose_first::<Read, P, P, _>(pos, len, |at, wanted| {
            sides.segment(&self.core, at, wanted)
        })
    }

    fn alignment(&self) -> Alignment {
        let top = PacketIo::<Read, P>::alignment(&self.objects.top);
        self.objects.base.alignment().and(top)
    }

    fn pool(&self) -> Option<&PacketPool> {
        let top = || PacketIo::<Read, P>::pool(&self.objects.top);
        self.objects.base.pool().or_else(top)
    }

    fn identity(&self) -> Identity<'_> {
        identity_over("a copy on write", self.objects.base.identity())
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let top = || PacketIo::<Read, P>::explain(&self.objects.top, cause);
        self.objects.base.explain(cause).or_else(top)
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
        let (view, beyond) = match room(self.core.extent, at, &view) {
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
            self.core
                .write(&self.objects, state::PendingWrite { at, view });
        }
    }

    /// Moves the part that is present; `None` where the first byte is not.
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &[u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let Core { extent, state, .. } = &*self.core;
        let at = pos.to_u64();
        if bytes.is_empty() {
            return Some(Ok(0));
        }
        if at >= extent.len {
            return missing::<Write>(ErrorKind::UnexpectedEof.into());
        }
        let (present, end) = state.lock().run(extent.granule_of(at));
        if !present {
            return None;
        }
        let room = usize::try_from(extent.start(end) - at).unwrap_or(usize::MAX);
        self.objects
            .top
            .transfer_blocking(pos, &bytes[..bytes.len().min(room)])
    }

    fn alignment(&self) -> Alignment {
        self.objects.top.alignment()
    }

    fn pool(&self) -> Option<&PacketPool> {
        self.objects.top.pool()
    }

    fn identity(&self) -> Identity<'_> {
        identity_over("a copy on write", self.objects.base.identity())
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let base = || self.objects.base.explain(cause);
        self.objects.top.explain(cause).or_else(base)
    }
}

impl<B, T, P> HasLen for Overlay<B, T, P> {
    type Len = Ready<Result<u64>>;

    /// As was given, wherever the base ends.
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
