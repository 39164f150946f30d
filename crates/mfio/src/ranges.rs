//! Many ranges of one object, read together: [`Ranges`], for
//! [`IoRead::read_ranges`](crate::traits::IoRead::read_ranges).
//!
//! ```
//! use mfio::backend::IoBackendExt;
//! use mfio::memory::Memory;
//! use mfio::traits::IoRead;
//!
//! let io = Memory::new((0..=255).collect::<Vec<u8>>());
//! let ended = io.block_on(io.read_ranges([250..260, 3..5, 4..7, 9..9]));
//! assert_eq!(ended.get(1)?, [3, 4]);
//! assert_eq!(ended.get(2)?, [4, 5, 6]);
//! assert_eq!(ended.get(3)?, []);
//! let error = ended.get(0).unwrap_err();
//! assert_eq!(error.good, [250, 251, 252, 253, 254, 255]);
//! assert_eq!(
//!     error.to_string(),
//!     "read of 10 bytes at offset 250 failed: unexpected end of data [memory]"
//! );
//! # Ok::<_, mfio::error::Error>(())
//! ```
//!
//! Ranges that are near each other are coalesced into one request, within the limits of [`Merge`];
//! results are slices of its memory, so nothing is copied. Coalescing does not change any result:
//! if a coalesced request fails, each of its ranges that shows a failure is read once more, by
//! itself, and that result counts. So there is at most one more request for each range, and a range
//! fails only if it would fail alone.
//!
//! A list that is used again, with [`into_ranges`](EndedRanges::into_ranges), allocates nothing:
//!
//! ```
//! # use mfio::backend::IoBackendExt;
//! # use mfio::memory::Memory;
//! # use mfio::traits::IoRead;
//! use mfio::ranges::{Merge, Ranges};
//!
//! # let io = Memory::new((0..=255).collect::<Vec<u8>>());
//! # io.block_on(async {
//! let mut ranges = Ranges::new(Merge::default());
//! for round in 0..3 {
//!     ranges.extend((0..10).map(|i| round + i * 20..round + i * 20 + 4));
//!     let ended = io.read_ranges(ranges).await;
//!     assert_eq!(ended.requests(), 1, "they were merged");
//!     for result in ended.iter() {
//!         assert_eq!(result?.len(), 4);
//!     }
//!     ranges = ended.into_ranges();
//! }
//! # Ok::<_, mfio::error::Error>(())
//! # })?;
//! # Ok::<_, mfio::error::Error>(())
//! ```

mod alone;
mod ended;
mod layout;
mod sending;

pub use ended::{EndedRanges, RangeError};
pub(crate) use sending::Sending;

use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Alignment, Exposed};
use crate::packet::{AlignedBuf, Packet};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

/// Limits for coalescing ranges, and for the memory and the bytes in flight.
///
/// Reading a gap in vain pays if it takes less time than another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Largest gap between two ranges that is read in vain to save a request, in bytes.
    pub gap: usize,
    /// Maximum length of a coalesced request, in bytes. A longer range is a request of its own.
    pub limit: usize,
    /// Maximum number of bytes in flight; a single longer request is allowed.
    pub in_flight: usize,
    /// Maximum memory of all results together, in bytes. If they need more, the longest requests
    /// fail with [`OutOfMemory`](ErrorKind::OutOfMemory), because lengths may come from untrusted
    /// input. While ranges of failed requests are read once more, another
    /// [`in_flight`](Self::in_flight) bytes are used, or those of one longer range.
    pub memory: usize,
}

impl Merge {
    /// For local files: gaps of 4 KiB, requests of 256 KiB, 8 MiB in flight, 1 GiB of memory.
    ///
    /// Measured with 8-byte reads of a cached file (the example `ranges_timing` of `mfio-rt`): 0.6
    /// µs for a request; coalesced, 20 to 90 ns for each range up to 1 KiB apart, 0.25 µs at 2 KiB,
    /// as long as a request at 4 KiB, longer beyond.
    pub const LOCAL: Self = Self {
        gap: 4 << 10,
        limit: 256 << 10,
        in_flight: 8 << 20,
        memory: 1 << 30,
    };

    /// For object stores and other objects whose requests take milliseconds: gaps of 1 MiB, as in
    /// the crate `object_store`, requests of 8 MiB, 64 MiB in flight, 1 GiB of memory.
    pub const REMOTE: Self = Self {
        gap: 1 << 20,
        limit: 8 << 20,
        in_flight: 64 << 20,
        memory: 1 << 30,
    };
}

impl Default for Merge {
    /// Returns [`Merge::LOCAL`].
    fn default() -> Self {
        Self::LOCAL
    }
}

