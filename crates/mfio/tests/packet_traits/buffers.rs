//! Kinds of buffers.

use super::{EOF, FULL, Scripted};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::Read;
use mfio::memory::Memory;
use mfio::packet::{Packet, Value};
use mfio::traits::{IoRead, IoWrite};
use std::sync::Mutex;

#[test]
fn owned_buffers_come_back_in_any_case() {
    let io = Scripted::new([(2, FULL), (2, FULL), (0, FULL), (5, EOF)]);
    pollster::block_on(async {
        let (result, buffer) = io.read_exact_buf_at(vec![7; 4], 0).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        let (result, buffer) = io.read_buf_at(buffer, 0).await;
        assert_eq!(result.unwrap(), 2);
        assert_eq!(buffer, [1, 1, 7, 7]);
        let (result, buffer) = io.write_all_buf_at(buffer, 0).await;
        assert!(result.is_err());
        assert_eq!(buffer.len(), 4);
        assert_eq!(io.read_vec_at(0, 6).await.unwrap(), [1; 5]);
    });
}

#[test]
fn every_kind_of_buffer_is_read_into_and_written_from() {
    static BYTES: [u8; 2] = [3, 4];
    let io = Memory::new(vec![1, 2, 3, 4, 5, 6, 7, 8]);
    io.block_on(async {
        assert_eq!(
            io.read_exact_buf_at(Value([0u8; 2]), 0).await.1,
            Value([1, 2])
        );
        assert_eq!(io.read_exact_buf_at([0u8; 3], 0).await.1, [1, 2, 3]);
        assert_eq!(
            *io.read_exact_buf_at(vec![0u8; 2].into_boxed_slice(), 6)
                .await
                .1,
            [7, 8]
        );
        let leaked: &'static mut [u8] = Box::leak(Box::new([0u8; 2]));
        let leaked = io.read_exact_buf_at(leaked, 4).await.1;
        assert_eq!(*leaked, [5, 6]);
        let (result, leaked) = io.write_all_buf_at(leaked, 6).await;
        result.unwrap();
        // Still reachable, so that checkers of leaks know it is meant.
        static KEPT: Mutex<Vec<&'static [u8]>> = Mutex::new(Vec::new());
        KEPT.lock().unwrap().push(leaked);
        io.write_all_buf_at(&BYTES[..], 0).await.0.unwrap();
        let (result, bytes) = io.write_all_buf_at(bytes_of(b"xy"), 2).await;
        result.unwrap();
        assert_eq!(bytes, "xy");
    });
    assert_eq!(io.to_vec(), [3, 4, b'x', b'y', 5, 6, 5, 6]);
}

#[test]
fn bytes_are_read_into_and_share_what_was_read() {
    use bytes::{Bytes, BytesMut};
    let io = Memory::new(vec![1, 2, 3, 4, 5, 6, 7, 8]);
    io.block_on(async {
        // A part of a larger allocation, with room behind it: neither neighbour is touched.
        let mut middle = BytesMut::with_capacity(64);
        middle.resize(9, 0xee);
        let mut front = middle.split_to(3);
        let behind = middle.split_off(4);
        let (result, mut middle) = io.read_exact_buf_at(middle, 2).await;
        result.unwrap();
        assert_eq!(
            (&front[..], &middle[..], &behind[..]),
            (&[0xee; 3][..], &[3, 4, 5, 6][..], &[0xee; 2][..])
        );
        middle.extend_from_slice(&[9; 100]);
        middle.truncate(2);
        let (result, mut packet) = io.write_all_buf_at(middle, 6).await;
        result.unwrap();
        front.unsplit(packet.split_to(1));
        assert_eq!(&front[..], [0xee, 0xee, 0xee, 3]);
        assert_eq!(
            io.read_exact_buf_at(BytesMut::new(), 0).await.1,
            BytesMut::new()
        );
        let tail: Bytes = io.read_bytes_at(5, 100).await.unwrap();
        assert_eq!(tail, &[6, 3, 4][..]);
        assert_eq!(io.read_bytes_at(8, 1).await.unwrap(), Bytes::new());
    });
    let mut packet = Packet::new(bytes::BytesMut::from(&b"ab"[..]));
    for round in 0..3 {
        packet.buffer_mut()[0] = round;
        let (in_flight, mut view) = packet.start::<Read>();
        view.bytes_mut()[1] = round;
        view.done();
        packet = in_flight.try_end().unwrap().packet;
        assert_eq!(packet.buffer(), [round; 2]);
    }
}

fn bytes_of(bytes: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(bytes)
}

#[test]
fn exchanging_the_buffer_keeps_the_packet() {
    let io = Memory::new(vec![1, 2, 3, 4]);
    let mut packet = Packet::new(vec![0; 1]);
    for len in [4, 2, 0, 3] {
        packet.replace(vec![0; len]);
        packet = io.block_on(io.read_packet_at(packet, 0)).packet;
        assert_eq!(packet.buffer(), &[1, 2, 3, 4][..len]);
    }
    assert_eq!(packet.into_buffer(), [1, 2, 3]);
}

#[test]
fn large_borrowed_reads_and_lengths_from_outside() {
    let io = Memory::new((0..300_000u32).map(|n| n as u8).collect::<Vec<u8>>());
    let mut bytes = vec![0; 250_000];
    io.block_on(async {
        io.read_exact_at(&mut bytes, 3).await.unwrap();
        assert!(bytes.iter().enumerate().all(|(n, &b)| b == (n + 3) as u8));
        io.write_all_at(&bytes, 0).await.unwrap();
        for len in [usize::MAX, isize::MAX as usize] {
            assert!(io.read_vec_at(0, len).await.unwrap() == io.to_vec());
        }
        assert_eq!(io.read_vec_at(299_990, 100).await.unwrap().len(), 10);
        assert_eq!(io.read_vec_at(300_000, 100).await.unwrap(), []);
        io.read_exact_at(&mut [], 0).await.unwrap();
        assert_eq!(io.read_at(&mut [], 0).await.unwrap(), 0);
        io.read_value_at::<()>(0).await.unwrap();
    });
    assert_eq!(io.to_vec()[..250_000], bytes);
}
