//! tokio's I/O traits for cursors.

use super::{Seekable, Streaming};
use crate::io::{NoPos, PacketIo, Read, Write};
use crate::traits::HasLen;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{Result, SeekFrom};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

macro_rules! adapt {
    ($cursor:ident, $pos:ty) => {
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
            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                $cursor::poll_flush(self.get_mut(), cx).map_err(Into::into)
            }
        }
    };
}
adapt!(Seekable, u64);
adapt!(Streaming, NoPos);

impl<Io: PacketIo<Read> + HasLen> AsyncSeek for Seekable<Io> {
    /// The seek happens when [`poll_complete`](Self::poll_complete) is ready. A read or write before that forgets it; a
    /// `seek` of tokio's `AsyncSeekExt`, however, first completes one that was given up, and has its error.
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> Result<()> {
        self.get_mut().want_seek(Some(to.into()));
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let this = self.get_mut();
        let Some(to) = this.wanted_seek() else {
            return Poll::Ready(Ok(this.position()));
        };
        let moved = ready!(this.poll_seek(cx, to));
        this.want_seek(None);
        Poll::Ready(Ok(moved?))
    }
}