/// A list of ranges to be read together, and the memory for their bytes. See the [module](self).
///
/// The ranges may have any order, overlap, and be empty: each has its own result. A range that ends
/// before it begins fails with [`InvalidInput`](ErrorKind::InvalidInput). An empty range succeeds
/// at any position.
///
/// A list that is used again keeps its memory.
pub struct Ranges<P: Address = u64> {
    merge: Merge,
    /// In the order of `push`.
    wanted: Vec<Wanted>,
    /// Indices of the ranges to read, sorted by their starts. Only its memory outlives a plan.
    order: Vec<usize>,
    requests: Vec<RangeRequest>,
    /// The parts of the packet to send: the requests that have memory.
    pieces: Vec<Piece>,
    /// `None` while it is in flight.
    packet: Option<Packet<AlignedBuf>>,
    /// Number of bytes of the packet in use.
    total: usize,
    /// Requirements of the object.
    alignment: Alignment,
    position: PhantomData<fn(P) -> P>,
}

/// One range.
struct Wanted {
    start: u64,
    len: usize,
    place: RangeMemory,
}

/// The memory of a range.
enum RangeMemory {
    /// Not known yet.
    Unplanned,
    /// In the request with this index; once it has memory, at this offset of the packet.
    Request(usize),
    Memory(usize),
    /// At this offset of the packet, read by itself. After a failure: the number of good bytes,
    /// and the cause.
    Alone {
        at: usize,
        failed: Option<(usize, Cause)>,
    },
    /// In the object's own memory.
    Exposed(Exposed),
    /// None: the range was not sent.
    Refused(Cause),
    /// None: the range is empty.
    Empty,
}

/// Ranges that are read by one request.
struct RangeRequest {
    start: u64,
    end: u64,
    /// `None` if there is no memory for it.
    offset: Option<usize>,
}

impl RangeRequest {
    /// Returns the length. It fits `usize`, as that of every range does.
    fn len(&self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(usize::MAX)
    }
}

/// A part of the packet, and its position.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Piece {
    offset: usize,
    len: usize,
    start: u64,
}

impl<P: Address> Ranges<P> {
    /// Creates an empty list.
    pub fn new(merge: Merge) -> Self {
        Self {
            merge,
            wanted: Vec::new(),
            order: Vec::new(),
            requests: Vec::new(),
            pieces: Vec::new(),
            packet: None,
            total: 0,
            alignment: Alignment::NONE,
            position: PhantomData,
        }
    }

    /// Adds a range.
    pub fn push(&mut self, range: Range<P>) {
        let (start, end) = (range.start.to_u64(), range.end.to_u64());
        let refused = |kind| (0, RangeMemory::Refused(Cause::new(kind)));
        let (len, place) = match end.checked_sub(start).map(usize::try_from) {
            Some(Ok(0)) => (0, RangeMemory::Empty),
            Some(Ok(len)) => (len, RangeMemory::Unplanned),
            Some(Err(_)) => refused(ErrorKind::OutOfMemory),
            None => refused(ErrorKind::InvalidInput),
        };
        self.wanted.push(Wanted { start, len, place });
    }

    /// Returns the number of ranges.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether there are no ranges.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Removes all ranges and keeps the memory.
    pub fn clear(&mut self) {
        self.wanted.clear();
        self.requests.clear();
    }

    /// Returns the limits.
    pub fn merge(&self) -> Merge {
        self.merge
    }

    /// Sets the limits.
    pub fn set_merge(&mut self, merge: Merge) {
        self.merge = merge;
    }
}

impl<P: Address> Default for Ranges<P> {
    fn default() -> Self {
        Self::new(Merge::default())
    }
}

impl<P: Address> Extend<Range<P>> for Ranges<P> {
    fn extend<T: IntoIterator<Item = Range<P>>>(&mut self, ranges: T) {
        ranges.into_iter().for_each(|range| self.push(range));
    }
}

impl<P: Address> FromIterator<Range<P>> for Ranges<P> {
    fn from_iter<T: IntoIterator<Item = Range<P>>>(ranges: T) -> Self {
        let mut this = Self::default();
        this.extend(ranges);
        this
    }
}

impl<P: Address, const N: usize> From<[Range<P>; N]> for Ranges<P> {
    fn from(ranges: [Range<P>; N]) -> Self {
        ranges.into_iter().collect()
    }
}

impl<P: Address> From<Vec<Range<P>>> for Ranges<P> {
    fn from(ranges: Vec<Range<P>>) -> Self {
        Self::from_iter(ranges)
    }
}

impl<P: Address> From<&[Range<P>]> for Ranges<P> {
    fn from(ranges: &[Range<P>]) -> Self {
        ranges.iter().cloned().collect()
    }
}

impl<P: Address> fmt::Debug for Ranges<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges")
            .field("len", &self.len())
            .field("merge", &self.merge)
            .finish_non_exhaustive()
    }
}
