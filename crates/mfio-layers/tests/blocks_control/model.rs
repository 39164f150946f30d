//! `Blocks` over a disk, against memory without a layer.

use super::disk::Disk;
use mfio::backend::IoBackendExt;
use mfio::control::{ControlOp, Span, Unmap};
use mfio::memory::Memory;
use mfio::traits::{BlockingIo, IoControl, IoRead, IoWrite};
use mfio_layers::Blocks;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, usize, u8),
    Read(u64, usize),
    Control(ControlOp),
}

fn op() -> impl Strategy<Value = Op> {
    let span = || (0..120u64, 0..80u64).prop_map(|(start, len)| Span::from(start..start + len));
    let unmap = prop_oneof![Just(Unmap::Allowed), Just(Unmap::Forbidden)];
    let zeroes = (span(), unmap).prop_map(|(span, unmap)| ControlOp::WriteZeroes(span, unmap));
    prop_oneof![
        (0..120u64, 0..80usize, 1..=255u8).prop_map(|(pos, len, byte)| Op::Write(pos, len, byte)),
        (0..120u64, 0..80usize).prop_map(|(pos, len)| Op::Read(pos, len)),
        zeroes.prop_map(Op::Control),
        (0..140u64).prop_map(|len| Op::Control(ControlOp::SetLen(len))),
        span().prop_map(|span| Op::Control(ControlOp::Allocate(span))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Memory without a layer is the model, blocking calls in turns with others.
    #[test]
    fn operations_do_what_they_do_without_blocks(
        ops in prop::collection::vec((op(), any::<bool>()), 1..60),
        shift in 4..7u32,
    ) {
        let disk = Disk::new([3; 100]);
        let model = Memory::new(vec![3; 100]);
        let io: Blocks<_> = Blocks::with_block(disk.clone(), 1 << shift).unwrap();
        for (op, blocking) in ops {
            match op {
                Op::Write(pos, len, byte) => {
                    let bytes = vec![byte; len];
                    let good = match blocking {
                        true => io.blocking().write_at(&bytes, pos),
                        false => io.block_on(io.write_at(&bytes, pos)),
                    };
                    let expected = model.block_on(model.write_at(&bytes, pos));
                    prop_assert_eq!(good.map_err(|e| e.kind()), expected.map_err(|e| e.kind()));
                }
                Op::Read(pos, len) => {
                    let mut bytes = [vec![0; len], vec![0; len]];
                    let [here, there] = &mut bytes;
                    let good = match blocking {
                        true => io.blocking().read_at(here, pos),
                        false => io.block_on(io.read_at(here, pos)),
                    };
                    let expected = model.block_on(model.read_at(there, pos)).unwrap();
                    prop_assert_eq!(good.unwrap(), expected);
                    prop_assert_eq!(&bytes[0][..expected], &bytes[1][..expected]);
                }
                // An object that has no such blocks refuses to reserve them.
                Op::Control(op @ ControlOp::Allocate(_)) => {
                    let _ = io.block_on(io.control(op));
                }
                Op::Control(op) => {
                    let result = match blocking {
                        true => io.blocking::<u64>().control(op),
                        false => io.block_on(io.control(op)),
                    };
                    let expected = model.block_on(model.control(op));
                    prop_assert_eq!(result.is_ok(), expected.is_ok(), "{:?}", op);
                }
            }
            prop_assert_eq!(disk.memory.to_vec(), model.to_vec());
        }
    }
}
