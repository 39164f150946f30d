//! [`PacketPool`]: a bounded number of idle packets, kept for borrowed and typed calls.

mod buffers;
mod shelf;

use super::block::Packet;
use crate::error::Cause;

pub(super) use shelf::Shelf;

pub(crate) use buffers::{Loan, PoolBuf};

/// How many idle packets a [`PacketPool`] keeps of each size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Up to 64 bytes, inside the packet.
    pub small: usize,
    /// Up to 4 KiB, page-aligned.
    pub page: usize,
    /// Up to 64 KiB, page-aligned.
    pub large: usize,
    /// Without memory of their own, for blocking calls.
    pub empty: usize,
}

impl Default for PoolLimits {
    /// 256 small ones, 64 pages (256 KiB), 16 large ones (1 MiB), 64 empty ones; each is allocated when first needed.
    fn default() -> Self {
        Self {
            small: 256,
            page: 64,
            large: 16,
            empty: 64,
        }
    }
}

/// Idle packets of an object, bounded in number, so that calls with borrowed or typed values allocate nothing in the
/// steady state. Takes and gives without a lock. What is larger than all sizes is allocated, and freed after its use.
///
/// An object makes one and returns it from [`PacketIo::pool`](crate::io::PacketIo::pool).
///
/// ```
/// use mfio::packet::{PacketPool, PoolLimits};
///
/// let pool = PacketPool::new(PoolLimits { large: 0, ..Default::default() });
/// assert_eq!(pool.limits().large, 0);
/// ```
#[derive(Debug)]
pub struct PacketPool {
    small: Shelf<PoolBuf>,
    page: Shelf<PoolBuf>,
    large: Shelf<PoolBuf>,
    empty: Shelf<Loan>,
}

impl PacketPool {
    /// An empty pool that will keep no more than `limits` says.
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            small: Shelf::new(limits.small),
            page: Shelf::new(limits.page),
            large: Shelf::new(limits.large),
            empty: Shelf::new(limits.empty),
        }
    }

    /// What it was made with.
    pub fn limits(&self) -> PoolLimits {
        PoolLimits {
            small: self.small.capacity(),
            page: self.page.capacity(),
            large: self.large.capacity(),
            empty: self.empty.capacity(),
        }
    }

    fn shelf(&self, buffer_len: usize) -> Option<&Shelf<PoolBuf>> {
        match buffer_len {
            PoolBuf::SMALL => Some(&self.small),
            PoolBuf::PAGE => Some(&self.page),
            PoolBuf::LARGE => Some(&self.large),
            _ => None,
        }
    }
}

/// Takes a packet of at least `len` bytes from `pool` or, where there is none, a new one. Its bytes may hold anything.
#[inline]
pub(crate) fn take(pool: Option<&PacketPool>, len: usize) -> Result<Packet<PoolBuf>, Cause> {
    let buffer_len = PoolBuf::size_for(len);
    let kept = pool
        .and_then(|pool| pool.shelf(buffer_len))
        .and_then(Shelf::take);
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
        // What lies inside the packet is aligned for values only.
        0..=1 => take(pool, len),
        2..=PoolBuf::PAGE => take(pool, len.max(PoolBuf::SMALL + 1)),
        _ => Ok(Packet::new(PoolBuf::aligned(len, align)?)),
    }
}

/// Gives a packet back to `pool`, or frees it where that is full.
#[inline]
pub(crate) fn give(pool: Option<&PacketPool>, packet: Packet<PoolBuf>) {
    if let Some(shelf) = pool.and_then(|pool| pool.shelf(packet.len())) {
        shelf.put(packet);
    }
}

/// Takes a packet for memory that is lent to it.
pub(crate) fn take_empty(pool: Option<&PacketPool>) -> Packet<Loan> {
    pool.and_then(|pool| pool.empty.take())
        .unwrap_or_else(|| Packet::new(Loan::nothing()))
}

/// Gives such a packet back, without the memory.
pub(crate) fn give_empty(pool: Option<&PacketPool>, mut packet: Packet<Loan>) {
    packet.replace(Loan::nothing());
    if let Some(pool) = pool {
        pool.empty.put(packet);
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_and_what_is_large_is_not_kept() {
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
            let again = pool.shelf(size).and_then(Shelf::take);
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
