//! Streams: files without positions.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use mfio::backend::{DynBackend, IoBackend, SharedBackend};
use mfio::error::{Cause, Result};
use mfio::io::{Identity, IoObject, NoPos, Operation, PacketIo, Read, Write};
use mfio::packet::{PacketPool, View};

use super::file::File;

/// A pipe, socket or terminal of a [`NativeRt`](super::NativeRt): a [`File`] that has no positions
/// ([`NoPos`]).
///
/// Transfers bytes like a [`File`] without positions. A [`ByteStream`](mfio::cursor::ByteStream) of
/// it has the asynchronous I/O traits and loses no bytes when a read is dropped; a
/// [`BlockingByteStream`](mfio::cursor::BlockingByteStream) has those of std.
///
/// ```
/// use mfio_rt::native::File;
/// use mfio_rt::prelude::*;
/// use std::io::{Read, Write};
///
/// let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
/// let rt = NativeRt::new()?;
/// let file = File::from_owned_fd(&rt, ours.into());
/// let stream = file.into_stream().expect("sockets have no positions");
/// let mut stream = BlockingByteStream::new(stream);
///
/// (&theirs).write_all(b"question")?;
/// let mut bytes = [0; 100];
/// let n = stream.read(&mut bytes)?;
/// assert_eq!(&bytes[..n], b"question");
/// stream.write_all(b"answer")?;
/// # (&theirs).read_exact(&mut bytes[..6])?;
/// # assert_eq!(&bytes[..6], b"answer");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Stream(File);

impl File {
    /// Converts the file to a stream.
    ///
    /// # Errors
    ///
    /// Returns the file if it has positions.
    pub fn into_stream(self) -> Result<Stream, Self> {
        if self.has_positions() {
            Err(self)
        } else {
            Ok(Stream(self))
        }
    }
}

impl Stream {
    pub(super) fn file(&self) -> &File {
        &self.0
    }

    /// Converts the stream to a file.
    #[must_use]
    pub fn into_file(self) -> File {
        self.0
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.0).finish()
    }
}

/// A file without positions ignores this one.
const ANYWHERE: u64 = 0;

impl IoObject for Stream {
    fn identity(&self) -> Identity<'_> {
        self.0.identity()
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        match operation {
            Operation::Control => None,
            _ => self.0.explain(operation, cause),
        }
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        self.0.pool()
    }
}

macro_rules! forward {
    ($($direction:ident),*) => {$(
        impl PacketIo<$direction, NoPos> for Stream {
            #[inline]
            fn send_io(&self, _: NoPos, view: View<$direction>) {
                PacketIo::<$direction>::send_io(&self.0, ANYWHERE, view);
            }

            fn transfer_blocking(
                &self,
                _: NoPos,
                bytes: <$direction as mfio::io::Direction>::Slice<'_>,
            ) -> Option<Result<usize, Cause>> {
                PacketIo::<$direction>::transfer_blocking(&self.0, ANYWHERE, bytes)
            }
        }
    )*};
}
forward!(Read, Write);

impl IoBackend for Stream {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        self.0.shared()
    }
}
