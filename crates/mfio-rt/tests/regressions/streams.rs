//! Streams: pipes, and descriptors that do not block.
#![allow(unsafe_code)]

use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::{builders, pipe, settle, start};
use crate::common::*;
use mfio::backend::IoBackendExt;
use mfio::io::{PacketIo, Read};
use mfio::packet::Packet;
use mfio::traits::{BlockingIo, IoRead, IoWrite, forward};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt, leaked_operations};

#[test]
fn reading_some_of_a_stream_takes_what_is_there() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        for text in ["hello", "you"] {
            writer.write_all(text.as_bytes()).unwrap();
            let file = file.clone();
            let (result, bytes) = within("it returns", move || {
                file.block_on(file.read_buf_at(vec![0; 64], 0))
            });
            assert_eq!(&bytes[..result.unwrap()], text.as_bytes());
        }
    }
}

/// As many reads that never end as there is room for, all of them given up.
#[test]
fn reads_that_nobody_waits_for_block_nobody() {
    for builder in builders() {
        let rt = builder.queue_depth(8).threads(4).build().unwrap();
        let (reader, _writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        for _ in 0..8 {
            let mut read = file.read_packet_at(Packet::new([0; 1]), 0);
            assert!(start(&rt, &mut read).is_pending());
            settle(&rt);
        }
        within("others get on", move || {
            rt.block_on(rt.open_read("/dev/null")).map(drop)
        })
        .unwrap();
    }
}

/// Threads that wait for streams are wanted before those streams are given up.
#[test]
fn reads_that_are_given_up_later_block_nobody() {
    let rt = NativeRt::builder().require(DriverKind::Threads).threads(2);
    let rt = rt.build().unwrap();
    let (reader, _writer) = pipe();
    let file = File::from_owned_fd(&rt, reader);
    let mut reads: Vec<_> = (0..2)
        .map(|_| file.read_packet_at(Packet::new([0; 1]), 0))
        .collect();
    for read in &mut reads {
        assert!(start(&rt, read).is_pending());
    }
    settle(&rt);
    let mut open = rt.open_read("/dev/null");
    assert!(start(&rt, &mut open).is_pending());
    settle(&rt);
    drop(reads);
    within("others get on", move || rt.block_on(open).map(drop)).unwrap();
}

/// It may have taken something that was on its way, but nothing more.
#[test]
fn a_read_that_nobody_waits_for_stops_taking() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        let mut read = file.read_packet_at(Packet::new([0; 64]), 0);
        assert!(start(&rt, &mut read).is_pending());
        settle(&rt);
        drop(read);
        for _ in 0..3 {
            writer.write_all(b"line").unwrap();
            settle(&rt);
        }
        let line = within("a line is left", move || {
            file.block_on(file.read_value_at::<[u8; 4]>(0))
        });
        assert_eq!(&line.unwrap(), b"line");
    }
}

#[test]
fn a_descriptor_that_does_not_block_is_waited_for() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        // SAFETY: takes numbers only; the descriptor is open.
        let set = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        assert_eq!(set, 0);
        let file = File::from_owned_fd(&rt, reader);
        let mut read = Box::pin(file.read_value_at::<u8>(0));
        assert!(start(&rt, &mut read).is_pending());
        settle(&rt);
        assert!(start(&rt, &mut read).is_pending());
        writer.write_all(b"x").unwrap();
        assert_eq!(rt.block_on(read).unwrap(), b'x');
    }
}

/// Blocking calls wait, as asynchronous ones do.
#[test]
fn a_descriptor_that_does_not_block_is_waited_for_by_blocking_calls() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, writer) = pipe();
        for fd in [reader.as_raw_fd(), writer.as_raw_fd()] {
            // SAFETY: takes numbers only; the descriptors are open.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
            // SAFETY: as above.
            let set = unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) };
            assert_eq!(set, 0);
        }
        let (from, to) = (
            File::from_owned_fd(&rt, reader),
            File::from_owned_fd(&rt, writer.into()),
        );
        // More than a pipe holds.
        let sent: Vec<u8> = (0..1 << 18).map(|i| (i % 251) as u8).collect();
        let (expected, len) = (sent.clone(), sent.len());
        let got = within("a pipe that does not block", move || {
            let read = std::thread::spawn(move || {
                let mut got = vec![0; len];
                let mut at = 0;
                while at < len {
                    at += from.blocking().read_at(&mut got[at..], 0)?;
                }
                Ok::<_, mfio::error::Error>(got)
            });
            to.blocking().write_all_at(&sent, 0)?;
            read.join().unwrap()
        });
        assert!(got.unwrap() == expected);
    }
}

