//! The promises of the forms of reading and writing, on memory and on an object that does as it is
//! told.

mod buffers;
mod short_cuts;

use mfio::backend::IoBackendExt;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Identity, IoObject, Operation, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{AlignedBuf, Packet, View};
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use std::collections::VecDeque;
use std::sync::Mutex;

/// Fills views inline as its script says: how many bytes, then why no more.
struct Scripted(Mutex<VecDeque<(usize, Cause)>>);

impl Scripted {
    fn new(steps: impl IntoIterator<Item = (usize, Cause)>) -> Self {
        Self(Mutex::new(steps.into_iter().collect()))
    }

    fn next(&self) -> (usize, Cause) {
        self.0
            .lock()
            .unwrap()
            .pop_front()
            .expect("as many steps as requests")
    }
}

impl IoObject for Scripted {
    fn identity(&self) -> Identity<'_> {
        Identity {
            object: Some("/dev/script".into()),
            driver: Some("script"),
        }
    }

    fn explain(&self, _: Operation, cause: Cause) -> Option<&'static str> {
        (cause.kind() == ErrorKind::LimitReached).then_some("write a longer script")
    }
}

impl PacketIo<Read> for Scripted {
    fn send_io(&self, _: u64, mut view: View<Read>) {
        let (good, cause) = self.next();
        let shown = good.min(view.len());
        view.bytes_mut()[..shown].fill(1);
        view.done_prefix(good, cause);
    }
}

impl PacketIo<Write> for Scripted {
    fn send_io(&self, _: u64, view: View<Write>) {
        let (good, cause) = self.next();
        view.done_prefix(good, cause);
    }
}

const EOF: Cause = Cause::new(ErrorKind::UnexpectedEof);
const FULL: Cause = Cause::new(ErrorKind::StorageFull);

#[test]
fn read_all_needs_every_byte_and_shows_none_otherwise() {
    let mut bytes = [9; 4];
    let error =
        pollster::block_on(Scripted::new([(3, EOF)]).read_exact_at(&mut bytes, 16)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(
        error.to_string(),
        "read of 4 bytes at offset 16 of /dev/script failed: unexpected end of data [script]"
    );
    assert_eq!(bytes, [9; 4]);
    pollster::block_on(Scripted::new([(4, EOF)]).read_exact_at(&mut bytes, 0)).unwrap();
    assert_eq!(bytes, [1; 4]);
}

#[test]
fn an_error_says_what_the_object_knows_to_do_about_it() {
    let limit = Cause::new(ErrorKind::LimitReached);
    let io = std::sync::Arc::new(Scripted::new([(0, limit), (0, limit), (0, EOF)]));
    let mut bytes = [0; 4];
    let error = pollster::block_on(io.read_exact_at(&mut bytes, 16)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read of 4 bytes at offset 16 of /dev/script failed: limit reached [script]; \
         write a longer script"
    );
    let object: &dyn PacketIo<Read> = &*io;
    let error = pollster::block_on(object.read_exact_buf_at([0; 4], 0))
        .0
        .unwrap_err();
    assert_eq!(error.get_help(), Some("write a longer script"));
    let error = pollster::block_on(io.read_exact_at(&mut bytes, 0)).unwrap_err();
    assert_eq!(error.get_help(), None);
}

#[test]
fn read_some_shows_what_was_read_and_tells_the_end_from_an_error() {
    let io = Scripted::new([(3, FULL), (0, EOF), (0, FULL)]);
    let mut bytes = [9; 4];
    pollster::block_on(async {
        assert_eq!(io.read_at(&mut bytes, 0).await.unwrap(), 3);
        assert_eq!(bytes, [1, 1, 1, 9]);
        assert_eq!(io.read_at(&mut bytes, 0).await.unwrap(), 0);
        let error = io.read_at(&mut bytes, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    });
    assert_eq!(bytes, [1, 1, 1, 9]);
}

#[test]
fn writes_say_how_much_and_never_end_silently() {
    let io = Scripted::new([(3, FULL), (0, EOF), (2, FULL), (4, FULL)]);
    pollster::block_on(async {
        assert_eq!(io.write_at(&[0; 4], 0).await.unwrap(), 3);
        let error = io.write_at(&[0; 4], 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = io.write_all_at(&[0; 4], 7).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "write of 4 bytes at offset 7 of /dev/script failed: no space left [script]"
        );
        io.write_value_at(&1u32, 0).await.unwrap();
    });
}

#[test]
fn hazard_a_failure_taken_for_the_end_of_the_data() {
    let io = Scripted::new([(2, FULL), (0, EOF), (2, FULL), (2, FULL)]);
    pollster::block_on(async {
        let error = io.read_vec_at(7, 6).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "read of 6 bytes at offset 7 of /dev/script failed: no space left [script]"
        );
        assert_eq!(io.read_vec_at(0, 6).await.unwrap(), []);
        let error = io.read_bytes_at(0, 6).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        // What there is before the failure is to be had by name.
        let (result, buffer) = io.read_buf_at(vec![0; 6], 0).await;
        assert_eq!((result.unwrap(), &buffer[..2]), (2, &[1; 2][..]));
    });
}

#[test]
fn a_packet_tells_every_range() {
    let io = Memory::new(vec![5; 10]);
    let ended = io.block_on(io.read_packet_at(Packet::new(AlignedBuf::new(8)), 6));
    let failures: Vec<_> = ended.outcome.failures().collect();
    assert_eq!(failures.len(), 1);
    assert_eq!(
        (failures[0].offset, failures[0].len, failures[0].cause),
        (4, 4, EOF)
    );
    assert_eq!(ended.outcome.good_prefix(), 4);
    let (result, buffer) = ended.into_buffer();
    assert_eq!(result, Err(EOF));
    assert_eq!(&buffer[..], [5, 5, 5, 5, 0, 0, 0, 0]);
}

#[test]
fn memory_reaches_no_further_than_it_is() {
    let io = Memory::new(vec![1; 10]);
    let mut bytes = [0; 4];
    io.block_on(async {
        for pos in [7, 10, 11, u64::MAX] {
            let error = io.read_exact_at(&mut bytes, pos).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "at {pos}");
            assert!(io.write_all_at(&[2; 4], pos).await.is_err());
        }
        assert_eq!(io.read_at(&mut bytes, 7).await.unwrap(), 3);
        assert_eq!(io.read_at(&mut bytes, 10).await.unwrap(), 0);
        assert_eq!(
            io.read_value_at::<u64>(2).await.unwrap(),
            u64::from_ne_bytes([1, 1, 1, 1, 1, 2, 2, 2])
        );
        assert!(io.read_value_at::<[u8; 4]>(8).await.is_err());
    });
    assert_eq!(
        io.to_vec(),
        [1, 1, 1, 1, 1, 1, 1, 2, 2, 2],
        "the part within was written"
    );
}

