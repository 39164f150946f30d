//! Layers on layers, at random: what becomes of each byte is found by going down the tree, byte by
//! byte.

mod common;

use common::{Byte, Op, cases, compare, noise, ops};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::Packet;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, BackendSet, Cache, Concat, Fault, Limit, Limits, Mirror, Offset, Overlay, Remap,
    Retry, RetryPolicy, Rule, Stripe, Timeout, TimeoutLimits, Trace, Window,
};
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

trait Object: PacketIo<Read> + PacketIo<Write> + Send + Sync {}
impl<T: PacketIo<Read> + PacketIo<Write> + Send + Sync> Object for T {}
type Shared = Arc<dyn Object>;

/// A tree of layers.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Arc<Leaf>),
    Offset(u64, Box<Tree>),
    Window(u64, u64, Box<Tree>),
    Stripe(u64, Vec<Tree>),
    Concat(Vec<(Tree, u64)>),
    Remap(Vec<(RangeInclusive<u64>, u64)>, Box<Tree>),
    /// A layer that keeps requests meanwhile, and shows what is below as it is.
    Kept(Keeper, Box<Tree>),
}

#[derive(Clone, Copy, Debug)]
enum Keeper {
    Retry,
    Limit,
    Timeout,
    Mirror,
    Trace,
    /// These two only right over a leaf: what is written to it by another way, or fails in part, is
    /// seen otherwise.
    Cache,
    Overlay(u64),
}

impl Keeper {
    fn over(self, below: Shared) -> Shared {
        match self {
            Keeper::Retry => {
                let busy = |range| Rule::fail(ErrorKind::Busy).within(range).every(2).times(3);
                let fault = Fault::<_>::new(below, [busy(3..9), busy(5..40)]);
                Arc::new(Retry::<_>::new(fault, RetryPolicy::new(7)))
            }
            Keeper::Limit => {
                let limits = Limits {
                    operations: 2,
                    bytes: 7,
                    ..Limits::default()
                };
                Arc::new(Limit::<_>::new(below, limits))
            }
            Keeper::Timeout => {
                let limits = TimeoutLimits {
                    chunk: 5,
                    ..TimeoutLimits::default()
                };
                let clock = ManualClock::new();
                Arc::new(Timeout::with_limits(below, Duration::ZERO, clock, limits))
            }
            Keeper::Trace => Arc::new(Trace::new(below)),
            Keeper::Cache => Arc::new(Cache::new(below, 24, 8).unwrap()),
            // The base and the top are the same object, to which granules are copied from itself.
            Keeper::Overlay(len) => {
                Arc::new(Overlay::<_, _>::new(below.clone(), below, len, 8).unwrap())
            }
            // Both are the same object, which is written twice.
            Keeper::Mirror => Arc::new(Mirror::<_>::new([below.clone(), below]).unwrap()),
        }
    }
}

#[derive(Debug)]
struct Leaf {
    memory: Arc<Memory>,
    model: Mutex<Vec<u8>>,
}

impl Leaf {
    fn new(len: usize, seed: u64) -> Self {
        let bytes = noise(len, seed);
        Self {
            memory: Arc::new(Memory::new(bytes.clone())),
            model: Mutex::new(bytes),
        }
    }
}

const END: ErrorKind = ErrorKind::UnexpectedEof;

impl Tree {
    /// The layers themselves.
    fn build(&self) -> Shared {
        match self {
            Tree::Leaf(leaf) => leaf.memory.clone(),
            Tree::Offset(base, below) => Arc::new(Offset::new(below.build(), *base)),
            Tree::Window(base, len, below) => Arc::new(Window::new(below.build(), *base, *len)),
            Tree::Stripe(unit, below) => {
                let members: Vec<_> = below.iter().map(Tree::build).collect();
                Arc::new(Stripe::new(members, *unit).unwrap())
            }
            Tree::Concat(below) => {
                let parts = below.iter().map(|(below, len)| (below.build(), *len));
                Arc::new(Concat::new(parts).unwrap())
            }
            Tree::Remap(mappings, below) => {
                let mut remap = Remap::<_, u64, u64>::new(below.build());
                for (range, target) in mappings {
                    remap.map(range.clone(), *target).unwrap();
                }
                Arc::new(remap)
            }
            Tree::Kept(keeper, below) => keeper.over(below.build()),
        }
    }

    /// Returns the place of a byte.
    fn place(&self, at: u64) -> Result<(&Leaf, usize), ErrorKind> {
        match self {
            Tree::Leaf(leaf) if at < leaf.memory.len() as u64 => Ok((leaf, at as usize)),
            Tree::Leaf(_) => Err(END),
            Tree::Kept(_, below) => below.place(at),
            Tree::Offset(base, below) => below.place(base.checked_add(at).ok_or(END)?),
            Tree::Window(_, len, _) if at >= *len => Err(END),
            Tree::Window(base, _, below) => below.place(base.checked_add(at).ok_or(END)?),
            Tree::Stripe(unit, below) => {
                let (number, members) = (at / unit, below.len() as u64);
                let row = number / members * unit;
                below[(number % members) as usize].place(row + at % unit)
            }
            Tree::Concat(below) => {
                let mut within = at;
                for (below, len) in below {
                    match within.checked_sub(*len) {
                        Some(rest) => within = rest,
                        None => return below.place(within),
                    }
                }
                Err(END)
            }
            Tree::Remap(mappings, below) => {
                let mut last_first = mappings.iter().rev();
                let (range, target) = last_first
                    .find(|(range, _)| range.contains(&at))
                    .ok_or(ErrorKind::NotFound)?;
                below.place(target + (at - range.start()))
            }
        }
    }

