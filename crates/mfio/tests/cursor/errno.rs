//! The system's number of an error goes through every adapter: programs look at it.

use mfio::backend::*;
use mfio::control::ControlIo;
use mfio::cursor::{BlockingByteStream, BlockingCursor, ByteStream, Cursor};
use mfio::error::{Cause, Error};
use mfio::io::{Direction, Identity, IoObject, PacketIo, Position};
use mfio::packet::View;
use mfio::traits::HasLen;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Fails everything with this number.
struct Fails(i32, SharedBackend);

impl Fails {
    fn new(errno: i32) -> Self {
        Self(errno, SharedBackend::new(std::future::pending()))
    }
}

impl IoObject for Fails {
    fn identity(&self) -> Identity<'_> {
        Identity {
            object: Some("/some/path".into()),
            driver: Some("failing"),
        }
    }
}

impl ControlIo for Fails {}

impl<D: Direction, P: Position> PacketIo<D, P> for Fails {
    fn send_io(&self, _: P, view: View<D>) {
        view.fail(Cause::from_errno(self.0));
    }
}

impl HasLen for Fails {
    type Len = Ready<Result<u64, Error>>;

    fn io_len(&self) -> Self::Len {
        ready(Err(
            Error::new(Cause::from_errno(self.0), "length").object("/some/path")
        ))
    }
}

impl IoBackend for Fails {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.1)
    }
}

fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("everything fails at once"),
    }
}

fn through_std<C: io::Read + io::Write>(mut cursor: C) -> Vec<io::Result<()>> {
    let read = cursor.read(&mut [0; 3]).map(drop);
    vec![read, cursor.write_all(b"abc")]
}

fn through_tokio<C>(mut cursor: C) -> Vec<io::Result<()>>
where
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut room = [0; 3];
    let mut into = tokio::io::ReadBuf::new(&mut room);
    let read = now(Pin::new(&mut cursor).poll_read(&mut cx, &mut into));
    let written = now(Pin::new(&mut cursor).poll_write(&mut cx, b"abc"));
    vec![read, written.map(drop)]
}

fn through_futures<C>(mut cursor: C) -> Vec<io::Result<()>>
where
    C: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin,
{
    let mut cx = Context::from_waker(Waker::noop());
    let read = now(Pin::new(&mut cursor).poll_read(&mut cx, &mut [0; 3]));
    let written = now(Pin::new(&mut cursor).poll_write(&mut cx, b"abc"));
    vec![read.map(drop), written.map(drop)]
}

fn seeks(io: &Fails) -> Vec<io::Result<()>> {
    let end = io::SeekFrom::End(0);
    let mut cx = Context::from_waker(Waker::noop());
    let blocking = io::Seek::seek(&mut BlockingCursor::new(io), end);
    let mut cursor = Cursor::new(io);
    let tokio = tokio::io::AsyncSeek::start_seek(Pin::new(&mut cursor), end).and_then(|()| {
        now(tokio::io::AsyncSeek::poll_complete(
            Pin::new(&mut cursor),
            &mut cx,
        ))
    });
    let mut cursor = Cursor::new(io);
    let futures = now(futures_io::AsyncSeek::poll_seek(
        Pin::new(&mut cursor),
        &mut cx,
        end,
    ));
    [blocking, tokio, futures]
        .map(|sought| sought.map(drop))
        .into()
}

#[test]
fn the_number_of_an_error_goes_through_every_adapter() {
    for errno in [libc::ENOSPC, libc::ENOENT, libc::EIO, libc::EMFILE] {
        let io = Fails::new(errno);
        let results = [
            through_std(BlockingCursor::new(&io)),
            through_std(BlockingByteStream::new(&io)),
            through_tokio(Cursor::new(&io)),
            through_tokio(ByteStream::new(&io)),
            through_futures(Cursor::new(&io)),
            through_futures(ByteStream::new(&io)),
            seeks(&io),
        ];
        for (n, result) in results.into_iter().flatten().enumerate() {
            let error = result.expect_err("everything fails");
            assert_eq!(error.raw_os_error(), Some(errno), "call {n}");
            let std = io::Error::from_raw_os_error(errno);
            assert_eq!(error.kind(), std.kind(), "call {n}");
        }
    }
}
