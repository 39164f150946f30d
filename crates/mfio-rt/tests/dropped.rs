//! Writes that were accepted or sent before everything was dropped are carried out.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use common::{DRIVERS, Dir, Does, assert_bytes, byte_at, skip};
use mfio::backend::Integration;
use mfio::backend::integrations::tokio::Tokio;
use mfio::cursor::{ByteStream, Cursor};
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::{Batch, Packet};
use mfio::traits::IoWrite;
use mfio_rt::native::{Builder, DriverKind, File, NativeRt, leaked_operations};
use std::fs::File as StdFile;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;

/// One test at a time: they look at the number of leaked operations, which is the process's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A builder for each driver that can be had. One thread, and a small ring: nearly everything waits
/// in the queue.
fn builders() -> impl Iterator<Item = Builder> {
    let builder = |kind| {
        let builder = NativeRt::builder().require(kind).threads(1).queue_depth(4);
        match builder.clone().build() {
            Ok(_) => Some(builder),
            Err(error) => {
                skip(kind, &error.to_string());
                None
            }
        }
    };
    DRIVERS.iter().copied().filter_map(builder)
}

fn create(rt: &NativeRt, path: &Path) -> File {
    File::from_std(rt, StdFile::create(path).unwrap())
}

/// Polls once, without driving anything, and gives up.
fn begin(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

fn accept(cursor: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let mut cx = Context::from_waker(Waker::noop());
    let accepted = Pin::new(cursor).poll_write(&mut cx, bytes);
    assert!(matches!(accepted, Poll::Ready(Ok(n)) if n == bytes.len()));
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(byte_at).collect()
}

fn assert_holds(path: &Path, len: usize) {
    let written = std::fs::read(path).unwrap();
    assert_eq!(written.len(), len);
    assert_bytes(&written, 0);
}

#[test]
fn accepted_writes_are_carried_out_without_a_flush() {
    let _alone = alone();
    let (dir, leaked) = (Dir::new(), leaked_operations());
    for builder in builders() {
        let rt = builder.build().unwrap();
        let path = dir.path("accepted");
        let mut cursor = Cursor::new(create(&rt, &path));
        accept(&mut cursor, &bytes(1000));
        drop(rt);
        drop(cursor);
        assert_holds(&path, 1000);
    }
    assert_eq!(leaked_operations(), leaked);
}

#[test]
fn accepted_writes_outlive_task_and_executor() {
    let _alone = alone();
    let dir = Dir::new();
    for builder in builders() {
        let path = dir.path("executor");
        for _ in 0..10 {
            let executor = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            executor.block_on(async {
                let rt = builder.clone().build().unwrap();
                tokio::spawn(Tokio::drive(rt.clone()));
                let mut cursor = Cursor::new(rt.create(&path).await.unwrap());
                accept(&mut cursor, b"payload");
            });
            drop(executor);
            assert_eq!(std::fs::read(&path).unwrap(), b"payload");
        }
    }
}

#[test]
fn begun_writes_of_every_form_are_carried_out_though_dropped() {
    let _alone = alone();
    let (dir, leaked) = (Dir::new(), leaked_operations());
    for builder in builders() {
        let rt = builder.build().unwrap();
        let path = dir.path("forms");
        let file = create(&rt, &path);
        let whole = bytes(6000);
        let at = |n: usize| (n as u64 * 1000, &whole[n * 1000..][..1000]);
        begin(file.write_all_at(at(0).1, at(0).0));
        begin(file.write_all_buf_at(at(1).1.to_vec(), at(1).0));
        begin(file.write_packet_at(Packet::new(at(2).1.to_vec()), at(2).0));
        let mut batch = Batch::new();
        batch.push(at(3).0, at(3).1.to_vec());
        batch.push(at(4).0, at(4).1.to_vec());
        begin(file.write_batch(batch));
        let fill = |bytes: &mut [u8]| bytes.copy_from_slice(at(5).1);
        begin(file.write_with_at(at(5).0, 1000, fill));
        drop((rt, file));
        assert_holds(&path, 6000);
    }
    assert_eq!(leaked_operations(), leaked);
}

#[test]
fn writes_beyond_the_room_of_the_driver_are_carried_out_though_dropped() {
    let _alone = alone();
    let (dir, leaked) = (Dir::new(), leaked_operations());
    for builder in builders() {
        let rt = builder.build().unwrap();
        let path = dir.path("many");
        let file = create(&rt, &path);
        for n in 0..500 {
            let part = (n * 100..n * 100 + 100).map(byte_at).collect::<Vec<_>>();
            let (in_flight, view) = Packet::new(part).start::<Write>();
            file.send_io(n * 100, view);
            drop(in_flight);
        }
        drop((file, rt));
        assert_holds(&path, 50_000);
    }
    assert_eq!(leaked_operations(), leaked);
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader.into(), writer.into())
}

