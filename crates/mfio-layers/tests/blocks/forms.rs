//! `Blocks` among threads, and in all forms of calls.

use super::objects::{Bytes, send};
use super::{counting, sectors};
use mfio::backend::IoBackendExt;
use mfio::io::{PacketIo, Read, Write};
use mfio::memory::{Frozen, Memory};
use mfio::poller::block_on;
use mfio::traits::{BlockingIo, HasLen, IoRead, IoWrite};
use std::sync::Arc;

#[test]
fn threads_that_write_at_once_keep_all_bytes() {
    const THREADS: usize = 4;
    const LEN: usize = 400;
    let io = sectors(Bytes::new([0; LEN]));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let io = &io;
            scope.spawn(move || {
                for round in 1..=100u8 {
                    // Every byte of a thread, between those of the others.
                    for at in (thread..LEN).step_by(THREADS) {
                        let write = send::<Write>(io, at as u64, [round]);
                        assert!(block_on(write).outcome.is_success());
                        let read = send::<Read>(io, at as u64, [0]);
                        assert_eq!(block_on(read).packet.buffer(), &[round], "{at}");
                    }
                }
            });
        }
    });
    assert_eq!(io.inner().to_vec(), [100; LEN]);
    assert_eq!(io.waiting(), 0);
}

#[test]
fn blocking_and_asynchronous_calls_agree() {
    let memory = || Memory::new(counting(100));
    let (one, other) = (sectors(memory()), sectors(memory()));
    let requests = [
        (0, 16),
        (3, 5),
        (15, 40),
        (16, 17),
        (90, 10),
        (95, 20),
        (64, 32),
        (200, 3),
    ];
    for (n, (pos, len)) in requests.into_iter().enumerate() {
        let bytes = vec![n as u8 + 150; len];
        let written = one
            .block_on(one.write_at(&bytes, pos))
            .map_err(|e| e.kind());
        let blocking = other.blocking().write_at(&bytes, pos).map_err(|e| e.kind());
        assert_eq!(written, blocking, "{pos}");
        let (mut here, mut there) = (vec![0; len], vec![0; len]);
        let read = one.block_on(one.read_at(&mut here, pos)).unwrap();
        assert_eq!(read, other.blocking().read_at(&mut there, pos).unwrap());
        assert_eq!(here, there);
        assert_eq!(one.inner().to_vec(), other.inner().to_vec());
    }
    assert_eq!(one.block_on(one.io_len()).unwrap(), 100);
}

#[test]
fn memory_is_exposed_by_any_bytes() {
    let io = sectors(Frozen::new(Arc::<[u8]>::from(counting(100))));
    let part = PacketIo::<Read>::expose(&io, 5, 30).unwrap();
    assert_eq!(&*part, &counting(100)[5..35]);
    assert!(PacketIo::<Read>::expose(&io, 5, 0).is_none());
    assert!(PacketIo::<Read>::expose(&io, 200, 3).is_none());
}
