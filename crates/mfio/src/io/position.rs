//! Positions in objects.

use core::fmt::Debug;

/// The position in an object at which a request begins.
pub trait Position: Copy + Send + Sync + Unpin + Debug + 'static {
    /// Whether bytes move in the order of the requests, whatever their positions. A read of such an
    /// object may end with the bytes available: the remaining bytes fail with
    /// [`WouldBlock`](crate::error::ErrorKind::WouldBlock).
    const SEQUENTIAL: bool = false;

    /// Returns the position `bytes` further on, or `None` on overflow.
    fn advance(self, bytes: usize) -> Option<Self>;

    /// Returns the position as an offset for messages, or `None` if it has none.
    fn offset(self) -> Option<u64>;
}

macro_rules! positions {
    ($($int:ty),*) => {$(
        impl Position for $int {
            #[inline]
            fn advance(self, bytes: usize) -> Option<Self> {
                self.checked_add(bytes.try_into().ok()?)
            }

            #[inline]
            fn offset(self) -> Option<u64> {
                self.try_into().ok()
            }
        }
    )*};
}
positions!(u64, u32, usize);

/// A position with arithmetic, for layers that map one address space onto another.
pub trait Address: Position + Ord {
    /// Returns the address as a number.
    fn to_u64(self) -> u64;

    /// Returns the address of a number, or `None` if the type has no such address.
    fn from_u64(number: u64) -> Option<Self>;
}

macro_rules! addresses {
    ($($int:ty),*) => {$(
        impl Address for $int {
            #[inline]
            fn to_u64(self) -> u64 {
                self as u64
            }

            #[inline]
            fn from_u64(number: u64) -> Option<Self> {
                number.try_into().ok()
            }
        }
    )*};
}
addresses!(u64, u32, usize);

/// The position type of streams, which have no positions: pipes, sockets, terminals. Bytes move in
/// the order of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoPos;

impl Position for NoPos {
    const SEQUENTIAL: bool = true;

    #[inline]
    fn advance(self, _: usize) -> Option<Self> {
        Some(NoPos)
    }

    #[inline]
    fn offset(self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_end_where_their_type_ends() {
        assert_eq!(5u64.advance(3), Some(8));
        assert_eq!(u64::MAX.advance(1), None);
        assert_eq!(u32::MAX.advance(0), Some(u32::MAX));
        assert_eq!(0u32.advance(usize::MAX), None);
        assert_eq!(7usize.offset(), Some(7));
        assert_eq!(NoPos.advance(usize::MAX), Some(NoPos));
        assert_eq!(NoPos.offset(), None);
        assert_eq!(7u32.to_u64(), 7);
        assert_eq!(u32::from_u64(1 << 32), None);
    }
}
