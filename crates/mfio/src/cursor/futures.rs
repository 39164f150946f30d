//! The traits of futures-io for cursors.

use super::{ByteStream, Cursor, async_write};
use crate::io::{NoPos, PacketIo, Read};
use crate::traits::HasLen;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use std::io::{Result, SeekFrom};

async_write!(AsyncWrite, poll_close);

macro_rules! async_read {
    ($($cursor:ident: $pos:ty),*) => {$(
        impl<Io: PacketIo<Read, $pos>> AsyncRead for $cursor<Io> {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &mut [u8],
            ) -> Poll<Result<usize>> {
                $cursor::poll_read(self.get_mut(), cx, bytes).map_err(Into::into)
            }
        }
    )*};
}
async_read!(Cursor: u64, ByteStream: NoPos);

impl<Io: PacketIo<Read> + HasLen> AsyncSeek for Cursor<Io> {
    fn poll_seek(self: Pin<&mut Self>, cx: &mut Context<'_>, to: SeekFrom) -> Poll<Result<u64>> {
        Cursor::poll_seek(self.get_mut(), cx, to.into()).map_err(Into::into)
    }
}
