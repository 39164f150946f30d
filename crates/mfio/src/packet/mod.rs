//! Requests: buffers, views that split, outcomes per range.
//!
//! A [`Packet`] owns one buffer in one heap block. Starting it yields an [`InFlight`] and a
//! [`View`]:
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
//! * While any view is in flight, the memory is accessed through views only: no code can free it,
//!   read it or move it, whatever is dropped or forgotten. Dropping [`InFlight`] detaches the
//!   operation.
//! * A view ends exactly once. A view that is dropped has failed.
//! * The [`Outcome`] has the failed ranges with their causes, the length of the good prefix, and
//!   the first error.
//! * A packet whose operation has ended can be started again, which allocates nothing. Success
//!   costs two atomic read-modify-writes and no lock, one if the request completed at once.
//!
//! # The life of a request
//!
//! ```text
//!  initiator                      layer                            driver
//!  ─────────                      ─────                            ──────
//!  Packet::start ① ── View ─────► send_io(pos, view)
//!  │                              Relay: the view is its buffer ②
//!  │                              Relay::start ─ View ──split_at─► send_io(pos', part)  ×n
//!  │ polled: pending,                                              fills bytes_mut() in place
//!  │ waker registered ③                                            ends each part once ④
//!  │                              OnEnd::on_end(relay, outcome) ◄─ with the last part
//!  │                              good parts end, failed ones
//!  │                              are sent once more ──── part ──► …
//!  │                              View::resolve ⑤
//!  ▼ ready: Ended ⑥ ◄──────────── the last view has ended
//! ```
//!
//! 1. The memory becomes raw parts in the packet's block; from here on it is accessed through views
//!    only.
//! 2. [`View`] is a [`Buffer`], so a packet with a view works on the same memory: no copy. The
//!    block comes from a [`RelayPool`]: no allocation. There is no future, and no task to poll it;
//!    the state of the relay has a callback.
//! 3. One atomic passes the waker to the views. A view that ends before this wakes nothing.
//! 4. By `done`, `fail` or `done_prefix`, on any thread. Failed ranges are recorded beside the
//!    packet; an initiator that started it with [segments](InFlight::next_segment) gets each at
//!    once. Code that sends or ends a view holds no lock.
//! 5. The layer ends its view, all at once or in parts, once it knows the outcome. It may keep the
//!    view for as long as it likes (a queue, a timer), or drop it, which fails it.
//! 6. The packet, its buffer and the outcome come back together.
//!
//! Cancellation: dropping [`InFlight`] detaches the operation. [`View::is_abandoned`] returns
//! `true` then, through any number of layers, and the end of the last view frees the block. A
//! [`Batch`] sends many buffers as one packet in the same way: one word counts the views of all.

// | file | contents |
// |---|---|
// | `state` | the state word: which side may touch what |
// | `header` | the shared head of a block; the invariants |
// | `block`, `start`, `in_flight`, `view` | `Packet`, its start, `InFlight`, `View` |
// | `ending`, `view/leaving` | the end of a view, and of the last one of a packet |
// | `splitter` | `Splitter`: many parts of a view, counted in advance |
// | `failures`, `outcome`, `ended` | collected failed ranges; `Outcome`; `Ended` |
// | `segments` | `Segment`: ranges that are returned as they end |
// | `relay` | `Relay`, `RelayPool`, `Copies`: requests of a layer |
// | `batch` | `Batch`: many buffers, each with a position, as one packet |
// | `buffer` | the types that a packet can own |
// | `pool` | `PacketPool`: free lists of packets for borrowed and typed calls |

mod batch;
mod block;
mod buffer;
#[cfg(doc)]
mod compile_fail;
mod ended;
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
mod start;
mod state;
mod view;

pub use batch::{Batch, EndedBatch};
pub(crate) use batch::{InFlightBatch, Sends};
pub use block::Packet;
pub use buffer::{
    AlignedBuf, Buffer, BufferFor, ReadBuffer, Recallable, Recalled, Value, WriteBuffer,
};
pub use ended::Ended;
pub use failures::FailedRange;
pub use in_flight::{EndedSegment, InFlight, NextSegment};
pub use outcome::Outcome;
pub(crate) use pool::{
    BorrowedBuf, PoolBuf, give as give_pooled, give_empty, take as take_pooled, take_aligned,
    take_empty,
};
pub use pool::{PacketPool, PoolLimits};
pub use relay::{Copies, OnEnd, Relay, RelayPool};
pub use segments::Segment;
pub use splitter::Splitter;
pub use view::{Parts, View};
