//! [`Exposed`]: memory of an object, shared instead of copied.

use alloc::sync::Arc;
use core::fmt;
use core::ops::{Bound, Deref, RangeBounds};

/// Shared ownership of immutable bytes: the memory that an object returns from
/// [`PacketIo::expose`](super::PacketIo::expose). Also a buffer to write from.
///
/// Cloning and slicing copy no bytes.
///
/// ```
/// use mfio::io::Exposed;
/// use std::sync::Arc;
///
/// let all = Exposed::from(Arc::<[u8]>::from(&b"hello, world"[..]));
/// let world = all.slice(7..);
/// assert_eq!(&*world, b"world");
/// assert_eq!(world.as_ptr(), all[7..].as_ptr(), "the same memory");
/// ```
#[derive(Clone)]
pub struct Exposed {
    owner: SharedBytes,
    /// Within the owner's bytes.
    start: usize,
    end: usize,
}

#[derive(Clone)]
enum SharedBytes {
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
    #[cfg(feature = "bytes")]
    Bytes(bytes::Bytes),
}

impl SharedBytes {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            SharedBytes::Static(bytes) => bytes,
            SharedBytes::Shared(bytes) => bytes,
            #[cfg(feature = "bytes")]
            SharedBytes::Bytes(bytes) => bytes,
        }
    }
}

impl Exposed {
    fn new(owner: SharedBytes) -> Self {
        let end = owner.bytes().len();
        Self {
            owner,
            start: 0,
            end,
        }
    }

    /// Returns a part of the bytes. A range beyond the end is cut off there.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let len = self.len();
        let from = match range.start_bound() {
            Bound::Included(&n) => n.min(len),
            Bound::Excluded(&n) => n.saturating_add(1).min(len),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&n) => n.saturating_add(1).min(len),
            Bound::Excluded(&n) => n.min(len),
            Bound::Unbounded => len,
        };
        Self {
            owner: self.owner.clone(),
            start: self.start + from,
            end: self.start + to.max(from),
        }
    }
}

impl Deref for Exposed {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.owner.bytes()[self.start..self.end]
    }
}

impl From<&'static [u8]> for Exposed {
    fn from(bytes: &'static [u8]) -> Self {
        Self::new(SharedBytes::Static(bytes))
    }
}

impl From<Arc<[u8]>> for Exposed {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::new(SharedBytes::Shared(bytes))
    }
}

#[cfg(feature = "bytes")]
impl From<bytes::Bytes> for Exposed {
    fn from(bytes: bytes::Bytes) -> Self {
        Self::new(SharedBytes::Bytes(bytes))
    }
}

impl fmt::Debug for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposed").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_makes_a_slice() {
        let all = Exposed::from(&b"0123456789"[..]);
        assert_eq!(&*all.slice(2..5).slice(1..), b"34");
        assert_eq!(&*all.slice(..=3), b"0123");
        assert_eq!(&*all.slice(8..20), b"89");
        assert!(all.slice(20..).is_empty());
        #[expect(clippy::reversed_empty_ranges, reason = "whatever is asked for")]
        let nothing = all.slice(5..2);
        assert!(nothing.is_empty());
        assert!(all.slice(..=usize::MAX).len() == 10);
    }
}
