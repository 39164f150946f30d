//! [`PacketPool`]: a bounded number of idle packets, kept for borrowed and typed calls.

/// How many idle packets a [`PacketPool`] keeps of each size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Up to 64 bytes, inside the packet.
    pub small: usize,
    /// Up to 4 KiB, page-aligned.
    pub page: usize,
    /// Up to 64 KiB, page-aligned.
    pub large: usize,
}

impl Default for PoolLimits {
    /// 256 small ones, 64 pages (256 KiB), 16 large ones (1 MiB); each is allocated when first needed.
    fn default() -> Self {
        Self {
            small: 256,
            page: 64,
            large: 16,
        }
    }
}

/// Idle packets of an object, bounded in number. Takes and gives without a lock.
#[derive(Debug)]
pub struct PacketPool {
    limits: PoolLimits,
}

impl PacketPool {
    /// An empty pool that will keep no more than `limits` says.
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits }
    }
}
