//! Random reads and writes, beside an array of bytes that says what must come out.
#![cfg(target_os = "linux")]

mod common;

use common::*;
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::packet::Packet;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use mfio_rt::native::{File, NativeRt};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write { pos: u64, len: usize, seed: u8 },
    Read { pos: u64, len: usize },
    ReadSome { pos: u64, len: usize },
    ReadPacket { pos: u64, len: usize },
    BlockingWrite { pos: u64, len: usize, seed: u8 },
    BlockingRead { pos: u64, len: usize },
    Together { reads: Vec<(u64, usize)> },
    Len,
    Sync,
}

const SPACE: u64 = 40_000;

fn place() -> impl Strategy<Value = (u64, usize)> {
    (0..SPACE, prop_oneof![0..10_usize, 0..9000_usize])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|((pos, len), seed)| Step::Write { pos, len, seed }),
        4 => place().prop_map(|(pos, len)| Step::Read { pos, len }),
        2 => place().prop_map(|(pos, len)| Step::ReadSome { pos, len }),
        2 => place().prop_map(|(pos, len)| Step::ReadPacket { pos, len }),
        1 => (place(), any::<u8>())
            .prop_map(|((pos, len), seed)| Step::BlockingWrite { pos, len, seed }),
        1 => place().prop_map(|(pos, len)| Step::BlockingRead { pos, len }),
        2 => prop::collection::vec(place(), 1..20).prop_map(|reads| Step::Together { reads }),
        1 => Just(Step::Len),
        1 => Just(Step::Sync),
    ]
}

fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

/// The model of a file.
#[derive(Default)]
struct Model(Vec<u8>);

impl Model {
    fn write(&mut self, pos: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = pos as usize + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[pos as usize..end].copy_from_slice(bytes);
    }

    fn read(&self, pos: u64, len: usize) -> &[u8] {
        let from = self.0.len().min(pos as usize);
        &self.0[from..self.0.len().min(from + len)]
    }
}

fn perform(rt: &NativeRt, file: &File, model: &mut Model, step: &Step) {
    match step {
        Step::Write { pos, len, seed } => {
            let bytes = pattern(*seed, *len);
            rt.block_on(file.write_all_at(&bytes, *pos)).unwrap();
            model.write(*pos, &bytes);
        }
        Step::BlockingWrite { pos, len, seed } => {
            let bytes = pattern(*seed, *len);
            file.blocking().write_all_at(&bytes, *pos).unwrap();
            model.write(*pos, &bytes);
        }
        Step::Read { pos, len } => check_whole(model, *pos, *len, |bytes| {
            rt.block_on(file.read_exact_at(bytes, *pos))
        }),
        Step::BlockingRead { pos, len } => check_whole(model, *pos, *len, |bytes| {
            file.blocking().read_exact_at(bytes, *pos)
        }),
        Step::ReadSome { pos, len } => {
            let mut bytes = vec![0xee; *len];
            let n = rt.block_on(file.read_at(&mut bytes, *pos)).unwrap();
            assert_eq!(&bytes[..n], model.read(*pos, *len));
        }
        Step::ReadPacket { pos, len } => {
            let ended = rt.block_on(file.read_packet_at(Packet::new(vec![0xee; *len]), *pos));
            let good = ended.outcome.good_prefix();
            assert_eq!(&ended.packet.buffer()[..good], model.read(*pos, *len));
        }
        Step::Together { reads } => together(rt, file, model, reads),
        Step::Len => assert_eq!(rt.block_on(file.len()).unwrap(), model.0.len() as u64),
        Step::Sync => rt.block_on(file.sync_data()).unwrap(),
    }
}

fn check_whole(
    model: &Model,
    pos: u64,
    len: usize,
    read: impl FnOnce(&mut [u8]) -> mfio::error::Result<()>,
) {
    let mut bytes = vec![0xee; len];
    let expected = model.read(pos, len);
    match read(&mut bytes) {
        Ok(()) => assert_eq!(bytes, expected),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
            assert!(expected.len() < len);
        }
    }
}

fn together(rt: &NativeRt, file: &File, model: &Model, reads: &[(u64, usize)]) {
    let mut futures: Vec<_> = reads
        .iter()
        .map(|(pos, len)| (*pos, *len, Box::pin(file.read_buf_at(vec![0; *len], *pos))))
        .collect();
    rt.block_on(std::future::poll_fn(|cx| {
        futures.retain_mut(|(pos, len, future)| match future.as_mut().poll(cx) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready((result, bytes)) => {
                assert_eq!(&bytes[..result.unwrap()], model.read(*pos, *len));
                false
            }
        });
        if futures.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    }));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_file_is_an_array_of_bytes(steps in prop::collection::vec(step(), 1..60)) {
        let dir = Dir::new();
        for rt in runtimes() {
            let path = dir.path(rt.report().chosen().name());
            let file = rt.block_on(rt.create(&path)).unwrap();
            let mut model = Model::default();
            for step in &steps {
                perform(&rt, &file, &mut model, step);
            }
            drop(file);
            prop_assert!(std::fs::read(&path).unwrap() == model.0);
        }
    }
}
