//! Reading and writing: what every [`PacketIo`] can do.
//!
//! | form | memory | copies | allocates |
//! |---|---|---|---|
//! | [`read`](IoRead::read), [`write`](IoWrite::write) | a plain value | one | nothing, through the object's pool |
//! | [`read_all`](IoRead::read_all), [`read_some`](IoRead::read_some), … | borrowed | one | nothing up to 64 KiB, through the pool |
//! | [`read_buf`](IoRead::read_buf), … | an owned buffer, given back | none | one packet |
//! | [`read_to_vec`](IoRead::read_to_vec) | a new vector, of the bytes that come | none | the vector and one packet |
//! | [`read_to_end`](IoRead::read_to_end) | a borrowed vector, which grows | one | as the vector grows |
//! | [`read_packet`](IoRead::read_packet), … | a packet, given back | none | nothing |
//! | [`read_batch`](IoRead::read_batch), … | many buffers with a position each, given back | none | nothing |
//! | [`read_ranges`](IoRead::read_ranges) | a list of ranges with memory for them, given back | none | nothing |
//! | [`read_pipeline`](IoRead::read_pipeline), … | owned buffers, given back one by one, so many at once | none | nothing |
//! | [`read_with`](IoRead::read_with), [`write_with`](IoWrite::write_with), [`forward`] | chunks of the object's pool, or its own memory | none | nothing, through the pool |
//! | [`blocking`](BlockingIo::blocking) | borrowed, while the thread waits | none | nothing, through the pool |
//! | [`scope`](crate::scope::scope) | lent, within a synchronous call | none | one packet |
//!
//! The `async` forms are lazy: nothing is sent before the first poll. Dropping a future detaches its operation: it may
//! still happen, but touches no memory of yours. Their types have names and are `Send` where the object is `Sync`.
//!
//! `read_all` and `write_all` succeed only if every byte did. The `some` forms say how many bytes from the start did
//! without a gap, and fail only if none did; a `read_some` at the end of the data gives 0.
//!
//! Reads fill the length of a buffer, never its capacity, always. An owned buffer with a capacity
//! and no length, as `Vec::with_capacity(n)` makes it, would be read into without effect; it fails
//! with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) instead: use `vec![0; n]`. One with
//! neither is an empty read.

mod batch;
mod blocking;
mod borrowed;
mod each;
mod extent;
mod flow;
mod len;
mod lending;
mod owned;
mod pooled;
mod ranges;
mod read;
mod to_end;
mod to_vec;
mod value;
mod write;

pub use batch::TransferBatch;
#[cfg(feature = "std")]
pub(crate) use blocking::moved;
pub use blocking::{Blocking, BlockingIo};
pub use borrowed::{ReadAll, ReadInto, ReadSome, WriteAll, WriteFrom, WriteSome};
pub use each::TransferEach;
pub use extent::{Extent, Prefix, Whole};
pub use flow::{Chunks, Forward, Partial, ReadWith, Verdict, WriteWith, forward};
pub use len::HasLen;
pub(crate) use owned::failure_of_buffer;
pub use owned::{TransferBuf, TransferBufSome, TransferOwned, TransferPacket};
pub use ranges::ReadRanges;
pub use read::IoRead;
pub use to_end::ReadToEnd;
#[cfg(feature = "bytes")]
pub use to_vec::ReadBytes;
pub use to_vec::ReadToVec;
pub use value::ReadValue;
pub use write::IoWrite;

use crate::error::{Cause, Error};
use crate::io::{Address, Direction, PacketIo, Position};

/// As [`failure`], of the part of an operation that begins `done` bytes after its position.
#[cold]
fn failure_at<D, P, Io>(io: &Io, pos: P, done: u64, len: usize, cause: Cause) -> Error
where
    D: Direction,
    P: Address,
    Io: PacketIo<D, P> + ?Sized,
{
    let offset = pos.to_u64().saturating_add(done);
    failure::<D, P, Io>(io, pos, len, cause).offset(offset)
}

/// What went wrong with an operation, as the user is told.
#[cold]
pub(crate) fn failure<D, P, Io>(io: &Io, pos: P, len: usize, cause: Cause) -> Error
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
{
    failure_of::<D, P, Io>(io, D::VERB, pos, len, cause)
}

/// [`failure`] of an operation of any name. `D` is a direction in which `io` can be asked what it is.
#[cold]
pub(crate) fn failure_of<D, P, Io>(
    io: &Io,
    operation: &'static str,
    pos: P,
    len: usize,
    cause: Cause,
) -> Error
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
{
    let mut error = Error::new(cause, operation)
        .len(len as u64)
        .identity(io.identity());
    if let Some(offset) = pos.offset() {
        error = error.offset(offset);
    }
    if let Some(help) = io.explain(cause) {
        error = error.help(help);
    }
    error
}
