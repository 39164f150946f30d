//! [`PacketPool`]: bounded free lists of idle packets, for borrowed and typed calls.

mod buffers;
mod free_list;

use super::block::Packet;
use crate::error::Cause;

pub(super) use free_list::FreeList;

pub(crate) use buffers::{BorrowedBuf, PoolBuf};

/// Number of idle packets that a [`PacketPool`] keeps of each size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Up to 64 bytes, inside the packet.
    pub small: usize,
    /// Up to 4 KiB, page-aligned.
    pub page: usize,
    /// Up to 64 KiB, page-aligned.
    pub large: usize,
    /// Without memory, for blocking calls, which lend theirs.
    pub empty: usize,
}

impl Default for PoolLimits {
    /// Returns 256 small ones, 64 pages (256 KiB), 16 large ones (1 MiB), 64 empty ones; each is
    /// allocated when first needed.
    fn default() -> Self {
        Self {
            small: 256,
            page: 64,
            large: 16,
            empty: 64,
        }
    }
}

/// Idle packets of an object, bounded in number, so that calls with borrowed or typed values
/// allocate nothing in the steady state. Lock-free. Larger packets than all sizes are allocated,
/// and freed after their use.
///
/// An object creates one and returns it from [`IoObject::pool`](crate::io::IoObject::pool).
///
/// ```
/// use mfio::packet::{PacketPool, PoolLimits};
///
/// let pool = PacketPool::new(PoolLimits { large: 0, ..Default::default() });
/// assert_eq!(pool.limits().large, 0);
/// ```
#[derive(Debug)]
pub struct PacketPool {
    small: FreeList<PoolBuf>,
    page: FreeList<PoolBuf>,
    large: FreeList<PoolBuf>,
    empty: FreeList<BorrowedBuf>,
}

impl PacketPool {
    /// Creates an empty pool with these limits.
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            small: FreeList::new(limits.small),
            page: FreeList::new(limits.page),
            large: FreeList::new(limits.large),
            empty: FreeList::new(limits.empty),
        }
    }

    /// Returns the limits.
    pub fn limits(&self) -> PoolLimits {
        PoolLimits {
            small: self.small.capacity(),
            page: self.page.capacity(),
            large: self.large.capacity(),
            empty: self.empty.capacity(),
        }
    }

    fn free_list(&self, buffer_len: usize) -> Option<&FreeList<PoolBuf>> {
        match buffer_len {
            PoolBuf::SMALL => Some(&self.small),
            PoolBuf::PAGE => Some(&self.page),
            PoolBuf::LARGE => Some(&self.large),
            _ => None,
        }
    }
}

/// Takes a packet of at least `len` bytes from `pool`, or allocates one. Its bytes may have any
/// values.
#[inline]
pub(crate) fn take(pool: Option<&PacketPool>, len: usize) -> Result<Packet<PoolBuf>, Cause> {
    let buffer_len = PoolBuf::size_for(len);
    let kept = pool
        .and_then(|pool| pool.free_list(buffer_len))
        .and_then(FreeList::take);
    match kept {
        Some(packet) => Ok(packet),
        None => Ok(Packet::new(PoolBuf::new(buffer_len)?)),
    }
}

/// As [`take`], with memory at a multiple of `align`, a power of two.
pub(crate) fn take_aligned(
    pool: Option<&PacketPool>,
    len: usize,
    align: usize,
) -> Result<Packet<PoolBuf>, Cause> {
    match align {
        // Memory inside the packet is aligned for values only.
        0..=1 => take(pool, len),
        2..=PoolBuf::PAGE => take(pool, len.max(PoolBuf::SMALL + 1)),
        _ => Ok(Packet::new(PoolBuf::aligned(len, align)?)),
    }
}

/// Returns a packet to `pool`, or frees it if that is full.
#[inline]
pub(crate) fn give(pool: Option<&PacketPool>, packet: Packet<PoolBuf>) {
    if let Some(list) = pool.and_then(|pool| pool.free_list(packet.len())) {
        list.put(packet);
    }
}

/// Takes a packet for borrowed memory.
pub(crate) fn take_empty(pool: Option<&PacketPool>) -> Packet<BorrowedBuf> {
    pool.and_then(|pool| pool.empty.take())
        .unwrap_or_else(|| Packet::new(BorrowedBuf::empty()))
}

/// Returns such a packet, without the memory.
pub(crate) fn give_empty(pool: Option<&PacketPool>, mut packet: Packet<BorrowedBuf>) {
    packet.replace(BorrowedBuf::empty());
    if let Some(pool) = pool {
        pool.empty.put(packet);
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_and_large_buffers_are_not_kept() {
        let pool = PacketPool::new(PoolLimits::default());
        for (len, size) in [
            (0, 64),
            (64, 64),
            (65, 4096),
            (4097, 65_536),
            (65_537, 65_537),
        ] {
            let packet = take(Some(&pool), len).unwrap();
            assert_eq!(packet.len(), size);
            if size >= 4096 {
                assert_eq!(packet.buffer().as_ptr() as usize % 4096, 0);
            }
            let address = packet.buffer().as_ptr();
            give(Some(&pool), packet);
            let again = pool.free_list(size).and_then(FreeList::take);
            assert_eq!(
                again.as_ref().map(|p| p.buffer().as_ptr()),
                (size <= 65_536).then_some(address)
            );
        }
    }

    #[test]
    fn a_pool_that_keeps_nothing_still_works() {
        let pool = PacketPool::new(PoolLimits {
            small: 0,
            page: 0,
            large: 0,
            empty: 0,
        });
        let packet = take(Some(&pool), 1).unwrap();
        give(Some(&pool), packet);
        assert!(pool.small.take().is_none());
    }
}