#[test]
fn what_a_stream_has_given_is_not_lost_by_a_vector_with_room_for_more() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        writer.write_all(b"hello").unwrap();
        assert_eq!(rt.block_on(file.read_vec_at(0, 64)).unwrap(), b"hello");
        drop(writer);
        assert_eq!(rt.block_on(file.read_vec_at(0, 64)).unwrap(), b"");
    }
}

/// Chunks keep their order where positions do not give it: in pipes, and at the end of files.
#[test]
fn hazard_chunks_that_overtake_each_other() {
    const LEN: usize = 4 << 20;
    let dir = Dir::new();
    let path = dir.file("from", LEN);
    let bytes = std::fs::read(&path).unwrap();
    let produce = |at: &mut usize, chunk: &mut [u8]| {
        chunk.copy_from_slice(&bytes[*at..][..chunk.len()]);
        *at += chunk.len();
    };
    for builder in builders() {
        let rt = builder.build().unwrap();
        let from = rt.block_on(rt.open_read(&path)).unwrap();
        let (reader, writer) = pipe();
        let to = File::from_owned_fd(&rt, writer.into());
        let drain = std::thread::spawn(move || {
            let mut all = Vec::new();
            StdFile::from(reader).read_to_end(&mut all).unwrap();
            all
        });
        rt.block_on(forward(&from, 0, &to, 0, LEN as u64)).unwrap();
        let mut at = 0;
        let write = to.write_with_at(0, LEN as u64, |chunk: &mut [u8]| produce(&mut at, chunk));
        assert_eq!(rt.block_on(write).unwrap(), LEN as u64);
        drop(to);
        assert!(drain.join().unwrap() == [&bytes[..], &bytes].concat());

        let (reader, mut writer) = pipe();
        let source = File::from_owned_fd(&rt, reader);
        let copy = dir.path("copy");
        let options = OpenOptions::new().append(true).create(true).truncate(false);
        let to = rt.block_on(rt.open(&copy, &options)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&bytes).unwrap();
                drop(writer);
            });
            let all = forward(&source, 0, &to, 0, u64::MAX).to_end();
            assert_eq!(rt.block_on(all).unwrap(), LEN as u64);
        });
        rt.block_on(forward(&from, 0, &to, 0, LEN as u64)).unwrap();
        assert!(std::fs::read(&copy).unwrap() == [&bytes[..], &bytes].concat());
        std::fs::remove_file(&copy).unwrap();
    }
}

/// An object without positions takes any position that a request names.
#[test]
fn a_stream_ignores_positions_that_no_file_has() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, writer) = pipe();
        let (from, to) = (
            File::from_owned_fd(&rt, reader),
            File::from_owned_fd(&rt, writer.into()),
        );
        // More than a pipe holds, so that the rest is sent on.
        let sent = vec![7; 1 << 18];
        let mut write = Box::pin(to.write_all_at(&sent, u64::MAX - 1));
        assert!(start(&rt, &mut write).is_pending());
        let mut got = 0;
        while got < sent.len() {
            got += rt
                .block_on(from.read_at(&mut [0; 1 << 16], u64::MAX))
                .unwrap();
        }
        rt.block_on(write).unwrap();
    }
}

/// A stream's reader goes with its runtime, though it never ends by itself.
#[test]
fn a_read_of_a_stream_does_not_outlast_its_runtime() {
    let rt = NativeRt::builder().require(DriverKind::Threads);
    let rt = rt.shutdown_patience(Duration::MAX).build().unwrap();
    let (reader, _writer) = pipe();
    let file = File::from_owned_fd(&rt, reader);
    let (mut in_flight, view) = Packet::new([0; 1]).start::<Read>();
    file.send_io(0, view);
    assert!(start(&rt, &mut in_flight).is_pending());
    settle(&rt);
    let leaked = leaked_operations();
    within("the runtime ends", move || drop((file, rt)));
    assert_eq!(leaked_operations(), leaked);
    eventually("it has ended", || in_flight.is_ended());
}
