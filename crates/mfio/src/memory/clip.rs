//! Bounds of requests.

/// Returns the part of a request for `len` bytes at `pos` within `size` bytes.
#[inline(always)]
pub(super) fn clip(size: usize, pos: u64, len: usize) -> core::ops::Range<usize> {
    let start = usize::try_from(pos).map_or(size, |pos| pos.min(size));
    start..start.saturating_add(len).min(size)
}
