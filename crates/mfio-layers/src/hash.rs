//! A hash function for numbers.

/// Hashes a number. The upper bits of the result are good, for neighbours and for numbers at any
/// fixed distance.
#[inline]
pub(crate) fn hash(number: u64) -> u64 {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread ^ (spread >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}
