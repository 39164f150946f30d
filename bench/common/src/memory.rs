//! W9: reads of an object of bytes in memory, the whole cost being the framework's.
//!
//! * `packet`: `--qd` packets of one byte sent, then awaited one after the other; packets are
//!   reused
//! * `u64`: typed reads, one at a time
//! * `block`: reads of 4 KiB into a borrowed buffer, one at a time
//!
//! All of it happens inside one long `block_on`. An operation is one read.

use crate::{Args, Outcome, micro};

/// Bytes of the object: fits the second-level cache.
pub const LEN: usize = 64 << 10;

/// The object's bytes.
pub fn contents() -> Vec<u8> {
    (0..LEN).map(byte_at).collect()
}

/// The byte at `pos`, for checks.
pub fn byte_at(pos: usize) -> u8 {
    (pos ^ (pos >> 8)) as u8
}

/// Positions for reads of up to 4 KiB that stay within the object, spread over it.
#[derive(Clone, Default)]
pub struct Positions(u64);

impl Positions {
    #[inline]
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = (self.0 + 4099) % (LEN as u64 / 2);
        self.0
    }
}

/// The reads of a contestant: each call runs `n` reads within one `block_on`, and checks the bytes
/// against [`byte_at`] if told to.
pub trait Reads {
    fn packets(&mut self, batch: usize, n: u64, check: bool);
    fn typed(&mut self, n: u64, check: bool);
    fn blocks(&mut self, n: u64, check: bool);
}

/// Runs `--op` at batch `--qd`: first a thousand checked reads, then the timed ones.
pub fn run(a: &Args, reads: &mut impl Reads) -> Option<Outcome> {
    const CHECKED: u64 = 1024;
    let n = |default: u64| if a.n == 0 { default } else { a.n };
    Some(match a.op.as_str() {
        "packet" => {
            reads.packets(a.qd, CHECKED, true);
            micro::timed(n(400_000), |n| reads.packets(a.qd, n, false))
        }
        "u64" => {
            reads.typed(CHECKED, true);
            micro::timed(n(200_000), |n| reads.typed(n, false))
        }
        "block" => {
            reads.blocks(CHECKED, true);
            micro::timed(n(200_000), |n| reads.blocks(n, false))
        }
        _ => return None,
    })
}
