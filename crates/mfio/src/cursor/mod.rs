//! Cursors: an object and a position that moves as bytes are read and written, for code that
//! expects a file or a stream.
//!
//! | type | traits | over | position |
//! |---|---|---|---|
//! | [`Cursor`] | asynchronous | objects with positions: files, memory | one, shared by clones |
//! | `BlockingCursor` | `std::io` | the same | the same |
//! | [`ByteStream`] | asynchronous | objects without positions: pipes, sockets | none |
//! | `BlockingByteStream` | `std::io` | the same | none |
//!
//! `into_blocking` and `into_async` convert between them and keep the position. No type has both
//! kinds of traits, so that `read` is never ambiguous, and `use std::io::Read` in asynchronous code
//! cannot make it block.
//!
//! | traits | feature |
//! |---|---|
//! | `std::io::{Read, Write, Seek}`, without a copy of the caller's memory | `std` |
//! | `futures_io::{AsyncRead, AsyncWrite, AsyncSeek}` | `futures-io` |
//! | `tokio::io::{AsyncRead, AsyncWrite, AsyncSeek}` | `tokio` |
//! | `embedded_io_async::{Read, Write, Seek}` | `embedded-io-async` |
//! | none: the `poll_` methods, on which the asynchronous traits are built | |
//!
//! The asynchronous calls copy each byte once, through a buffer of the cursor, because a future
//! that is dropped or forgotten must not leave the driver with the caller's memory. There is a
//! buffer for each direction. It is allocated when it is first needed, as large as the largest call
//! so far, up to [`CAPACITY`] or the capacity given to `with_capacity`. A call moves no more than
//! that. Once the buffers are allocated, no call allocates.
//!
//! # Reading
//! * A read asks for as many bytes as the caller has room for, never for more. It returns the bytes
//!   that came.
//! * A read that is **dropped** in flight goes on. Its bytes stay in the cursor, and the next read
//!   begins with them, whatever its size. The position moves when bytes are given out, by their
//!   number. A write or a seek discards such bytes; they are read again when needed.
//!   (`SeekFrom::Current(0)`, which only asks for the position, does not.)
//! * Only the end of the data is a read of 0 bytes:
//!   [`UnexpectedEof`](crate::error::ErrorKind::UnexpectedEof) with no byte before it. Every other
//!   failure is an error. If bytes came before the error, they are given out first, and the next
//!   read returns the error.
//!
//! # Writing
//! * An asynchronous write is **accepted**: its bytes are copied and sent, and the call is ready at
//!   once, unless the write before is still in flight. So dropping a pending future has written
//!   nothing, and accepted bytes are never taken back.
//! * An accepted write that fails is reported once, by the next call: of a `Cursor` by any call on
//!   any clone, of a `ByteStream` by a write, flush or close. The position is then that of the
//!   first byte that was not written, and so is the offset in the error. Accepted bytes from there
//!   on are given up.
//! * A flush waits for accepted writes; so do the reads and seeks of a `Cursor`. **Flush before
//!   dropping** the last handle: accepted writes are carried out all the same, but their failure is
//!   not reported. Flushing does not make anything durable: see below. (A runtime that is dropped
//!   first carries out the operations that were sent to it. A layer that holds requests back, such
//!   as a limit, or an overlay that copies first, fails those that it has not sent when it is
//!   dropped: flush cursors over those.)
//! * If writes go to the end of the object, whatever position they name (a file opened for
//!   appending), the position is that end once the write is done, as with std: see
//!   [`IoObject::appends_at`](crate::io::IoObject::appends_at). It is the end at that time, so it
//!   may include concurrent appends of others. Until then it is the end of the write if there are
//!   no others.
//! * Closing a `Cursor` is flushing. The object is closed when it is dropped: see `into_inner`.
//!
//! # Syncing, and the end of a stream
//! * `sync_data` and `sync_all` of a `Cursor` flush, then make the object durable. They need
//!   [`ControlIo`](crate::control::ControlIo), and fail with `NotSupported` where the object does.
//! * `poll_shutdown` of tokio and `poll_close` of futures-io flush a `ByteStream`, then end its
//!   stream, so that tokio's `copy_bidirectional` ends. An object that cannot end its stream is
//!   flushed, and ends it when it is dropped.
//! * Both go on if their call is dropped. The next call of the same kind waits for them; their
//!   failure is reported once, by that call, and the failure of a sync by a flush too.
//!
//! # Seeking
//! Beyond the end is allowed. Before the start, or beyond 2^64 - 1, is
//! [`InvalidInput`](crate::error::ErrorKind::InvalidInput), and the position stays. A seek that is
//! dropped while it is pending has not happened, and the next one asks anew (but see
//! [`Cursor::poll_seek`]). The end is known of objects that are [`HasLen`](crate::traits::HasLen).
//!
//! # Examples
//! The traits of std are shown at `BlockingCursor` and `BlockingByteStream`. Those of tokio:
//! ```
//! use mfio::backend::{Integration, integrations::null::Null};
//! use mfio::cursor::Cursor;
//! use mfio::memory::Memory;
//! use std::{io::SeekFrom, sync::Arc};
//! use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
//!
//! let io = Arc::new(Memory::new(b"some bytes".to_vec()));
//! let mut cursor = Cursor::new(io.clone());
//! let task = Null::run_with(io, async move |_: &Arc<Memory>| {
//!     cursor.write_all(b"more").await?;
//!     cursor.seek(SeekFrom::Start(0)).await?;
//!     let mut text = String::new();
//!     cursor.read_to_string(&mut text).await?;
//!     Ok::<_, std::io::Error>(text)
//! });
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! assert_eq!(runtime.block_on(task)?, "more bytes");
//! # Ok::<_, std::io::Error>(())
//! ```
//! Those of futures-io:
//! ```
//! use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
//! use mfio::backend::IoBackendExt;
//! use mfio::cursor::Cursor;
//! use mfio::memory::Memory;
//! use std::io::SeekFrom;
//!
//! let io = Memory::new(b"some bytes".to_vec());
//! let mut cursor = Cursor::new(&io);
//! io.block_on(async {
//!     cursor.seek(SeekFrom::End(-5)).await?;
//!     cursor.write_all(b"times").await?;
//!     cursor.close().await
//! })?;
//! assert_eq!(io.to_vec(), b"some times");
//! # Ok::<_, std::io::Error>(())
//! ```
//! Those of embedded-io-async, which need no std:
//! ```
//! use embedded_io_async::{Read, Seek, SeekFrom};
//! use mfio::backend::IoBackendExt;
//! use mfio::cursor::Cursor;
//! use mfio::memory::Memory;
//!
//! let io = Memory::new(b"some bytes".to_vec());
//! let mut cursor = Cursor::new(&io);
//! let mut word = [0; 5];
//! io.block_on(async {
//!     cursor.seek(SeekFrom::Current(5)).await?;
//!     cursor.read_exact(&mut word).await
//! })
//! .expect("there are five more");
//! assert_eq!(&word, b"bytes");
//! ```