#[test]
fn an_accepted_write_reaches_a_slow_reader_of_a_pipe() {
    let _alone = alone();
    let leaked = leaked_operations();
    for builder in builders() {
        for nonblocking in [false, true] {
            let rt = builder.clone().shutdown_patience(Duration::from_secs(60));
            let rt = rt.build().unwrap();
            let (reader, writer) = pipe();
            if nonblocking {
                set_nonblocking(&writer);
            }
            let stream = File::from_owned_fd(&rt, writer).into_stream().unwrap();
            let mut cursor = ByteStream::with_capacity(stream, 1 << 20);
            accept(&mut cursor, &bytes(1 << 20));
            let ends = std::thread::spawn(move || drop((cursor, rt)));
            // Much more than a pipe holds: it can only end with what is read now.
            let mut read = Vec::new();
            StdFile::from(reader).read_to_end(&mut read).unwrap();
            ends.join().unwrap();
            assert_eq!(read.len(), 1 << 20, "{nonblocking} {builder:?}");
            assert_bytes(&read, 0);
        }
    }
    assert_eq!(leaked_operations(), leaked);
}

fn set_nonblocking(fd: &OwnedFd) {
    // SAFETY: takes numbers only; the descriptor is open.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(result, 0);
}

#[test]
fn a_pipe_without_a_reader_takes_the_shutdown_limit_at_most() {
    let _alone = alone();
    for builder in builders() {
        let leaked = leaked_operations();
        let builder = builder.shutdown_patience(Duration::from_millis(200));
        let rt = builder.clone().build().unwrap();
        let (reader, writer) = pipe();
        set_nonblocking(&writer);
        let stream = File::from_owned_fd(&rt, writer).into_stream().unwrap();
        let mut cursor = ByteStream::with_capacity(stream, 1 << 20);
        accept(&mut cursor, &bytes(1 << 20));
        let began = Instant::now();
        drop((cursor, rt));
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(
            leaked_operations(),
            leaked,
            "it could be given up: {builder:?}"
        );
        let mut read = Vec::new();
        StdFile::from(reader).read_to_end(&mut read).unwrap();
        assert!(!read.is_empty() && read.len() < 1 << 20);
        assert_bytes(&read, 0);
    }
}

/// The last handle goes on the only thread of the pool, within the end of a read, while writes wait
/// in the queue.
#[test]
fn queued_writes_are_carried_out_though_a_waker_drops_the_last_handle() {
    let _alone = alone();
    let (dir, leaked) = (Dir::new(), leaked_operations());
    let builder = NativeRt::builder().require(DriverKind::Threads).threads(1);
    let rt = builder.build().unwrap();
    let path = dir.path("waker");
    let file = create(&rt, &path);
    let (reader, writer) = pipe();
    let stream = File::from_owned_fd(&rt, reader);
    let (mut read, view) = Packet::new([0; 1]).start::<Read>();
    stream.send_io(0, view);
    for n in 0..100 {
        let part = (n * 100..n * 100 + 100).map(byte_at).collect::<Vec<_>>();
        let (in_flight, view) = Packet::new(part).start::<Write>();
        file.send_io(n * 100, view);
        drop(in_flight);
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let drops = Waker::from(Arc::new(Does::new(move || {
        drop((file, stream, rt));
        sender.send(()).unwrap();
    })));
    let polled = Pin::new(&mut read).poll(&mut Context::from_waker(&drops));
    assert!(polled.is_pending());
    StdFile::from(writer).write_all(b"x").unwrap();
    receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_holds(&path, 10_000);
    assert_eq!(leaked_operations(), leaked);
}
