//! The adapters as one thing, so that tests can go through each of them.

use crate::object::Scripted;
use mfio::cursor::BlockingCursor;
use std::future::{Future, poll_fn};
use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

pub(crate) type Cursor<'a> = mfio::cursor::Cursor<&'a Scripted>;

/// Calls `f` with this very handle, converted.
fn blocking<'a, R>(
    cursor: &mut Cursor<'a>,
    f: impl FnOnce(&mut BlockingCursor<&'a Scripted>) -> R,
) -> R {
    let clone = cursor.clone();
    let mut blocking = std::mem::replace(cursor, clone).into_blocking();
    let output = f(&mut blocking);
    *cursor = blocking.into_async();
    output
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    Std,
    Futures,
    Tokio,
    Embedded,
    Own,
}

impl Adapter {
    pub(crate) const ALL: [Self; 5] = [
        Self::Std,
        Self::Futures,
        Self::Tokio,
        Self::Embedded,
        Self::Own,
    ];

    pub(crate) async fn read(self, cursor: &mut Cursor<'_>, bytes: &mut [u8]) -> Result<usize> {
        match self {
            Self::Std => blocking(cursor, |cursor| cursor.read(bytes)),
            Self::Futures => futures_util::AsyncReadExt::read(cursor, bytes).await,
            Self::Tokio => tokio::io::AsyncReadExt::read(cursor, bytes).await,
            Self::Embedded => Ok(embedded_io_async::Read::read(cursor, bytes).await?),
            Self::Own => Ok(poll_fn(|cx| cursor.poll_read(cx, bytes)).await?),
        }
    }

    pub(crate) async fn write(self, cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Std => blocking(cursor, |cursor| cursor.write(bytes)),
            Self::Futures => futures_util::AsyncWriteExt::write(cursor, bytes).await,
            Self::Tokio => tokio::io::AsyncWriteExt::write(cursor, bytes).await,
            Self::Embedded => Ok(embedded_io_async::Write::write(cursor, bytes).await?),
            Self::Own => Ok(poll_fn(|cx| cursor.poll_write(cx, bytes)).await?),
        }
    }

    pub(crate) async fn flush(self, cursor: &mut Cursor<'_>) -> Result<()> {
        match self {
            Self::Std => blocking(cursor, Write::flush),
            Self::Futures => futures_util::AsyncWriteExt::close(cursor).await,
            Self::Tokio => tokio::io::AsyncWriteExt::shutdown(cursor).await,
            Self::Embedded => Ok(embedded_io_async::Write::flush(cursor).await?),
            Self::Own => Ok(poll_fn(|cx| cursor.poll_flush(cx)).await?),
        }
    }

    pub(crate) async fn seek(self, cursor: &mut Cursor<'_>, to: SeekFrom) -> Result<u64> {
        let embedded = match to {
            SeekFrom::Start(n) => embedded_io_async::SeekFrom::Start(n),
            SeekFrom::End(n) => embedded_io_async::SeekFrom::End(n),
            SeekFrom::Current(n) => embedded_io_async::SeekFrom::Current(n),
        };
        match self {
            Self::Std => blocking(cursor, |cursor| cursor.seek(to)),
            Self::Futures => futures_util::AsyncSeekExt::seek(cursor, to).await,
            Self::Tokio => tokio::io::AsyncSeekExt::seek(cursor, to).await,
            Self::Embedded => Ok(embedded_io_async::Seek::seek(cursor, embedded).await?),
            Self::Own => Ok(poll_fn(|cx| cursor.poll_seek(cx, to.into())).await?),
        }
    }
}

/// One poll, and then the future is dropped.
pub(crate) fn give_up<F: Future>(future: F) -> Option<F::Output> {
    match poll(pin!(future)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// One poll, with a waker that does nothing.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
