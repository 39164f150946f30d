//! The results that concurrent requests may have.

use super::Later;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::{InFlight, Packet};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;

/// One thing that happens in a run.
#[derive(Clone, Debug)]
pub enum Step {
    Read { pos: usize, len: usize },
    Write { pos: usize, len: usize, value: u8 },
    Advance(Vec<usize>),
    Drop(usize),
    Fail(usize, Range<usize>),
}

/// Steps on an object of `size` bytes; with `fail`, requests below fail.
pub fn steps(size: usize, longest: usize, fail: bool) -> impl Strategy<Value = Vec<Step>> {
    let read = (0..size, 0..=longest).prop_map(|(pos, len)| Step::Read { pos, len });
    let write = (0..size, 0..=longest, 0..64u8).prop_map(|(pos, len, value)| Step::Write {
        pos,
        len,
        value,
    });
    let advance = prop::collection::vec(any::<usize>(), 1..6).prop_map(Step::Advance);
    let failing = (any::<usize>(), 0..longest, 1..longest)
        .prop_map(|(which, start, len)| Step::Fail(which, start..start + len));
    prop::collection::vec(
        prop_oneof![
            4 => read,
            4 => write,
            8 => advance,
            1 => any::<usize>().prop_map(Step::Drop),
            u32::from(fail) => failing,
        ],
        1..80,
    )
}

/// Which values a byte may have, as bits: values are below 64.
#[derive(Clone, Copy)]
struct Byte {
    possible: u64,
    /// Writes that have not ended, and what those wrote that were not alone.
    active: usize,
    together: u64,
    unsure: bool,
}

struct ReadOp {
    pos: usize,
    allowed: Vec<u64>,
    in_flight: InFlight<Vec<u8>, Read>,
}

struct WriteOp {
    pos: usize,
    in_flight: InFlight<Vec<u8>, Write>,
}

/// Sends requests to an object and checks each read: it may give what was there when it began, or
/// what a write gave that was on its way meanwhile, and nothing else.
pub struct Witness<'a, Io> {
    io: &'a Io,
    bytes: Vec<Byte>,
    reads: Vec<ReadOp>,
    writes: Vec<WriteOp>,
    /// Bytes that must fail, if they are read.
    pub broken: BTreeSet<usize>,
    /// Whether any byte may fail.
    pub may_fail: bool,
}

impl<'a, Io: PacketIo<Read> + PacketIo<Write>> Witness<'a, Io> {
    pub fn new(io: &'a Io, bytes: &[u8]) -> Self {
        let byte = |byte: &u8| Byte {
            possible: 1 << byte,
            active: 0,
            together: 0,
            unsure: false,
        };
        Self {
            io,
            bytes: bytes.iter().map(byte).collect(),
            reads: Vec::new(),
            writes: Vec::new(),
            broken: BTreeSet::new(),
            may_fail: false,
        }
    }

    pub fn read(&mut self, pos: usize, len: usize) {
        let known = self.bytes.get(pos..).unwrap_or_default();
        let allowed = known.iter().take(len).map(|byte| byte.possible).collect();
        let (in_flight, view) = Packet::new(vec![255; len]).start::<Read>();
        self.reads.push(ReadOp {
            pos,
            allowed,
            in_flight,
        });
        self.io.send_io(pos as u64, view);
    }

    pub fn write(&mut self, pos: usize, bytes: Vec<u8>) {
        for (n, value) in bytes.iter().enumerate() {
            let Some(byte) = self.bytes.get_mut(pos + n) else {
                break;
            };
            if byte.active == 0 {
                (byte.together, byte.unsure) = (0, false);
            }
            byte.active += 1;
            byte.together |= 1 << value;
            byte.possible |= 1 << value;
            for read in &mut self.reads {
                if let Some(allowed) = (pos + n)
                    .checked_sub(read.pos)
                    .and_then(|at| read.allowed.get_mut(at))
                {
                    *allowed |= 1 << value;
                }
            }
        }
        let (in_flight, view) = Packet::new(bytes).start::<Write>();
        self.writes.push(WriteOp { pos, in_flight });
        self.io.send_io(pos as u64, view);
    }

    /// Gives one request up. The effect of a write that was given up, and its time, are unknown.
    pub fn drop_one(&mut self, which: usize) {
        if !self.reads.is_empty() {
            self.reads.swap_remove(which % self.reads.len());
        }
        if !self.writes.is_empty() && which.is_multiple_of(4) {
            let write = self.writes.swap_remove(which % self.writes.len());
            // Never counted as ended, so its value stays possible.
            drop(write.in_flight);
        }
    }