    fn leaves<'a>(&'a self, all: &mut Vec<&'a Leaf>) {
        match self {
            Tree::Leaf(leaf) => all.push(leaf),
            Tree::Offset(_, below)
            | Tree::Window(_, _, below)
            | Tree::Remap(_, below)
            | Tree::Kept(_, below) => {
                below.leaves(all);
            }
            Tree::Stripe(_, below) => below.iter().for_each(|below| below.leaves(all)),
            Tree::Concat(below) => below.iter().for_each(|(below, _)| below.leaves(all)),
        }
    }

    /// Returns the result of each byte of a request.
    fn expect(&self, pos: u64, len: usize) -> Vec<Byte> {
        let byte = |n: u64| {
            let (leaf, index) = self.place(pos.checked_add(n).ok_or(END)?)?;
            Ok(leaf.model.lock().unwrap()[index])
        };
        (0..len as u64).map(byte).collect()
    }

    /// Writes one value to all bytes that there are: some may be seen at several addresses.
    fn fill(&self, pos: u64, len: usize, value: u8) {
        for n in 0..len as u64 {
            if let Some(Ok((leaf, index))) = pos.checked_add(n).map(|at| self.place(at)) {
                leaf.model.lock().unwrap()[index] = value;
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = (0..50usize, any::<u32>()).prop_map(|(len, seed)| {
        (
            len,
            Box::new(Tree::Leaf(Arc::new(Leaf::new(len, seed.into())))),
        )
    });
    let leaf = prop_oneof![
        2 => leaf.clone().prop_map(|(_, leaf)| *leaf),
        1 => leaf.clone().prop_map(|(_, leaf)| Tree::Kept(Keeper::Cache, leaf)),
        1 => leaf.prop_map(|(len, leaf)| Tree::Kept(Keeper::Overlay(len as u64), leaf)),
    ];
    leaf.prop_recursive(5, 12, 3, |below| {
        let boxed = below.clone().prop_map(Box::new);
        let part = (below.clone(), 0..40u64);
        let keeper = prop::sample::select(vec![
            Keeper::Retry,
            Keeper::Limit,
            Keeper::Timeout,
            Keeper::Mirror,
            Keeper::Trace,
        ]);
        let mapping = (0..80u64, 0..30u64, 0..60u64)
            .prop_map(|(first, more, target)| (first..=first + more, target));
        prop_oneof![
            1 => (0..30u64, boxed.clone()).prop_map(|(base, below)| Tree::Offset(base, below)),
            1 => (0..30u64, 0..60u64, boxed.clone())
                .prop_map(|(base, len, below)| Tree::Window(base, len, below)),
            2 => (1..20u64, prop::collection::vec(below, 1..4))
                .prop_map(|(unit, below)| Tree::Stripe(unit, below)),
            2 => prop::collection::vec(part, 0..4).prop_map(Tree::Concat),
            2 => (keeper, boxed.clone()).prop_map(|(keeper, below)| Tree::Kept(keeper, below)),
            2 => (prop::collection::vec(mapping, 0..6), boxed)
                .prop_map(|(mappings, below)| Tree::Remap(mappings, below)),
        ]
    })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn each_byte_goes_down_the_tree_by_itself(
        tree in trees(),
        requests in ops(0..110, vec![0, 30, 60, u64::MAX - 3], 80),
    ) {
        let mut leaves = Vec::new();
        tree.leaves(&mut leaves);
        let driver = BackendSet::new(leaves.iter().map(|leaf| leaf.memory.clone())).unwrap();
        let io = AttachBackend::new(tree.build(), driver);
        for (n, op) in requests.into_iter().enumerate() {
            match op {
                Op::Read { pos, len } => {
                    let ended = io.block_on(io.read_packet_at(Packet::new(vec![0; len]), pos));
                    compare(&ended.outcome, &tree.expect(pos, len), Some(ended.packet.buffer()))?;
                    let mut bytes = vec![0; len];
                    let expected: Result<Vec<_>, _> = tree.expect(pos, len).into_iter().collect();
                    let called = io.blocking().read_exact_at(&mut bytes, pos).map(|()| bytes);
                    prop_assert_eq!(called.map_err(|error| error.kind()), expected);
                }
                Op::Write { pos, bytes } => {
                    let (len, value) = (bytes.len(), n as u8);
                    let ended = io.block_on(io.write_packet_at(Packet::new(vec![value; len]), pos));
                    compare(&ended.outcome, &tree.expect(pos, len), None)?;
                    tree.fill(pos, len, value);
                }
            }
        }
        for leaf in leaves {
            prop_assert_eq!(&leaf.memory.to_vec(), &*leaf.model.lock().unwrap());
        }
    }
}
