//! Buffers with a capacity and no length: reads fill the length, so that they refuse such a buffer,
//! and say what to do.

use bytes::BytesMut;
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::memory::{Memory, pipe};
use mfio::packet::{Batch, Packet, ReadBuffer, WriteBuffer};
use mfio::pipeline::Window;
use mfio::traits::{BlockingIo, IoRead, IoWrite, StreamRead};

fn memory() -> Memory {
    Memory::new(vec![7; 100])
}

fn refused(error: &mfio::error::Error) {
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("vec![0; n]"), "{error}");
}

fn reads_refuse<B: ReadBuffer + std::fmt::Debug + 'static>(buffer: impl Fn() -> B) {
    let io = memory();
    io.block_on(async {
        refused(&io.read_exact_buf_at(buffer(), 0).await.0.unwrap_err());
        refused(&io.read_buf_at(buffer(), 0).await.0.unwrap_err());
        let ended = io.read_packet_at(Packet::new(buffer()), 0).await;
        let refusal = ended.outcome.first_error().unwrap();
        assert_eq!(refusal.kind(), ErrorKind::InvalidInput);
        let each = |_: mfio::packet::EndedSegment<'_>| panic!("nothing is read");
        let ended = io.read_packet_each_at(Packet::new(buffer()), 0, each).await;
        assert!(!ended.outcome.is_success());
        let mut pipeline = io.read_pipeline::<_, ()>(Window::new(2));
        assert!(pipeline.try_push((0, buffer())).is_ok());
        refused(&pipeline.next().await.unwrap().result.unwrap_err());
        assert_eq!(pipeline.in_flight(), 0);
    });
    let run = io.blocking().read_pipeline(2, [(0u64, buffer())]);
    run.for_each(|ended| refused(&ended.result.unwrap_err()));
}

fn writes_are_empty<B: WriteBuffer + std::fmt::Debug + 'static>(buffer: impl Fn() -> B) {
    let io = memory();
    io.block_on(async {
        io.write_all_buf_at(buffer(), 0).await.0.unwrap();
        assert_eq!(io.write_buf_at(buffer(), 0).await.0.unwrap(), 0);
        let ended = io.write_packet_at(Packet::new(buffer()), 0).await;
        assert!(ended.outcome.is_success());
        let ended = io.write_batch(Batch::from_iter([(0, buffer())])).await;
        assert!(ended.outcome.is_success() && ended.results().all(|result| result.is_ok()));
        assert!(ended.outcome_of(0).is_success());
        let mut pipeline = io.write_pipeline::<_, ()>(Window::new(2));
        assert!(pipeline.try_push((0, buffer())).is_ok());
        pipeline.next().await.unwrap().result.unwrap();
    });
    assert_eq!(io.to_vec(), [7; 100]);
}

#[test]
fn a_read_into_capacity_alone_is_refused_and_not_silently_empty() {
    reads_refuse(|| Vec::with_capacity(10));
    reads_refuse(|| BytesMut::with_capacity(10));
    let (reads, _writes) = pipe(10);
    let read = reads.block_on(reads.read_buf(Vec::with_capacity(10)));
    refused(&read.0.unwrap_err());
}

#[test]
fn a_write_of_capacity_alone_is_an_empty_write() {
    writes_are_empty(|| Vec::with_capacity(10));
    writes_are_empty(|| BytesMut::with_capacity(10));
}

#[test]
fn a_refused_buffer_comes_back_as_it_was() {
    let io = memory();
    let (result, buffer) = io.block_on(io.read_exact_buf_at(Vec::with_capacity(10), 0));
    refused(&result.unwrap_err());
    assert_eq!((buffer.len(), buffer.capacity()), (0, 10));
}

#[test]
fn a_buffer_with_length_and_room_is_filled_up_to_its_length() {
    let io = memory();
    let mut bytes = Vec::with_capacity(10);
    bytes.resize(4, 0);
    let (result, bytes) = io.block_on(io.read_exact_buf_at(bytes, 0));
    result.unwrap();
    assert_eq!((&bytes[..], bytes.capacity()), (&[7; 4][..], 10));
}

#[test]
fn a_buffer_with_neither_is_an_empty_read() {
    let io = memory();
    io.block_on(async {
        io.read_exact_buf_at(Vec::new(), 0).await.0.unwrap();
        io.read_exact_buf_at(BytesMut::new(), 0).await.0.unwrap();
        io.read_exact_buf_at(Box::<[u8]>::default(), 0)
            .await
            .0
            .unwrap();
        io.read_exact_buf_at([0; 0], 0).await.0.unwrap();
    });
}

#[test]
fn capacity_alone_in_a_batch_fails_that_buffer_and_the_batch() {
    let io = memory();
    let empty = || Vec::with_capacity(10);
    let lists = [
        vec![empty(), vec![0; 2], Vec::new(), empty(), vec![0; 3]],
        vec![vec![0; 2], empty(), vec![0; 2]],
        vec![empty()],
        vec![Vec::new(), empty()],
    ];
    for list in lists {
        let refused: Vec<_> = list
            .iter()
            .map(|b| b.is_empty() && b.capacity() != 0)
            .collect();
        for limit in [usize::MAX, 1] {
            let batch: Batch<_> = list
                .iter()
                .map(|bytes| {
                    let mut copy = Vec::with_capacity(bytes.capacity());
                    copy.extend_from_slice(bytes);
                    (0u64, copy)
                })
                .collect();
            let mut ended = io.block_on(io.read_batch(batch).limit(limit));
            assert!(!ended.outcome.is_success());
            let results: Vec<_> = ended.results().map(|result| result.is_err()).collect();
            assert_eq!(results, refused);
            for (index, &refused) in refused.iter().enumerate() {
                assert_eq!(ended.outcome_of(index).is_success(), !refused, "{index}");
                assert!(ended.batch.bytes(index).iter().all(|&byte| byte == 7));
            }
            // Nothing of it stays for the next request.
            ended.batch.drain().for_each(drop);
            ended.batch.push(0, vec![0; 4]);
            let ended = io.block_on(io.read_batch(ended.batch));
            assert!(ended.outcome.is_success());
        }
    }
}

/// A neighbour that fails for the same reason does not hide it.
#[test]
fn capacity_alone_beside_a_failed_buffer_fails_too() {
    struct Refuses;
    impl mfio::io::IoObject for Refuses {}

    impl mfio::io::PacketIo<mfio::io::Read> for Refuses {
        fn send_io(&self, _: u64, view: mfio::packet::View<mfio::io::Read>) {
            match view.is_empty() {
                true => view.done(),
                false => view.fail(ErrorKind::InvalidInput),
            }
        }
    }
    let batch = Batch::from_iter([(0u64, vec![0; 2]), (0, Vec::with_capacity(1)), (0, vec![0])]);
    let ended = mfio::poller::block_on(Refuses.read_batch(batch));
    let kinds = ended.results().map(|result| result.unwrap_err().kind());
    assert_eq!(kinds.collect::<Vec<_>>(), [ErrorKind::InvalidInput; 3]);
}
