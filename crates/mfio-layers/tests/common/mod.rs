//! Helpers of the tests of layers: a model of an object, byte by byte, and requests to compare the
//! two with.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use mfio::backend::{IoBackend, IoBackendExt};
use mfio::error::ErrorKind;
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Ended, Outcome, Packet};
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use proptest::prelude::*;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// So many cases, and no file of those that failed.
pub fn cases(number: u32) -> ProptestConfig {
    ProptestConfig {
        cases: number,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The result of a request for one byte.
pub type Byte = Result<u8, ErrorKind>;

/// An object as it must be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The address of the first byte that is modelled.
    pub base: u64,
    /// The bytes, or the kinds that reading and writing them fails with.
    pub bytes: Vec<Byte>,
    /// Why everything else fails.
    pub elsewhere: ErrorKind,
}

impl Model {
    /// An object of these bytes from address 0, with an end like that of `Memory`.
    pub fn new(bytes: impl IntoIterator<Item = u8>) -> Self {
        Self::of(bytes.into_iter().map(Ok))
    }

    /// As [`new`](Self::new), with failures.
    pub fn of(bytes: impl IntoIterator<Item = Byte>) -> Self {
        Self {
            base: 0,
            bytes: bytes.into_iter().collect(),
            elsewhere: ErrorKind::UnexpectedEof,
        }
    }

    fn index(&self, at: u128) -> Option<usize> {
        let index = usize::try_from(at.checked_sub(u128::from(self.base))?).ok()?;
        (index < self.bytes.len()).then_some(index)
    }

    /// Returns the result of each byte of a request. Addresses beyond 2^64 are behind the end.
    pub fn expect(&self, pos: u64, len: usize) -> Vec<Byte> {
        let byte = |at: u128| match self.index(at) {
            Some(index) => self.bytes[index],
            None if at > u128::from(u64::MAX) => Err(ErrorKind::UnexpectedEof),
            None => Err(self.elsewhere),
        };
        (0..len as u128)
            .map(|n| byte(u128::from(pos) + n))
            .collect()
    }

    /// Writes what can be written, and says what becomes of each byte.
    pub fn write(&mut self, pos: u64, bytes: &[u8]) -> Vec<Byte> {
        let expected = self.expect(pos, bytes.len());
        for (n, new) in bytes.iter().enumerate() {
            if let (Ok(_), Some(index)) = (expected[n], self.index(u128::from(pos) + n as u128)) {
                self.bytes[index] = Ok(*new);
            }
        }
        expected
    }
}

/// One request.
#[derive(Clone, Debug)]
pub enum Op {
    Read { pos: u64, len: usize },
    Write { pos: u64, bytes: Vec<u8> },
}

/// Requests of up to `longest` bytes that begin anywhere within `addresses`, many of them just
/// before or behind one of `edges`; some are empty.
pub fn ops(
    addresses: Range<u64>,
    edges: Vec<u64>,
    longest: usize,
) -> impl Strategy<Value = Vec<Op>> {
    let near = (prop::sample::select(edges), 0..7u64)
        .prop_map(|(edge, by)| edge.saturating_add(by).saturating_sub(3));
    let pos = prop_oneof![1 => addresses, 1 => near];
    let read = (pos.clone(), 0..=longest).prop_map(|(pos, len)| Op::Read { pos, len });
    let write = (pos, prop::collection::vec(any::<u8>(), 0..=longest))
        .prop_map(|(pos, bytes)| Op::Write { pos, bytes });
    prop::collection::vec(prop_oneof![2 => read, 1 => write], 1..24)
}

/// Performs `ops` through `io`, reads that follow each other at the same time, and compares each
/// with the model: which bytes failed, why, and what was read.
pub fn run<Io, P>(io: &Io, model: &mut Model, ops: &[Op]) -> Result<(), TestCaseError>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + IoBackend,
{
    let mut left = ops;
    while let Some(first) = left.first() {
        let reads = left
            .iter()
            .take_while(|op| matches!(op, Op::Read { .. }))
            .count();
        match first {
            Op::Read { .. } => read_at_once::<Io, P>(io, model, &left[..reads])?,
            Op::Write { pos, bytes } => write::<Io, P>(io, model, *pos, bytes)?,
        }
        left = &left[reads.max(1)..];
    }
    Ok(())
}

fn read_at_once<Io, P>(io: &Io, model: &Model, ops: &[Op]) -> Result<(), TestCaseError>
where
    P: Address,
    Io: PacketIo<Read, P> + IoBackend,
{
    let requests: Vec<_> = ops
        .iter()
        .filter_map(|op| match op {
            Op::Read { pos, len } => Some((*pos, *len)),
            Op::Write { .. } => None,
        })
        .collect();
    let mut futures: Vec<_> = requests
        .iter()
        .map(|(pos, len)| io.read_packet_at(Packet::new(vec![0; *len]), address(*pos)))
        .collect();
    let mut ended: Vec<Option<Ended<Vec<u8>>>> = requests.iter().map(|_| None).collect();
    io.block_on(poll_fn(|cx| {
        for (future, ended) in futures.iter_mut().zip(&mut ended) {
            if ended.is_none()
                && let Poll::Ready(end) = Pin::new(future).poll(cx)
            {
                *ended = Some(end);
            }
        }
        if ended.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    for ((pos, len), ended) in requests.into_iter().zip(ended) {
        let Ended { packet, outcome } = ended.expect("all have ended");
        compare(&outcome, &model.expect(pos, len), Some(packet.buffer()))?;
    }
    Ok(())
}

/// Writes through a packet.
pub fn write<Io, P>(io: &Io, model: &mut Model, pos: u64, bytes: &[u8]) -> Result<(), TestCaseError>
where
    P: Address,
    Io: PacketIo<Write, P> + IoBackend,
{
    let Ended { packet, outcome } =
        io.block_on(io.write_packet_at(Packet::new(bytes.to_vec()), address(pos)));
    prop_assert_eq!(
        packet.buffer(),
        bytes,
        "a write changed the memory it was given"
    );
    compare(&outcome, &model.write(pos, bytes), None)
}

/// Performs `ops` with the blocking calls, and compares their results with the model. A write that
/// fails is not repeated there: how much of it was done is not said.
pub fn run_blocking<Io, P>(io: &Io, model: &mut Model, ops: &[Op]) -> Result<(), TestCaseError>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + IoBackend,
{
    let io = io.blocking::<P>();
    for op in ops {
        match op {
            Op::Read { pos, len } => {
                let expected = model.expect(*pos, *len);
                let mut bytes = vec![0; *len];
                let result = io.read_exact_at(&mut bytes, address(*pos));
                prop_assert_eq!(result.map_err(|e| e.kind()), first_error(&expected));
                let good = good_prefix(&expected);
                prop_assert!(good_bytes(&expected, &bytes[..good]));

                let mut bytes = vec![0; *len];
                match io.read_at(&mut bytes, address(*pos)) {
                    Ok(n) => {
                        let end = expected.first() == Some(&Err(ErrorKind::UnexpectedEof));
                        prop_assert!(n <= good && (n > 0 || end || *len == 0));
                        prop_assert!(good_bytes(&expected, &bytes[..n]));
                    }
                    Err(error) => prop_assert_eq!(Err(error.kind()), expected[0]),
                }
            }
            Op::Write { pos, bytes } => {
                let good = good_prefix(&model.expect(*pos, bytes.len()));
                let written = io.write_all_at(&bytes[..good], address(*pos));
                prop_assert_eq!(written.map_err(|e| e.kind()), Ok(()));
                model.write(*pos, &bytes[..good]);
                if let Some(Err(why)) = model.expect(*pos, bytes.len()).get(good) {
                    let at = pos.saturating_add(good as u64);
                    if u128::from(*pos) + good as u128 <= u128::from(u64::MAX) {
                        let result = io.write_at(&bytes[good..], address(at));
                        prop_assert_eq!(result.map_err(|e| e.kind()), Err(*why));
                    }
                }
            }
        }
    }
    Ok(())
}

fn address<P: Address>(number: u64) -> P {
    P::from_u64(number).expect("tests use addresses that there are")
}

/// Whether the outcome says of every byte what is expected, and the good ones are as expected.
pub fn compare(
    outcome: &Outcome,
    expected: &[Byte],
    bytes: Option<&[u8]>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(outcome.len(), expected.len());
    let mut seen = vec![None; expected.len()];
    for range in outcome.failures() {
        prop_assert!(range.len > 0, "an empty request does not fail");
        for why in &mut seen[range.offset..range.offset + range.len] {
            prop_assert_eq!(*why, None, "a byte fails once");
            *why = Some(range.cause.kind());
        }
    }
    let failures: Vec<_> = expected.iter().map(|byte| byte.err()).collect();
    prop_assert_eq!(&seen, &failures);
    if let Some(bytes) = bytes {
        for (n, (byte, expected)) in bytes.iter().zip(expected).enumerate() {
            prop_assert!(
                expected.is_err() || *expected == Ok(*byte),
                "byte {} is {}, not {:?}",
                n,
                byte,
                expected
            );
        }
    }
    Ok(())
}

fn good_prefix(expected: &[Byte]) -> usize {
    expected.iter().take_while(|byte| byte.is_ok()).count()
}

fn first_error(expected: &[Byte]) -> Result<(), ErrorKind> {
    expected
        .iter()
        .find_map(|byte| byte.err())
        .map_or(Ok(()), Err)
}

fn good_bytes(expected: &[Byte], bytes: &[u8]) -> bool {
    bytes
        .iter()
        .zip(expected)
        .all(|(byte, expected)| Ok(*byte) == *expected)
}

/// Bytes that tell most places from each other.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let byte = |n: u64| ((n + 1 + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    (0..len as u64).map(byte).collect()
}

/// Memory full of noise.
pub fn memory(len: usize, seed: u64) -> Arc<Memory> {
    Arc::new(Memory::new(noise(len, seed)))
}
