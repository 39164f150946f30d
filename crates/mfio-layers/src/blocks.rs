//! Whether a layer begins and ends where blocks of the object below do.
//!
//! A layer reports the alignment of what is below it, and splits requests where its parts end. So a request that keeps to the
//! alignment stays aligned only where each part begins and ends with a block. A layer that would not keep that is refused
//! when it is built: there is no alignment by which it could be used.

use mfio::error::{Error, ErrorKind, Result};
use mfio::io::Alignment;

/// Ends that no object reaches: a part with such an end is not cut there.
const FAR: u64 = i64::MAX as u64;

/// Whether a part may begin, or end, at this address below.
pub(crate) fn is_edge(at: u64, alignment: Alignment) -> bool {
    alignment.excess(at) == 0
}

/// Whether a part may end at this address below.
pub(crate) fn is_end(at: u64, alignment: Alignment) -> bool {
    at >= FAR || is_edge(at, alignment)
}

/// Refuses a layer unless its parts are as they must be; `help` says how.
pub(crate) fn check(aligned: bool, operation: &'static str, help: &'static str) -> Result<()> {
    match aligned {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, operation).help(help)),
    }
}
