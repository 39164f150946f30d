//! Reading and writing: the methods of every [`PacketIo`].
//!
//! Names and arguments follow std's `FileExt`: the buffer, then the position, and `_at` in the
//! name. Streams have the same methods without `_at` and without a position: [`StreamRead`],
//! [`StreamWrite`].
//!
//! | form | memory | copies | allocates |
//! |---|---|---|---|
//! | [`read_value_at`] | a plain value | one | nothing (pool) |
//! | [`read_exact_at`], [`read_at`] | borrowed | one | nothing up to 64 KiB (pool) |
//! | [`read_exact_buf_at`], [`read_buf_at`] | owned, returned with the result | none | one packet |
//! | [`read_vec_at`] | a new vector, of the bytes read | none | the vector, one packet |
//! | [`read_to_end_at`] | a borrowed vector, which grows | one | as the vector grows |
//! | [`read_packet_at`] | a packet, returned with the outcome | none | nothing |
//! | [`read_batch`] | owned, each with its own position, returned together | none | nothing |
//! | [`read_ranges`] | ranges of one buffer, returned together | none | nothing |
//! | [`read_pipeline`] | owned, returned one by one, a bounded number in flight | none | nothing |
//! | [`read_with_at`], [`forward`] | chunks, or the object's own memory | none | nothing (pool) |
//! | [`blocking`](BlockingIo::blocking) | borrowed, until it returns | none | nothing (pool) |
//! | [`scope`](crate::scope::scope) | lent, within a synchronous call | none | one packet |
//!
//! Writes have the same forms: [`write_value_at`], [`write_all_at`], [`write_at`],
//! [`write_all_buf_at`], [`write_buf_at`], [`write_packet_at`], [`write_batch`], [`write_pipeline`]
//! and [`write_with_at`]. "Pool" is the [`PacketPool`](crate::packet::PacketPool) of the object; an
//! object without one allocates.
//!
//! Futures are lazy: they send nothing before their first poll. Dropping a future detaches its
//! operation, which may still happen but touches no memory of the caller's. The types of the
//! futures have names, and are `Send` if the object is `Sync`.
//!
//! The forms named `exact` and `all` succeed only if every byte was moved. The others return the
//! number of bytes moved from the start without a gap, and fail only if there were none; a read at
//! end of file returns 0.
//!
//! Operations that move no bytes (syncs, holes, lengths, the end of a stream) are the methods of
//! [`IoControl`].
//!
//! [`DynObject`] is the trait object of a whole object, for stacks that are built at run time.
//!
//! Reads fill the length of a buffer, never its capacity. An owned buffer with a capacity and no
//! length, such as `Vec::with_capacity(n)`, fails with
//! [`InvalidInput`](crate::error::ErrorKind::InvalidInput), because nothing would be read into it:
//! use `vec![0; n]`. A buffer with neither is an empty read.
//!
//! [`read_value_at`]: IoRead::read_value_at
//! [`read_exact_at`]: IoRead::read_exact_at
//! [`read_at`]: IoRead::read_at
//! [`read_exact_buf_at`]: IoRead::read_exact_buf_at
//! [`read_buf_at`]: IoRead::read_buf_at
//! [`read_vec_at`]: IoRead::read_vec_at
//! [`read_to_end_at`]: IoRead::read_to_end_at
//! [`read_packet_at`]: IoRead::read_packet_at
//! [`read_batch`]: IoRead::read_batch
//! [`read_ranges`]: IoRead::read_ranges
//! [`read_pipeline`]: IoRead::read_pipeline
//! [`read_with_at`]: IoRead::read_with_at
//! [`write_value_at`]: IoWrite::write_value_at
//! [`write_all_at`]: IoWrite::write_all_at
//! [`write_at`]: IoWrite::write_at
//! [`write_all_buf_at`]: IoWrite::write_all_buf_at
//! [`write_buf_at`]: IoWrite::write_buf_at
//! [`write_packet_at`]: IoWrite::write_packet_at
//! [`write_batch`]: IoWrite::write_batch
//! [`write_pipeline`]: IoWrite::write_pipeline
//! [`write_with_at`]: IoWrite::write_with_at

mod batch;
mod blocking;
mod borrowed;
mod completeness;
mod control;
mod dyn_object;
mod each;
mod flow;
mod len;
mod lending;
mod owned;
mod pooled;
mod ranges;
mod read;
mod stage;
mod stream;
mod to_end;
mod to_vec;
mod transfer;
mod value;
mod write;

pub use batch::TransferBatch;
pub use blocking::{Blocking, BlockingIo};
pub use borrowed::{ReadExact, ReadInto, ReadSome, WriteAll, WriteFrom, WriteSome};
pub use completeness::{Completeness, Prefix, Whole};
pub use control::{
    ControlBatch, ControlCall, ControlLen, EndedControls, ExtentAt, IoControl, ListExtents,
};
pub(crate) use control::{SentControl, failure as control_failure};
pub use dyn_object::{BoxedLen, DynObject};
pub use each::TransferEach;
pub use flow::{Chunks, Forward, Partial, ReadWith, Verdict, WriteWith, forward};
pub use len::HasLen;
pub(crate) use owned::failure_of_buffer;
pub use owned::{TransferBufExact, TransferBufSome, TransferOwned, TransferPacket};
pub use ranges::ReadRanges;
pub use read::IoRead;
pub use stream::{StreamRead, StreamWrite};
pub use to_end::ReadToEnd;
#[cfg(feature = "bytes")]
pub use to_vec::ReadBytes;
pub use to_vec::ReadVec;
#[cfg(feature = "std")]
pub(crate) use transfer::moved;
pub use value::ReadValue;
pub use write::IoWrite;

use crate::error::{Cause, Error};
use crate::io::{Address, Direction, IoObject, Operation, PacketIo, Position};

/// Builds the error of the part of an operation that begins `done` bytes after its position.
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

/// Builds the error of an operation, as the user sees it.
#[cold]
pub(crate) fn failure<D, P, Io>(io: &Io, pos: P, len: usize, cause: Cause) -> Error
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
{
    failure_of(io, D::OPERATION, D::VERB, pos, len, cause)
}

/// Builds the error of an operation with a name of its own.
#[cold]
pub(crate) fn failure_of<P, Io>(
    io: &Io,
    operation: Operation,
    name: &'static str,
    pos: P,
    len: usize,
    cause: Cause,
) -> Error
where
    P: Position,
    Io: IoObject + ?Sized,
{
    let mut error = Error::new(cause, name)
        .len(len as u64)
        .identity(io.identity());
    if let Some(offset) = pos.offset() {
        error = error.offset(offset);
    }
    if let Some(help) = io.explain(operation, cause) {
        error = error.help(help);
    }
    error
}