    /// Looks at what has ended.
    pub fn look(&mut self) -> Result<(), TestCaseError> {
        for read in std::mem::take(&mut self.reads) {
            match read.in_flight.try_end() {
                Err(in_flight) => self.reads.push(ReadOp { in_flight, ..read }),
                Ok(ended) => {
                    let bytes = ended.packet.buffer();
                    let mut failed = vec![None; bytes.len()];
                    for range in ended.outcome.failures() {
                        failed[range.offset..range.offset + range.len].fill(Some(range.cause));
                    }
                    for (n, value) in bytes.iter().enumerate() {
                        self.check(read.pos + n, *value, failed[n], read.allowed.get(n))?;
                    }
                }
            }
        }
        for write in std::mem::take(&mut self.writes) {
            match write.in_flight.try_end() {
                Err(in_flight) => self.writes.push(WriteOp { in_flight, ..write }),
                Ok(ended) => {
                    let len = ended.packet.len();
                    let mut failed = vec![false; len];
                    for range in ended.outcome.failures() {
                        failed[range.offset..range.offset + range.len].fill(true);
                    }
                    for (n, failed) in failed.into_iter().enumerate() {
                        let Some(byte) = self.bytes.get_mut(write.pos + n) else {
                            prop_assert!(failed, "a write behind the end succeeded");
                            continue;
                        };
                        prop_assert!(!failed || self.may_fail, "a write failed");
                        byte.unsure |= failed;
                        byte.active -= 1;
                        if byte.active == 0 && !byte.unsure {
                            byte.possible = byte.together;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn check(
        &self,
        at: usize,
        value: u8,
        failed: Option<Cause>,
        allowed: Option<&u64>,
    ) -> Result<(), TestCaseError> {
        match (allowed, failed) {
            (None, Some(cause)) => prop_assert_eq!(cause.kind(), ErrorKind::UnexpectedEof),
            (None, None) => prop_assert!(false, "byte {} is behind the end", at),
            (Some(_), Some(cause)) => prop_assert!(
                self.may_fail || self.broken.contains(&at),
                "byte {} failed: {}",
                at,
                cause
            ),
            (Some(allowed), None) => {
                prop_assert!(!self.broken.contains(&at), "byte {} is broken", at);
                prop_assert!(
                    value < 64 && allowed >> value & 1 == 1,
                    "byte {} is {}, which was not there: {:b}",
                    at,
                    value,
                    allowed
                );
            }
        }
        Ok(())
    }

    pub fn unanswered(&self) -> usize {
        self.reads.len() + self.writes.len()
    }
}

/// Plays `steps` against an object over others that answer later, lets all end, and reads
/// everything once more.
pub fn play<Io: PacketIo<Read> + PacketIo<Write>>(
    witness: &mut Witness<'_, Io>,
    below: &[&Later],
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    for step in steps {
        match step {
            Step::Read { pos, len } => witness.read(pos, len),
            Step::Write { pos, len, value } => {
                // Neighbours differ, so that a byte in the wrong place is seen.
                let bytes = (0..len).map(|n| (value + (n % 64) as u8) % 64).collect();
                witness.write(pos, bytes);
            }
            Step::Advance(which) => which.into_iter().for_each(|which| {
                below[which % below.len()].step(which / below.len());
            }),
            Step::Drop(which) => witness.drop_one(which),
            Step::Fail(which, bytes) => below[which % below.len()].fail_next(bytes),
        }
        witness.look()?;
    }
    finish(witness, below)?;
    witness.read(0, witness.bytes.len() + 5);
    finish(witness, below)
}

pub fn finish<Io: PacketIo<Read> + PacketIo<Write>>(
    witness: &mut Witness<'_, Io>,
    below: &[&Later],
) -> Result<(), TestCaseError> {
    while below.iter().any(|object| object.waiting() > 0) {
        below.iter().for_each(|object| object.finish());
    }
    witness.look()?;
    prop_assert_eq!(witness.unanswered(), 0, "not all requests ended");
    Ok(())
}

/// Bytes below 64 that tell most places from each other.
pub fn small_noise(len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| ((n * n + n * 7) % 61 + n / 61) as u8 % 64)
        .collect()
}