mod async_cursor;
#[cfg(feature = "std")]
mod blocking;
mod byte_stream;
mod durable;
#[cfg(feature = "embedded-io-async")]
mod embedded;
#[cfg(feature = "futures-io")]
mod futures;
#[cfg(all(test, mfio_loom))]
mod loom_models;
mod reading;
mod seek;
mod state;
mod state_lock;
mod store;
mod stream_end;
mod syncs;
#[cfg(feature = "tokio")]
mod tokio;
mod writing;

pub use async_cursor::Cursor;
#[cfg(feature = "std")]
pub use blocking::{BlockingByteStream, BlockingCursor};
pub use byte_stream::ByteStream;
pub use seek::SeekFrom;
pub use store::CAPACITY;

/// Implements `AsyncWrite` of futures-io or tokio, which differ in the name of one method.
#[cfg(any(feature = "futures-io", feature = "tokio"))]
macro_rules! async_write {
    ($trait:ident, $close:ident) => {
        async_write!(
            $trait, Cursor: PacketIo<crate::io::Write>,
            /// Flushes. The object is closed when it is dropped.
            $close: poll_flush
        );
        async_write!(
            $trait, ByteStream: PacketIo<crate::io::Write, NoPos>, crate::control::ControlIo,
            /// Flushes, and ends the stream: see [`ByteStream::poll_shutdown`].
            $close: poll_shutdown
        );
    };
    (
        $trait:ident, $cursor:ident: $bound:path $(, $more:path)?,
        #[$doc:meta] $close:ident: $end:ident
    ) => {
        impl<Io: $bound $(+ $more)?> $trait for $cursor<Io> {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<Result<usize>> {
                $cursor::poll_write(self.get_mut(), cx, bytes).map_err(Into::into)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                $cursor::poll_flush(self.get_mut(), cx).map_err(Into::into)
            }

            #[$doc]
            fn $close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                $cursor::$end(self.get_mut(), cx).map_err(Into::into)
            }
        }
    };
}
#[cfg(any(feature = "futures-io", feature = "tokio"))]
use async_write;
