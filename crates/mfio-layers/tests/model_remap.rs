//! `Remap` against the model.

mod common;

use common::{Byte, Model, cases, memory, noise, ops, run, run_blocking};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::View;
use mfio::traits::{BlockingIo, IoRead};
use mfio_layers::{AttachBackend, Concat, Remap};
use proptest::prelude::*;
use std::ops::Range;

const SIZE: usize = 64;

/// A change of the mappings: `Some` maps, `None` unmaps.
type Change = (Range<u64>, Option<u64>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let range = (0..90u64, 0..40u64).prop_map(|(start, len)| start..(start + len).min(100));
    let target = prop_oneof![3 => (0..70u64).prop_map(Some), 1 => Just(None)];
    prop::collection::vec((range, target), 0..10)
}

/// The target of each address, as the changes set it.
fn mapped(changes: &[Change]) -> Vec<Option<u64>> {
    let mut targets = vec![None; 100];
    for (range, target) in changes {
        for (n, at) in range.clone().enumerate() {
            targets[at as usize] = target.map(|target| target + n as u64);
        }
    }
    targets
}

/// The bytes of `below`, as seen through the mappings.
fn seen(targets: &[Option<u64>], below: &[u8], base: u64) -> Model {
    let byte = |target: &Option<u64>| -> Byte {
        let target = target.ok_or(ErrorKind::NotFound)?;
        let byte = below.get(target as usize);
        byte.copied().ok_or(ErrorKind::UnexpectedEof)
    };
    Model {
        base,
        elsewhere: ErrorKind::NotFound,
        ..Model::of(targets.iter().map(byte))
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn mapped_bytes_are_those_of_their_targets_and_holes_fail_alone(
        changes in changes(),
        // The second one has the last mapped byte at the last address.
        base in prop::sample::select(vec![0, u64::MAX - 99]),
        // A write to one place may be seen at others, so each is followed by a new model.
        requests in ops(0..100, vec![0, 20, 40, 60, 99], 60),
    ) {
        let below = memory(SIZE, 3);
        let mut io = Remap::<_, u64, u64>::new(below.clone());
        for (range, target) in &changes {
            if range.is_empty() {
                continue;
            }
            let range = range.start + base..=range.end - 1 + base;
            match target {
                Some(target) => io.map(range, *target).unwrap(),
                None => io.unmap(range),
            }
        }
        let targets = mapped(&changes);
        let requests: Vec<_> = requests.into_iter().map(|op| moved(op, base)).collect();
        for (n, op) in requests.iter().enumerate() {
            let mut model = seen(&targets, &below.to_vec(), base);
            let op = std::slice::from_ref(op);
            if let (common::Op::Write { pos, bytes }, true) = (&op[0], aliased(&targets)) {
                // Whichever of the two came last is there; the outcome is as ever.
                common::write(&io, &mut model, *pos, bytes)?;
                continue;
            }
            match n % 2 {
                0 => run(&io, &mut model, op)?,
                _ => run_blocking(&io, &mut model, op)?,
            }
            prop_assert_eq!(seen(&targets, &below.to_vec(), base), model);
        }
    }

    #[test]
    fn mappings_are_coalesced(changes in changes()) {
        let mut io = Remap::<_, u32, u64>::new(());
        for (range, target) in &changes {
            let range = range.start as u32..range.end as u32;
            match target {
                Some(target) => io.map(range, *target).unwrap(),
                None => io.unmap(range),
            }
        }
        let targets = mapped(&changes);
        let mut told = vec![None; 100];
        let mut before = None;
        for (range, target) in io.mappings() {
            prop_assert_ne!(before, Some((*range.start(), target)), "they continue each other");
            before = Some((range.end() + 1, target + u64::from(range.end() - range.start()) + 1));
            for at in range.clone() {
                told[at as usize] = Some(target + u64::from(at - range.start()));
            }
        }
        prop_assert_eq!(&told, &targets);
        for (at, target) in targets.iter().enumerate() {
            prop_assert_eq!(io.target(at as u32), *target);
        }
    }
}

fn moved(op: common::Op, by: u64) -> common::Op {
    match op {
        common::Op::Read { pos, len } => common::Op::Read {
            pos: pos.saturating_add(by),
            len,
        },
        common::Op::Write { pos, bytes } => common::Op::Write {
            pos: pos.saturating_add(by),
            bytes,
        },
    }
}

/// Whether some byte is seen at two addresses.
fn aliased(targets: &[Option<u64>]) -> bool {
    let mut all: Vec<_> = targets.iter().flatten().collect();
    all.sort_unstable();
    all.windows(2).any(|pair| pair[0] == pair[1])
}

#[test]
fn narrow_addresses_end_where_their_type_ends() {
    let mut io = Remap::<_, u32, u64>::new(Memory::new(noise(8, 4)));
    io.map(u32::MAX - 3.., 2).unwrap();
    let bytes = io.block_on(io.read_vec_at(u32::MAX - 3, 100)).unwrap();
    assert_eq!(bytes, noise(8, 4)[2..6]);
    let error = io
        .blocking()
        .read_exact_at(&mut [0; 3], u32::MAX - 1)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

/// Memory with narrow addresses.
struct Narrow(Memory);

impl IoObject for Narrow {}

impl PacketIo<Read, u32> for Narrow {
    fn send_io(&self, pos: u32, view: View<Read>) {
        self.0.send_io(pos.into(), view);
    }
}

impl PacketIo<Write, u32> for Narrow {
    fn send_io(&self, pos: u32, view: View<Write>) {
        self.0.send_io(pos.into(), view);
    }
}

#[test]
fn a_target_without_enough_addresses_is_refused() {
    let mut io = Remap::new(Narrow(Memory::new(noise(8, 5))));
    let error = io.map(0u64..11, u32::MAX - 9).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(io.mappings().count(), 0);
    io.map(0u64..10, u32::MAX - 9).unwrap();
    io.map(100.., 0u32).unwrap_err();
    io.map(5u64..5, u32::MAX).unwrap();
    assert_eq!(io.mappings().collect::<Vec<_>>(), [(0..=9, u32::MAX - 9)]);
    io.unmap(..);
    assert_eq!(io.mappings().count(), 0);
}

#[test]
fn all_of_an_address_space_is_one_mapping() {
    let mut io = Remap::<_, u64, u64>::new(Memory::new(noise(8, 6)));
    io.map(.., 0).unwrap();
    assert_eq!(
        io.block_on(io.read_vec_at(2, 100)).unwrap(),
        noise(8, 6)[2..]
    );
    assert_eq!(io.mappings().collect::<Vec<_>>(), [(0..=u64::MAX, 0)]);
}

#[test]
fn errors_describe_holes() {
    let io = Remap::<_, u64, u64>::new(Memory::new([]));
    let error = io.blocking().read_value_at::<u32>(16).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read of 4 bytes at offset 16 of a remapping failed: not found [memory]; \
         no mapping covers it: map the range, or read around it"
    );
}

#[test]
fn ranges_of_several_objects() {
    let below = memory(8, 7);
    let parts = [(below.clone(), 8), (below.clone(), 4)];
    let concat = Concat::new(parts).unwrap();
    let second = concat.start(1).unwrap();
    let mut io = Remap::new(AttachBackend::new(concat, below));
    io.map(0u64..2, second + 2).unwrap();
    io.map(2..4, 6).unwrap();
    let expected = [2, 3, 6, 7].map(|at| noise(8, 7)[at]);
    assert_eq!(io.block_on(io.read_vec_at(0, 4)).unwrap(), expected);
}
