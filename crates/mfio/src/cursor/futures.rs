//! The traits of futures-io for cursors.

use super::{Seekable, Streaming};
use crate::io::{NoPos, PacketIo, Read, Write};
use crate::traits::HasLen;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use std::io::{Result, SeekFrom};

macro_rules! adapt {
    ($cursor:ident, $pos:ty) => {
        impl<Io: PacketIo<Read, $pos>> AsyncRead for $cursor<Io> {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &mut [u8],
            ) -> Poll<Result<usize>> {
                $cursor::poll_read(self.get_mut(), cx, bytes).map_err(Into::into)
            }
        }

        impl<Io: PacketIo<Write, $pos>> AsyncWrite for $cursor<Io> {
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

            /// Flushes. The object is closed when it is dropped.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                $cursor::poll_flush(self.get_mut(), cx).map_err(Into::into)
            }
        }
    };
}
adapt!(Seekable, u64);
adapt!(Streaming, NoPos);

impl<Io: PacketIo<Read> + HasLen> AsyncSeek for Seekable<Io> {
    fn poll_seek(self: Pin<&mut Self>, cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<u64>> {
        Seekable::poll_seek(self.get_mut(), cx, to.into()).map_err(Into::into)
    }
}
