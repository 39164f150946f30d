//! Requests: buffers, views that split, outcomes per range.
//!
//! A [`Packet`] owns one buffer in one heap block. Started, it comes apart into two sides:
//!
//! ```text
//!                      Packet::start::<D>
//!   Packet ─────────────────┬──────────────────┐
//!     ▲                     ▼                  ▼
//!     │                 InFlight             View ──split_at──► View, View, …
//!     │               (the initiator)      (the drivers)          │
//!     │                     │                  │ done / fail / done_prefix / drop
//!     │                     │ awaited          ▼                  ▼
//!     └──────── Ended ◄─────┴───────── when the last view has ended
//!        packet + outcome   │
//!                           └ dropped: the last view frees the packet
//! ```
//!
//! * While any view is in flight, the memory is reached through views only: no code can free it, read it or move it,
//!   whatever is dropped or forgotten. Dropping [`InFlight`] detaches the operation.
//! * A view ends exactly once. Dropped without being resolved it has failed.
//! * The [`Outcome`] says which ranges failed and why, the length of the good prefix, and the first error.
//! * A packet that came back can be started again, which allocates nothing. Success costs two atomic read-modify-writes
//!   and no lock, one where the request was answered at once.
//!
//! | file | what |
//! |---|---|
//! | `state` | the state word: who may touch what |
//! | `header` | what both sides share; the invariants |
//! | `block`, `in_flight`, `view` | [`Packet`], [`InFlight`], [`View`] |
//! | `outcome`, `failures` | [`Outcome`], [`Ended`]; how failed ranges are collected |
//! | `buffer` | what can be sent |
//! | `pool` | [`PacketPool`]: packets kept for borrowed and typed calls |

mod batch;
mod block;
mod buffer;
#[cfg(doc)]
mod compile_fail;
mod failures;
mod header;
mod in_flight;
#[cfg(all(test, mfio_loom))]
mod loom_models;
mod outcome;
mod pool;
mod relay;
mod segments;
mod state;
mod view;

pub use batch::{Batch, EndedBatch};
pub(crate) use batch::{InFlightBatch, Sends};
pub use block::Packet;
pub use buffer::{AlignedBuf, Buffer, BufferFor, ReadBuffer, Value, WriteBuffer};
pub use in_flight::{EndedSegment, InFlight, NextSegment};
pub use outcome::{Ended, FailedRange, Outcome, Parts};
pub(crate) use pool::{
    Loan, PoolBuf, give as give_pooled, give_empty, take as take_pooled, take_empty,
};
pub use pool::{PacketPool, PoolLimits};
pub use relay::{Copies, OnEnd, Relay, RelayPool};
pub use segments::Segment;
pub use view::View;
