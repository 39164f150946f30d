//! Numbers that look random, from numbers that do not.

/// A hash: neither neighbours nor numbers at any distance are alike, in their upper bits.
#[inline]
pub(crate) fn hash(number: u64) -> u64 {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread ^ (spread >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}
