//! Streams: pipes, and cursors over them.

use crate::adapters::{give_up, poll};
use mfio::backend::IoBackendExt;
use mfio::cursor::{BlockingByteStream, ByteStream};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, NoPos, PacketIo, Write as W};
use mfio::memory::pipe;
use mfio::packet::{Packet, View};
use mfio::traits::{BlockingIo, StreamRead, StreamWrite};
use proptest::prelude::*;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::thread;

#[test]
fn a_stream_keeps_the_bytes_of_an_abandoned_read_for_the_next_one() {
    let (reads, writes) = pipe(64);
    let mut reads = ByteStream::new(reads);
    let mut writes = BlockingByteStream::new(writes);
    let mut bytes = [0; 8];
    assert!(give_up(poll_fn(|cx| reads.poll_read(cx, &mut bytes))).is_none());
    writes.write_all(b"abcdef").unwrap();
    let mut blocking = reads.into_blocking();
    assert_eq!(blocking.read(&mut bytes[..2]).unwrap(), 2);
    assert_eq!(blocking.buffered(), b"cdef");
    let mut reads = blocking.into_async();
    let read = give_up(futures_util::AsyncReadExt::read(
        &mut reads,
        &mut bytes[2..],
    ));
    assert_eq!(read.unwrap().unwrap(), 4);
    assert_eq!(&bytes[..6], b"abcdef");
    drop(writes);
    assert_eq!(reads.into_blocking().read(&mut bytes).unwrap(), 0);
}

#[test]
fn a_read_does_not_wait_for_a_write() {
    // Each side's write waits until the other reads.
    let ((a_in, b_out), (b_in, a_out)) = (pipe(4), pipe(4));
    struct Both<R, S>(R, S);
    impl<R, S> IoObject for Both<R, S> {}

    impl<R: PacketIo<mfio::io::Read, NoPos>, S> PacketIo<mfio::io::Read, NoPos> for Both<R, S> {
        fn send_io(&self, pos: NoPos, view: View<mfio::io::Read>) {
            self.0.send_io(pos, view);
        }
    }
    impl<R, S: PacketIo<W, NoPos>> PacketIo<W, NoPos> for Both<R, S> {
        fn send_io(&self, pos: NoPos, view: View<W>) {
            self.1.send_io(pos, view);
        }
    }
    let mut a = ByteStream::new(Both(a_in, a_out));
    let mut b = ByteStream::new(Both(b_in, b_out));
    assert!(give_up(poll_fn(|cx| a.poll_write(cx, b"from a to b"))).is_some());
    assert!(give_up(poll_fn(|cx| b.poll_write(cx, b"from b to a"))).is_some());
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    while to_a.len() + to_b.len() < 22 {
        let mut bytes = [0; 8];
        if let Some(n) = give_up(poll_fn(|cx| a.poll_read(cx, &mut bytes))) {
            to_a.extend_from_slice(&bytes[..n.unwrap()]);
        }
        if let Some(n) = give_up(poll_fn(|cx| b.poll_read(cx, &mut bytes))) {
            to_b.extend_from_slice(&bytes[..n.unwrap()]);
        }
    }
    assert_eq!(
        (&to_a[..], &to_b[..]),
        (&b"from b to a"[..], &b"from a to b"[..])
    );
}

