//! tokio's I/O traits for cursors.

use super::{ByteStream, Cursor, async_write};
use crate::io::{NoPos, PacketIo, Read};
use crate::traits::HasLen;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{Result, SeekFrom};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

async_write!(AsyncWrite, poll_shutdown);

macro_rules! async_read {
    ($($cursor:ident: $pos:ty),*) => {$(
        impl<Io: PacketIo<Read, $pos>> AsyncRead for $cursor<Io> {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                into: &mut ReadBuf<'_>,
            ) -> Poll<Result<()>> {
                let room = into.remaining();
                if room == 0 {
                    return Poll::Ready(Ok(()));
                }
                let give = |held: &[u8]| {
                    let taken = held.len().min(room);
                    into.put_slice(&held[..taken]);
                    taken
                };
                ready!(self.get_mut().poll_read_with(cx, room, give))?;
                Poll::Ready(Ok(()))
            }
        }
    )*};
}
async_read!(Cursor: u64, ByteStream: NoPos);

impl<Io: PacketIo<Read> + HasLen> AsyncSeek for Cursor<Io> {
    /// Sets the target; the seek happens when [`poll_complete`](Self::poll_complete) is ready. A
    /// read or write before that drops it. `seek` of tokio's `AsyncSeekExt`, however, first
    /// completes one that was dropped, and returns its error.
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> Result<()> {
        Cursor::start_seek(self.get_mut(), Some(to.into()));
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let this = self.get_mut();
        let Some(to) = this.started_seek() else {
            return Poll::Ready(Ok(this.position()));
        };
        let moved = ready!(this.poll_seek(cx, to));
        Cursor::start_seek(this, None);
        Poll::Ready(Ok(moved?))
    }
}
