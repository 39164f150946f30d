//! Cursors: an object and a position that moves as bytes are read and written, for everything that expects a file or a
//! stream of the usual kind.
//!
//! | type | over | position |
//! |---|---|---|
//! | [`Seekable`] | what is asked by position: files, memory | one, shared by the clones of the cursor |
//! | [`Streaming`] | what has no positions ([`NoPos`](crate::io::NoPos)): pipes, sockets | none |
//!
//! | traits | feature |
//! |---|---|
//! | `std::io::{Read, Write, Seek}`: they wait, and your memory goes down without a copy | `std` |
//! | `futures_io::{AsyncRead, AsyncWrite, AsyncSeek}` | `futures-io` |
//! | `tokio::io::{AsyncRead, AsyncWrite, AsyncSeek}` | `tokio` |
//! | `embedded_io_async::{Read, Write, Seek}` | `embedded-io-async` |
//! | the `poll_` methods of the cursors themselves, on which these are built | |
//!
//! The asynchronous ones copy each byte once, through a buffer of the cursor, because a future that is dropped or
//! forgotten must not leave the driver with your memory. There is a buffer for each direction, made when it is first needed,
//! as large as the calls turn out to be but not larger than [`CAPACITY`], or what the cursor was made with. A call moves
//! no more than that. Once the buffers are there, nothing is allocated.
//!
//! # Reading
//! * A read asks for what the caller has room for, never for more; it ends with what came.
//! * A read that is **dropped** after it was sent goes on. What it brings stays in the cursor, and the next read of it
//!   begins with that, whatever its size. The position moves by what was given out, when it is given out. A write, or a
//!   seek, throws such bytes away: they are read again where they are wanted. (`SeekFrom::Current(0)`, which only asks
//!   where the position is, does not.)
//! * Only the end of the data is a read of 0 bytes: [`UnexpectedEof`](crate::error::ErrorKind::UnexpectedEof) with nothing
//!   before it. Whatever else goes wrong is an error. Where bytes came before the error, they are given out first, and
//!   the next read has the error.
//!
//! # Writing
//! * An asynchronous write is **accepted**: its bytes are copied and sent, and the call is ready at once, unless the one
//!   before is still on its way. So dropping a future that is pending has written nothing, and what was accepted is never
//!   taken back.
//! * An accepted write that fails is reported by the next call, once; for a `Seekable` that is any call on any clone, for a
//!   `Streaming` a write, flush or close. The position is then that of the first byte that was not written, which
//!   is also the offset in the error. What was accepted from there on is given up.
//! * A flush waits for what was accepted; so do the reads and seeks of a `Seekable`. **Flush before you drop** the last
//!   handle: what was accepted is carried out all the same, but nobody hears how that went. Flushing does not ask the
//!   object to make anything durable. (A runtime that ends first carries out what was sent to it. A layer that holds
//!   requests back, such as a limit, or an overlay that copies first, fails what it has not sent when it is dropped: flush
//!   cursors over those.)
//! * Where writes go to the end of the object, whatever position they name (a file opened for appending), the position is
//!   that end when the write has ended, as with std: see [`PacketIo::appends_at`](crate::io::PacketIo::appends_at). It is the
//!   end as of then, so that what others append at the same time may count too. Until then it is where the write would end
//!   if nobody else wrote.
//! * Closing is flushing. The object is closed when it is dropped: see `into_inner`.
//!
//! # Seeking
//! Beyond the end is allowed; before the start, or beyond what 64 bits hold, is
//! [`InvalidInput`](crate::error::ErrorKind::InvalidInput), and the position stays. A seek that is dropped while it is
//! pending has not happened, and the next one asks anew (but see [`Seekable::poll_seek`]). The end is known of objects that are [`HasLen`](crate::traits::HasLen).
//!
//! # Examples
//! The traits of std are shown at [`Seekable`] and [`Streaming`]. Those of tokio:
//! ```
//! use mfio::backend::{Integration, integrations::null::Null};
//! use mfio::cursor::Seekable;
//! use mfio::memory::Memory;
//! use std::{io::SeekFrom, sync::Arc};
//! use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
//!
//! let io = Arc::new(Memory::new(b"some bytes".to_vec()));
//! let mut cursor = Seekable::new(io.clone());
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
//! Those of futures-io, and of everything built on it:
//! ```
//! use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
//! use mfio::backend::IoBackendExt;
//! use mfio::cursor::Seekable;
//! use mfio::memory::Memory;
//! use std::io::SeekFrom;
//!
//! let io = Memory::new(b"some bytes".to_vec());
//! let mut cursor = Seekable::new(&io);
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
//! use mfio::cursor::Seekable;
//! use mfio::memory::Memory;
//!
//! let io = Memory::new(b"some bytes".to_vec());
//! let mut cursor = Seekable::new(&io);
//! let mut word = [0; 5];
//! io.block_on(async {
//!     cursor.seek(SeekFrom::Current(5)).await?;
//!     cursor.read_exact(&mut word).await
//! })
//! .expect("there are five more");
//! assert_eq!(&word, b"bytes");
//! ```

mod desk;
#[cfg(feature = "embedded-io-async")]
mod embedded;
#[cfg(feature = "futures-io")]
mod futures;
#[cfg(all(test, mfio_loom))]
mod loom_models;
mod reading;
mod seek;
mod seekable;
#[cfg(feature = "std")]
mod standard;
mod state;
mod store;
mod streaming;
#[cfg(feature = "tokio")]
mod tokio;
mod writing;

pub use seek::SeekFrom;
pub use seekable::Seekable;
pub use streaming::Streaming;

/// How large a buffer of a cursor becomes at most, unless told otherwise: 64 KiB, which is what drivers take inline.
pub const CAPACITY: usize = 65_536;
