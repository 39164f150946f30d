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
//! # The life of a request
//!
//! ```text
//!  initiator                      layer                            driver
//!  ─────────                      ─────                            ──────
//!  Packet::start ① ── View ─────► send_io(pos, view)
//!  │                              Relay: the view is its buffer ②
//!  │                              Relay::send ── View ──split_at─► send_io(pos', part)  ×n
//!  │ polled: pending,                                              fills bytes_mut() in place
//!  │ waker registered ③                                            ends each part once ④
//!  │                              OnEnd::on_end(relay, outcome) ◄─ with the last part
//!  │                              good parts end, failed ones
//!  │                              are sent once more ──── part ──► …
//!  │                              View::resolve ⑤
//!  ▼ ready: Ended ⑥ ◄──────────── the last view has ended
//! ```
//!
//! 1. The memory becomes raw parts in the packet's block; from here on only views reach it.
//! 2. [`View`] is a [`Buffer`], so that the packet which takes it over works on the same memory: nothing is copied. The
//!    block comes from a [`RelayPool`]: nothing is allocated. There is no future and nobody to poll it; the state that the
//!    relay carries is told of the end where that happens.
//! 3. One atomic hands the waker over to the side of the views. A view that ends before this wakes nobody.
//! 4. By `done`, `fail` or `done_prefix`, on any thread. Failed ranges are written down beside the packet; an initiator that
//!    asked for [segments](InFlight::next_segment) is told of each at once. Whoever sends a part, or ends one, holds no lock.
//! 5. The layer ends what it was sent, all at once or in parts, when it knows what became of it. It may as well keep it for as
//!    long as it likes (a queue, a timer), or drop it, which fails it.
//! 6. The packet, its buffer and the outcome come back together.
//!
//! Who gives up: [`InFlight`] is dropped ⇒ the operation is detached, [`View::is_abandoned`] says so through any number of
//! layers, and whoever ends the last view frees the block. A [`Batch`] goes the same way with many buffers as one packet: one
//! word counts the views of all.
//!
//! | file | what |
//! |---|---|
//! | `state` | the state word: who may touch what |
//! | `header` | what both sides share; the invariants |
//! | `block`, `in_flight`, `view` | [`Packet`], [`InFlight`], [`View`] |
//! | `ending` | what ends a view, and the last one of a packet |
//! | `splitter` | [`Splitter`]: many parts of a view, counted in advance |
//! | `outcome`, `failures` | [`Outcome`], [`Ended`], [`Parts`]; how failed ranges are collected |
//! | `segments` | [`Segment`]: ranges that are told of as they end |
//! | `relay` | [`Relay`], [`RelayPool`], [`Copies`]: what a layer sends on behalf of others |
//! | `batch` | [`Batch`]: many buffers, each at a position of its own, as one packet |
//! | `buffer` | what can be sent |
//! | `pool` | [`PacketPool`]: packets kept for borrowed and typed calls |

mod batch;
mod block;
mod buffer;
#[cfg(doc)]
mod compile_fail;
mod ending;
mod failures;
mod header;
mod in_flight;
#[cfg(all(test, mfio_loom))]
mod loom_models;
mod outcome;
mod pool;
mod relay;
mod segments;
mod splitter;
mod state;
mod view;

pub use batch::{Batch, EndedBatch};
pub(crate) use batch::{InFlightBatch, Sends};
pub use block::Packet;
pub use buffer::{
    AlignedBuf, Buffer, BufferFor, ReadBuffer, Recallable, Recalled, Value, WriteBuffer,
};
pub use in_flight::{EndedSegment, InFlight, NextSegment};
pub use outcome::{Ended, FailedRange, Outcome, Parts};
pub(crate) use pool::{
    Loan, PoolBuf, give as give_pooled, give_empty, take as take_pooled, take_aligned, take_empty,
};
pub use pool::{PacketPool, PoolLimits};
pub use relay::{Copies, OnEnd, Relay, RelayPool};
pub use segments::Segment;
pub use splitter::Splitter;
pub use view::View;
