//! Cursors over files and streams, on every driver.
#![cfg(target_os = "linux")]

mod common;

use common::asleep::Watched;
use common::{Dir, EXECUTORS, assert_bytes, pipe, runtimes};
use mfio::backend::IoBackendExt;
use mfio::cursor::{BlockingByteStream, BlockingCursor, ByteStream, Cursor};
use mfio::traits::HasLen;
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt, Stream};
use std::future::poll_fn;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncSeek, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional,
    join,
};

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

fn stream(rt: &NativeRt, fd: impl Into<OwnedFd>) -> ByteStream<Stream> {
    let file = File::from_owned_fd(rt, fd.into());
    ByteStream::new(file.into_stream().expect("it has no positions"))
}

/// Nothing is dropped before all streams have ended.
#[test]
fn copy_bidirectional_between_two_pairs_of_sockets_ends() {
    for rt in runtimes() {
        for executor in EXECUTORS {
            let pair = || UnixStream::pair().unwrap();
            let ((alice, left), (right, bob)) = (pair(), pair());
            let (mut alice, mut left) = (stream(&rt, alice), stream(&rt, left));
            let (mut right, mut bob) = (stream(&rt, right), stream(&rt, bob));
            let task = async move {
                let (question, answer) = (vec![1; 300_000], vec![2; 500_000]);
                let asks = async {
                    alice.write_all(&question).await.unwrap();
                    alice.shutdown().await.unwrap();
                    let mut all = Vec::new();
                    alice.read_to_end(&mut all).await.unwrap();
                    assert!(all == answer);
                };
                let answers = async {
                    let mut all = Vec::new();
                    bob.read_to_end(&mut all).await.unwrap();
                    assert!(all == question);
                    bob.write_all(&answer).await.unwrap();
                    bob.shutdown().await.unwrap();
                };
                let copies = copy_bidirectional(&mut left, &mut right);
                let (copied, (), ()) = tokio::join!(copies, asks, answers);
                copied.unwrap()
            };
            let copied = executor.run(&rt, Box::pin(task));
            assert_eq!(copied, (300_000, 500_000), "{executor:?}");
        }
    }
}

/// A pipe of the system ends only when its writer is dropped.
#[test]
fn copy_bidirectional_between_two_pairs_of_pipes_ends_with_their_writers() {
    for rt in runtimes() {
        let side = |reads, writes| join(stream(&rt, reads), stream(&rt, writes));
        let pair = || {
            let ((a_reads, b_writes), (b_reads, a_writes)) = (pipe(), pipe());
            (side(a_reads, a_writes), side(b_reads, b_writes))
        };
        let ((alice, mut left), (mut right, bob)) = (pair(), pair());
        let talk = async |side: tokio::io::Join<_, ByteStream<Stream>>, text: &[u8]| {
            let (mut reads, mut writes): (ByteStream<Stream>, _) = side.into_inner();
            writes.write_all(text).await.unwrap();
            writes.shutdown().await.expect("it is flushed");
            drop(writes);
            let mut all = Vec::new();
            reads.read_to_end(&mut all).await.unwrap();
            all
        };
        let task = async {
            let copies = async {
                let copied = copy_bidirectional(&mut left, &mut right).await.unwrap();
                drop((left, right));
                copied
            };
            tokio::join!(copies, talk(alice, b"question"), talk(bob, b"answer"))
        };
        let (copied, answer, question) = rt.block_on(task);
        assert_eq!(copied, (8, 6));
        assert_eq!(
            (&answer[..], &question[..]),
            (&b"answer"[..], &b"question"[..])
        );
    }
}
