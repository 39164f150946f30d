//! The traits of embedded-io-async for cursors. Their futures may be dropped at any time: no byte
//! is lost, and a pending write has written nothing.

use super::{ByteStream, Cursor};
use crate::error::{Error, ErrorKind};
use crate::io::{self, NoPos, PacketIo};
use crate::traits::HasLen;
use core::future::poll_fn;
use embedded_io_async::{ErrorKind as Kind, ErrorType, Read, Seek, SeekFrom, Write};

impl embedded_io_async::Error for Error {
    fn kind(&self) -> Kind {
        use ErrorKind as K;
        match Error::kind(self) {
            K::NotFound => Kind::NotFound,
            K::PermissionDenied | K::ReadOnly => Kind::PermissionDenied,
            K::AlreadyExists => Kind::AlreadyExists,
            K::InvalidInput | K::IsADirectory | K::NotADirectory => Kind::InvalidInput,
            K::InvalidData => Kind::InvalidData,
            K::WriteZero => Kind::WriteZero,
            K::OutOfMemory => Kind::OutOfMemory,
            K::NotSupported => Kind::Unsupported,
            K::Interrupted => Kind::Interrupted,
            K::TimedOut => Kind::TimedOut,
            K::BrokenPipe => Kind::BrokenPipe,
            _ => Kind::Other,
        }
    }
}

macro_rules! adapt {
    ($cursor:ident, $pos:ty) => {
        impl<Io> ErrorType for $cursor<Io> {
            type Error = Error;
        }

        impl<Io: PacketIo<io::Read, $pos>> Read for $cursor<Io> {
            async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
                poll_fn(|cx| self.poll_read(cx, bytes)).await
            }
        }

        impl<Io: PacketIo<io::Write, $pos>> Write for $cursor<Io> {
            async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
                poll_fn(|cx| self.poll_write(cx, bytes)).await
            }

            async fn flush(&mut self) -> Result<(), Error> {
                poll_fn(|cx| self.poll_flush(cx)).await
            }
        }
    };
}
adapt!(Cursor, u64);
adapt!(ByteStream, NoPos);

impl<Io: PacketIo<io::Read> + HasLen> Seek for Cursor<Io> {
    async fn seek(&mut self, to: SeekFrom) -> Result<u64, Error> {
        self.forget_seek();
        poll_fn(|cx| self.poll_seek(cx, to.into())).await
    }
}
