//! Cursors over files and streams, on every driver.
#![cfg(target_os = "linux")]

mod common;

use common::asleep::Watched;
use common::{Dir, assert_bytes, runtimes};
use mfio::backend::IoBackendExt;
use mfio::cursor::{BlockingByteStream, BlockingCursor, ByteStream, Cursor};
use mfio::traits::HasLen;
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::File;
use std::future::poll_fn;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

#[test]
fn a_file_implements_the_io_traits_of_std() {
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.file("std", 100_000);
        let options = OpenOptions::new().read(true).write(true);
        let file = rt.block_on(rt.open(&path, &options)).unwrap();
        assert_eq!(file.io_len_blocking().unwrap(), 100_000);
        let mut cursor = BlockingCursor::new(file);
        let mut clone = cursor.clone();
        let mut all = Vec::new();
        cursor.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 100_000);
        assert_bytes(&all, 0);
        assert_eq!(clone.seek(SeekFrom::End(-10)).unwrap(), 99_990);
        cursor.write_all(&[7; 20]).unwrap();
        assert_eq!(clone.seek(SeekFrom::End(0)).unwrap(), 100_010);
        assert_eq!(std::fs::read(&path).unwrap()[99_990..], [7; 20]);
    }
}

#[test]
fn a_file_implements_the_io_traits_of_tokio() {
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.file("tokio", 200_000);
        let options = OpenOptions::new().read(true).write(true);
        let file = rt.block_on(rt.open(&path, &options)).unwrap();
        let mut cursor = Cursor::new(file);
        rt.block_on(async {
            let mut all = Vec::new();
            loop {
                let mut bytes = [0; 5000];
                let mut into = ReadBuf::new(&mut bytes);
                let read = poll_fn(|cx| Pin::new(&mut cursor).poll_read(cx, &mut into));
                read.await.unwrap();
                match into.filled() {
                    [] => break,
                    filled => all.extend_from_slice(filled),
                }
            }
            assert_eq!(all.len(), 200_000);
            assert_bytes(&all, 0);
            Pin::new(&mut cursor)
                .start_seek(SeekFrom::Start(50))
                .unwrap();
            assert_eq!(
                poll_fn(|cx| Pin::new(&mut cursor).poll_complete(cx))
                    .await
                    .unwrap(),
                50
            );
            let write = poll_fn(|cx| Pin::new(&mut cursor).poll_write(cx, &[7; 9]));
            assert_eq!(write.await.unwrap(), 9);
            poll_fn(|cx| Pin::new(&mut cursor).poll_shutdown(cx))
                .await
                .unwrap();
        });
        assert_eq!(std::fs::read(&path).unwrap()[50..59], [7; 9]);
    }
}

#[test]
fn an_abandoned_read_of_a_socket_loses_nothing() {
    for rt in runtimes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let stream = File::from_owned_fd(&rt, ours.into()).into_stream().unwrap();
        let mut stream = ByteStream::new(stream);
        let mut bytes = [0; 16];
        for round in 0..3 {
            rt.block_on(poll_fn(|_| {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(stream.poll_read(&mut cx, &mut bytes).is_pending());
                Poll::Ready(())
            }));
            theirs.write_all(b"question").unwrap();
            // Waiting or not: the next one has them.
            let n = match round {
                0 => {
                    let mut blocking = stream.into_blocking();
                    let n = blocking.read(&mut bytes).unwrap();
                    stream = blocking.into_async();
                    n
                }
                _ => rt
                    .block_on(poll_fn(|cx| stream.poll_read(cx, &mut bytes)))
                    .unwrap(),
            };
            assert_eq!(&bytes[..n], b"question");
        }
        let mut stream = stream.into_blocking();
        stream.write_all(b"answer").unwrap();
        theirs.read_exact(&mut bytes[..6]).unwrap();
        assert_eq!(&bytes[..6], b"answer");
        drop(theirs);
        assert_eq!(stream.read(&mut bytes).unwrap(), 0);
    }
}

#[test]
fn a_socket_that_must_not_block_is_waited_for() {
    for rt in runtimes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let stream = File::from_owned_fd(&rt, ours.into()).into_stream().unwrap();
        let reader = Watched::this();
        let writer = std::thread::spawn(move || {
            reader.until_asleep();
            theirs.write_all(b"late").unwrap();
        });
        let mut text = String::new();
        BlockingByteStream::new(stream)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "late");
        writer.join().unwrap();
    }
}

#[test]
fn a_file_with_positions_is_no_stream() {
    let dir = Dir::new();
    for rt in runtimes() {
        let file = rt
            .block_on(rt.open_read(dir.file("positions", 10)))
            .unwrap();
        assert!(file.into_stream().is_err());
    }
}
