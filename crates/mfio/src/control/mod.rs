//! Control operations: what an object can be asked to do besides moving bytes.
//!
//! Users call the methods of [`IoControl`](crate::traits::IoControl), or their blocking forms on
//! [`Blocking`](crate::traits::Blocking). Implementors implement [`ControlIo`]: a [`ControlOp`]
//! arrives with a view, whose end is the end of the operation.
//!
//! | operation | method | effect |
//! |---|---|---|
//! | [`SyncData`], [`SyncAll`] | `sync_data`, `sync_all` | writes that have ended are durable |
//! | [`Discard`] | `discard` | the bytes of a range are no longer needed |
//! | [`WriteZeroes`] | `write_zeroes` | the bytes of a range are zero |
//! | [`Allocate`] | `allocate` | writes to a range do not fail for lack of space |
//! | [`SetLen`], [`Len`] | `set_len`, `len` | change, and tell, the length |
//! | [`Extents`] | `extents`, `extent_at` | tell data from holes |
//! | [`Prefetch`] | `prefetch` | reads of a range will follow |
//! | [`Shutdown`] | `shutdown` | ends a stream: no more bytes are written |
//!
//! A packet carries the answer, so relays, queues, limits, retries, time-outs and outcomes serve
//! control operations without knowing them. Operations without an answer have a view of one byte,
//! which may have any value. An [`Answer`] writes the others.
//!
//! An object that does not support an operation fails it with
//! [`NotSupported`](crate::error::ErrorKind::NotSupported), and tells so beforehand by its
//! [`Capabilities`]. An empty write is no flush: it ends at once.
//!
//! [`SyncData`]: ControlOp::SyncData
//! [`SyncAll`]: ControlOp::SyncAll
//! [`Discard`]: ControlOp::Discard
//! [`WriteZeroes`]: ControlOp::WriteZeroes
//! [`Allocate`]: ControlOp::Allocate
//! [`SetLen`]: ControlOp::SetLen
//! [`Len`]: ControlOp::Len
//! [`Extents`]: ControlOp::Extents
//! [`Prefetch`]: ControlOp::Prefetch
//! [`Shutdown`]: ControlOp::Shutdown

// | file | contents |
// |---|---|
// | `op`, `span` | `ControlOp`: the operations; `Span`: their ranges |
// | `capabilities` | `Capabilities`: a set of kinds of operations |
// | `extent` | `Extent`, and its form in a packet |
// | `answer` | `Answer`: writes an answer into the bytes of a view |
// | `primitive` | `ControlIo` |

mod answer;
mod capabilities;
mod extent;
mod op;
mod primitive;
mod span;

pub use answer::{Answer, answer_with};
pub use capabilities::Capabilities;
pub use extent::{Extent, ExtentKind};
pub use op::{ControlKind, ControlOp, Unmap};
pub use primitive::ControlIo;
pub use span::Span;