#[test]
fn a_write_into_a_pipe_without_a_reader_fails_once() {
    let (reads, writes) = pipe(4);
    let mut writes = ByteStream::new(writes);
    let accepted = give_up(poll_fn(|cx| writes.poll_write(cx, b"abcdef")));
    assert_eq!(accepted.unwrap().unwrap(), 6);
    assert!(give_up(poll_fn(|cx| writes.poll_flush(cx))).is_none());
    drop(reads);
    let mut writes = writes.into_blocking();
    let error = writes.flush().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(
        error.to_string(),
        "write of 2 bytes of the writing end of a pipe failed: broken pipe [memory]"
    );
    writes.flush().unwrap();
    let error = writes.write(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

/// Whatever the parts are in which it comes: nothing is taken that is not given.
#[test]
fn hazard_a_value_of_which_a_part_is_taken_and_lost() {
    for parts in [&[&b"abcdefgh"[..]][..], &[b"a", b"bcd", b"e", b"fgh"]] {
        let (reads, writes) = pipe(64);
        let mut value = pin!(reads.read_value::<[u8; 8]>());
        assert!(poll(value.as_mut()).is_pending());
        for part in &parts[..parts.len() - 1] {
            writes.blocking().write_all(part).unwrap();
            assert!(poll(value.as_mut()).is_pending());
        }
        let last = parts[parts.len() - 1];
        writes.blocking().write_all(last).unwrap();
        let Poll::Ready(Ok(value)) = poll(value) else {
            panic!("it is there");
        };
        assert_eq!(&value, b"abcdefgh");

        let mut owned = pin!(reads.read_exact_buf(vec![0; 8]));
        assert!(poll(owned.as_mut()).is_pending());
        let mut polled = Poll::Pending;
        for part in parts {
            assert!(polled.is_pending());
            writes.blocking().write_all(part).unwrap();
            polled = poll(owned.as_mut());
        }
        let Poll::Ready((Ok(()), owned)) = polled else {
            panic!("it is there");
        };
        assert_eq!(owned, b"abcdefgh");
        // Some are some.
        writes.blocking().write_all(b"xy").unwrap();
        let (some, bytes) = reads.block_on(reads.read_buf(vec![0; 8]));
        assert_eq!((some.unwrap(), &bytes[..2]), (2, &b"xy"[..]));
    }
    // A stream that ends half-way says so.
    let (reads, writes) = pipe(64);
    writes.blocking().write_all(b"abc").unwrap();
    drop(writes);
    let error = reads.block_on(reads.read_value::<u64>()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn reads_of_all_go_on_until_they_have_it() {
    let (reads, writes) = pipe(64);
    let mut bytes = [0; 6];
    {
        let mut all = pin!(reads.read_exact(&mut bytes));
        for part in [&b"a"[..], b"bcd", b"ef"] {
            assert!(poll(all.as_mut()).is_pending());
            writes.blocking().write_all(part).unwrap();
        }
        assert!(matches!(poll(all), Poll::Ready(Ok(()))));
    }
    assert_eq!(&bytes, b"abcdef");
    writes.blocking().write_all(b"gh").unwrap();
    assert_eq!(reads.block_on(reads.read(&mut bytes)).unwrap(), 2);
    let writer = thread::spawn(move || {
        for part in [&b"12"[..], b"3", b"456"] {
            thread::yield_now();
            writes.blocking().write_all(part).unwrap();
        }
    });
    reads.blocking().read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"123456");
    writer.join().unwrap();
    let error = reads.blocking().read_exact(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_read_of_a_pipe_that_was_dropped_takes_nothing() {
    let (reads, writes) = pipe(64);
    assert!(give_up(reads.read(&mut [0; 4])).is_none());
    writes.blocking().write_all(b"ab").unwrap();
    assert_eq!(reads.block_on(reads.read_vec(9)).unwrap(), b"ab");
}

#[test]
fn the_queues_of_a_pipe_are_bounded_and_have_room_for_the_living() {
    let (reads, writes) = pipe(1);
    let mut waiting: Vec<_> = (0..300).map(|_| Box::pin(reads.read_vec(1))).collect();
    let polled: Vec<_> = waiting.iter_mut().map(|read| poll(read.as_mut())).collect();
    let refused = polled.iter().filter(|polled| {
        matches!(polled, Poll::Ready(Err(error)) if error.kind() == ErrorKind::LimitReached)
    });
    assert_eq!(refused.count(), 300 - 256);
    waiting.clear();
    let mut last = pin!(reads.read_vec(1));
    assert!(poll(last.as_mut()).is_pending());
    let mut more = Vec::new();
    for i in 0..300u16 {
        let mut write = Box::pin(writes.write_all_buf(vec![0; 1]));
        match poll(write.as_mut()) {
            Poll::Ready((Err(error), _)) => assert_eq!(error.kind(), ErrorKind::LimitReached),
            Poll::Ready((Ok(()), _)) => assert!(i < 2, "one is read, one is in the pipe"),
            Poll::Pending => more.push(write),
        }
    }
    assert_eq!(more.len(), 256);
    assert!(poll(last).is_ready());
    drop(reads);
    for write in more {
        let (written, _) = mfio::poller::block_on(write);
        assert_eq!(
            written.unwrap_err().kind(),
            ErrorKind::BrokenPipe,
            "nobody reads"
        );
    }
}

#[test]
fn written_bytes_are_read_before_the_end() {
    let (reads, writes) = pipe(2);
    let mut write = Box::pin(writes.write_all_buf(b"abcde".to_vec()));
    assert!(poll(write.as_mut()).is_pending());
    drop(write);
    drop(writes);
    let mut all = Vec::new();
    BlockingByteStream::new(reads)
        .read_to_end(&mut all)
        .unwrap();
    assert_eq!(all, b"abcde");
}

/// Sends the next read from within the end of the last, by way of its waker.
#[test]
fn requests_that_send_the_next_as_they_end_do_not_recurse() {
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};
    struct Next {
        reads: mfio::memory::PipeReader,
        running: Mutex<Vec<mfio::packet::InFlight<[u8; 1], mfio::io::Read>>>,
        depth: Mutex<(usize, usize, usize)>,
    }
    impl Next {
        fn send(self: &Arc<Self>) {
            let (mut in_flight, view) = Packet::new([0u8; 1]).start();
            let waker = Waker::from(self.clone());
            assert!(
                pin!(&mut in_flight)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            self.running.lock().unwrap().push(in_flight);
            self.reads.send_io(NoPos, view);
        }
    }
    impl Wake for Next {
        fn wake(self: Arc<Self>) {
            {
                let mut depth = self.depth.lock().unwrap();
                depth.0 += 1;
                depth.1 = depth.1.max(depth.0);
                depth.2 += 1;
                if depth.2 == 10_000 {
                    return;
                }
            }
            self.send();
            self.depth.lock().unwrap().0 -= 1;
        }
    }
    let (reads, writes) = pipe(20_000);
    writes.blocking().write_all(&[1; 20_000]).unwrap();
    let next = Arc::new(Next {
        reads,
        running: Mutex::default(),
        depth: Mutex::default(),
    });
    next.send();
    let (_, deepest, ended) = *next.depth.lock().unwrap();
    assert_eq!((deepest, ended), (1, 10_000));
    next.running.lock().unwrap().clear();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Random sizes, some calls given up: what comes out is what was accepted, in order.
    #[test]
    fn streams_keep_order_and_lose_nothing(
        steps in prop::collection::vec((any::<bool>(), 0..40usize, any::<bool>()), 0..80),
        capacity in 0..20usize,
        limit in 1..30usize,
    ) {
        let (reads, writes) = pipe(capacity);
        let mut reads = ByteStream::with_capacity(reads, limit);
        let mut writes = ByteStream::with_capacity(writes, limit);
        let (mut accepted, mut got, mut next) = (Vec::new(), Vec::new(), 0u8);
        for (write, len, futures) in steps {
            if write {
                let bytes: Vec<_> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                let polled = if futures {
                    give_up(futures_util::AsyncWriteExt::write(&mut writes, &bytes))
                } else {
                    give_up(tokio::io::AsyncWriteExt::write(&mut writes, &bytes))
                };
                let n = polled.map_or(0, Result::unwrap);
                accepted.extend_from_slice(&bytes[..n]);
                next = next.wrapping_add(n as u8);
            } else {
                let mut bytes = vec![0; len];
                let polled = if futures {
                    give_up(futures_util::AsyncReadExt::read(&mut reads, &mut bytes))
                } else {
                    give_up(tokio::io::AsyncReadExt::read(&mut reads, &mut bytes))
                };
                let n = polled.map_or(0, Result::unwrap);
                got.extend_from_slice(&bytes[..n]);
            }
        }
        drop(writes);
        reads.into_blocking().read_to_end(&mut got).unwrap();
        prop_assert_eq!(got, accepted);
    }
}

#[test]
fn tokio_copies_from_pipe_to_pipe() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let data: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    let copied = runtime.block_on(async {
        let ((first_out, first_in), (second_out, second_in)) = (pipe(1000), pipe(77));
        let source = data.clone();
        let feeds = tokio::spawn(async move {
            let mut writes = ByteStream::new(first_in);
            tokio::io::AsyncWriteExt::write_all(&mut writes, &source)
                .await
                .unwrap();
            tokio::io::AsyncWriteExt::shutdown(&mut writes)
                .await
                .unwrap();
        });
        let copies = tokio::spawn(async move {
            let (mut from, mut to) = (ByteStream::new(first_out), ByteStream::new(second_in));
            tokio::io::copy(&mut from, &mut to).await.unwrap()
        });
        let mut all = Vec::new();
        let mut reads = ByteStream::new(second_out);
        tokio::io::AsyncReadExt::read_to_end(&mut reads, &mut all)
            .await
            .unwrap();
        feeds.await.unwrap();
        assert_eq!(copies.await.unwrap(), 200_000);
        all
    });
    assert!(copied == data);
}

#[test]
fn an_accepted_write_to_a_pipe_outlives_its_end() {
    let (reads, writes) = pipe(4);
    let mut writes = ByteStream::new(writes);
    let accepted = give_up(futures_util::AsyncWriteExt::write(
        &mut writes,
        b"a lot more",
    ));
    assert_eq!(accepted.expect("accepted at once").unwrap(), 10);
    drop(writes);
    let mut text = String::new();
    BlockingByteStream::new(reads)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "a lot more");
}