#[test]
fn a_full_queue_serves_its_sender() {
    let io = Memory::new((0..=255).collect::<Vec<u8>>());
    // Nobody drives the backend, so all but the first thousand or so are served by being sent.
    let mut running: Vec<_> = (0..5000u64)
        .map(|n| {
            let (in_flight, view) = Packet::new([0u8; 1]).start::<Read>();
            io.send_io(n % 256, view);
            in_flight
        })
        .collect();
    assert!(running.iter().filter(|op| op.is_ended()).count() > 1000);
    io.block_on(async {
        for (n, op) in running.drain(..).enumerate() {
            let ended = op.await;
            assert!(ended.outcome.is_success());
            assert_eq!(ended.packet.into_buffer(), [(n % 256) as u8]);
        }
    });
}

#[test]
fn requests_of_a_memory_that_is_dropped_fail() {
    let io = Memory::new(vec![0; 4]);
    let (in_flight, view) = Packet::new([0u8; 4]).start::<Read>();
    io.send_io(0, view);
    drop(io);
    let outcome = in_flight
        .try_end()
        .expect("the view went with the queue")
        .outcome;
    assert_eq!(outcome.first_error(), Some(ErrorKind::Dropped.into()));
}

#[test]
fn trait_objects_and_pointers_have_all_forms() {
    let io = std::sync::Arc::new(Memory::new(vec![6; 8]));
    let object: &dyn PacketIo<Read> = &io;
    assert_eq!(io.block_on(object.read_value_at::<u16>(0)).unwrap(), 0x0606);
    assert_eq!(io.block_on(io.read_value_at::<u16>(0)).unwrap(), 0x0606);
}

#[test]
fn blocking_forms_keep_the_same_promises() {
    let io = Memory::new(vec![1; 10]);
    let mut bytes = [0; 4];
    let io = io.blocking();
    assert_eq!(io.read_at(&mut bytes, 8).unwrap(), 2);
    assert_eq!(io.read_at(&mut bytes, 10).unwrap(), 0);
    assert_eq!(
        io.read_exact_at(&mut bytes, 8).unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
    assert_eq!(io.write_at(&[2; 4], 8).unwrap(), 2);
    assert!(io.write_at(&[2; 4], 10).is_err());
    assert!(io.write_all_at(&[2; 4], 8).is_err());
    io.write_value_at(&0x0303u16, 0).unwrap();
    assert_eq!(io.read_value_at::<[u8; 3]>(0).unwrap(), [3, 3, 1]);
    io.read_exact_at(&mut [], 100).unwrap();
}
