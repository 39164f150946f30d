//! Many ranges of one object, read together: [`Ranges`], for [`IoRead::read_ranges`](crate::traits::IoRead::read_ranges).
//!
//! Ranges that are near each other are merged into one request, as far as [`Merge`] lets them; the
//! results are views into the merged memory, so nothing is copied. That they were merged shows in
//! no result: where a merged request fails, each of its ranges that shows a failure is read once
//! more, by itself, and ends as that does. So there is at most one further request for each range,
//! whatever fails, and a range fails only where it would fail alone.
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
//! Used again, with [`into_ranges`](EndedRanges::into_ranges), nothing is allocated:
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

/// When ranges are read by one request, and how much at once.
///
/// What is fewer bytes apart than a request costs is worth reading in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// How many bytes may be read in vain between two ranges, to save a request.
    pub gap: usize,
    /// How long a merged request is at most. A range that is longer is a request of its own.
    pub limit: usize,
    /// How many bytes may be on their way at once, or one request where that is longer.
    pub in_flight: usize,
    /// How many bytes all results have together at most. Where they would have more, the longest
    /// requests fail with [`OutOfMemory`](ErrorKind::OutOfMemory): lengths may come from outside.
    /// While ranges of failed requests are read once more there is memory for
    /// [`in_flight`](Self::in_flight) bytes, or one range where that is longer, besides.
    pub memory: usize,
}

impl Merge {
    /// For files of this machine: 4 KiB in vain, requests up to 256 KiB, 8 MiB on their way, 1 GiB in memory.
    ///
    /// Measured with 8-byte reads of a cached file (the example `ranges_timing` of `mfio-rt`): 0.6 µs for a request;
    /// merged, 20 to 90 ns for ranges up to 1 KiB apart, 0.25 µs at 2 KiB, as long as a request at 4 KiB, longer beyond.
    pub const LOCAL: Self = Self {
        gap: 4 << 10,
        limit: 256 << 10,
        in_flight: 8 << 20,
        memory: 1 << 30,
    };

    /// For object stores and other places where a request takes milliseconds: 1 MiB in vain, which is what the crate
    /// `object_store` uses, requests up to 8 MiB, 64 MiB on their way, 1 GiB in memory.
    pub const REMOTE: Self = Self {
        gap: 1 << 20,
        limit: 8 << 20,
        in_flight: 64 << 20,
        memory: 1 << 30,
    };
}

impl Default for Merge {
    /// [`Merge::LOCAL`].
    fn default() -> Self {
        Self::LOCAL
    }
}

/// A list of ranges to be read together, and the memory for their bytes. See the [module](self).
///
/// In any order, overlapping or not, empty or not: each has its own result. One that ends before it begins fails with
/// [`InvalidInput`](ErrorKind::InvalidInput). An empty one succeeds wherever it is.
///
/// The memory is kept when it is used again: as much as was ever needed.
pub struct Ranges<P: Address = u64> {
    merge: Merge,
    /// In the order in which they were given.
    wanted: Vec<Wanted>,
    /// Numbers of those that are to be read, by where they begin. Only its memory outlives a plan.
    order: Vec<usize>,
    requests: Vec<Request>,
    /// What is sent: the requests that have memory.
    pieces: Vec<Piece>,
    /// `None` while it is in flight.
    packet: Option<Packet<AlignedBuf>>,
    /// How much of the packet is in use.
    total: usize,
    /// What the object asks for.
    alignment: Alignment,
    position: PhantomData<fn(P) -> P>,
}

/// One range.
struct Wanted {
    start: u64,
    len: usize,
    place: Place,
}

/// Where the bytes of a range are, or will be.
enum Place {
    /// Not known yet.
    Unplanned,
    /// In the request of this number; once there is memory, at this offset in it.
    Request(usize),
    Memory(usize),
    /// At this offset in memory, read by itself: how many bytes are good and why the next one is
    /// not, where one failed.
    Alone {
        at: usize,
        failed: Option<(usize, Cause)>,
    },
    /// In the object's own memory.
    Exposed(Exposed),
    /// Nowhere: it was not asked for.
    Refused(Cause),
    /// It has none.
    Empty,
}

/// Ranges that are read as one.
struct Request {
    start: u64,
    end: u64,
    /// `None`: there is no memory for it.
    offset: Option<usize>,
}

impl Request {
    /// A request is never longer than can be counted, as one range is not.
    fn len(&self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(usize::MAX)
    }
}

/// A part of the packet that is sent somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Piece {
    offset: usize,
    len: usize,
    start: u64,
}

impl<P: Address> Ranges<P> {
    /// An empty list.
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
        let refused = |kind| (0, Place::Refused(Cause::new(kind)));
        let (len, place) = match end.checked_sub(start).map(usize::try_from) {
            Some(Ok(0)) => (0, Place::Empty),
            Some(Ok(len)) => (len, Place::Unplanned),
            Some(Err(_)) => refused(ErrorKind::OutOfMemory),
            None => refused(ErrorKind::InvalidInput),
        };
        self.wanted.push(Wanted { start, len, place });
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Forgets all ranges and keeps the memory.
    pub fn clear(&mut self) {
        self.wanted.clear();
        self.requests.clear();
    }

    /// When ranges are merged.
    pub fn merge(&self) -> Merge {
        self.merge
    }

    /// Changes when ranges are merged.
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
