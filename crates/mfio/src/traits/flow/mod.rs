//! Transfers without a buffer of the caller: bytes are consumed, produced or forwarded in chunks.
//!
//! Closures of the caller run in the poll of the future (or on the blocked thread), never on a
//! thread of a driver, and without a lock: they may take time, panic, and use the same object.

mod chunks;
mod forward;
mod read_with;
mod ring;
mod sink;
mod source;
mod write_with;

pub use chunks::{Chunks, Partial, Verdict};
pub use forward::{Forward, forward};
pub use read_with::ReadWith;
pub(super) use read_with::blocking as read_with_blocking;
pub use write_with::WriteWith;
pub(super) use write_with::blocking as write_with_blocking;
