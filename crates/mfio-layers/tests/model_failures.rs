//! Failures at random below: every byte and every failed range is as the model says.

mod common;
#[path = "common/objects.rs"]
mod objects;

use common::{Byte, Op, cases, compare, noise, ops};
use mfio::error::ErrorKind;
use mfio_layers::{Fault, Limit, Limits, Mirror, Retry, RetryPolicy, Rule, WritePolicy};
use objects::{Bytes, read, write};
use proptest::prelude::*;
use std::ops::Range;

const LEN: usize = 64;

fn ranges(most: usize) -> impl Strategy<Value = Vec<Range<u64>>> {
    let range =
        (0..LEN as u64, 1..20u64).prop_map(|(start, len)| start..(start + len).min(LEN as u64));
    prop::collection::vec(range, 0..=most)
}

fn hits(ranges: &[Range<u64>], at: u64) -> bool {
    ranges.iter().any(|range| range.contains(&at))
}

/// The replicas of a mirror, with the bytes that each cannot read or write.
#[derive(Clone, Debug)]
struct Broken {
    reads: Vec<Range<u64>>,
    writes: Vec<Range<u64>>,
}

fn broken() -> impl Strategy<Value = Broken> {
    (ranges(3), ranges(1)).prop_map(|(reads, writes)| Broken { reads, writes })
}

impl Broken {
    fn rules(&self) -> Vec<Rule> {
        let fail = |range: &Range<u64>| Rule::fail(ErrorKind::Busy).within(range.clone());
        let reads = self.reads.iter().map(|range| fail(range).reads());
        let writes = self.writes.iter().map(|range| fail(range).writes());
        reads.chain(writes).collect()
    }
}

/// A mirror, byte by byte.
struct Model {
    broken: Vec<Broken>,
    replicas: Vec<Vec<u8>>,
    stale: Vec<bool>,
    policy: WritePolicy,
}

impl Model {
    fn read(&self, at: u64) -> Byte {
        let Ok(index @ ..LEN) = usize::try_from(at) else {
            return Err(ErrorKind::UnexpectedEof);
        };
        let fresh = || (0..self.broken.len()).filter(|&n| !self.stale[n]);
        let good = fresh().find(|&n| !hits(&self.broken[n].reads, at));
        let differ = fresh().any(|n| {
            Some(self.replicas[n][index]) != fresh().next().map(|m| self.replicas[m][index])
        });
        assert!(!differ, "those that are not stale hold the same");
        good.map(|n| self.replicas[n][index]).ok_or(ErrorKind::Busy)
    }

    fn write(&mut self, at: u64, value: u8) -> Result<(), ErrorKind> {
        let Ok(index @ ..LEN) = usize::try_from(at) else {
            return Err(ErrorKind::UnexpectedEof);
        };
        let failed: Vec<bool> = self.broken.iter().map(|b| hits(&b.writes, at)).collect();
        for (replica, _) in self
            .replicas
            .iter_mut()
            .zip(&failed)
            .filter(|(_, failed)| !**failed)
        {
            replica[index] = value;
        }
        let somebody = (0..failed.len()).any(|n| !failed[n] && !self.stale[n]);
        if somebody {
            self.stale
                .iter_mut()
                .zip(&failed)
                .for_each(|(stale, failed)| *stale |= failed);
        }
        let all = !failed.contains(&true);
        match self.policy {
            WritePolicy::Any if somebody => Ok(()),
            _ if all => Ok(()),
            _ => Err(ErrorKind::Busy),
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_mirror_is_as_good_as_its_replicas_together(
        broken in prop::collection::vec(broken(), 1..4),
        any in any::<bool>(),
        requests in ops(0..LEN as u64 + 6, vec![0, LEN as u64], 40),
    ) {
        let policy = if any { WritePolicy::Any } else { WritePolicy::All };
        let bytes: Vec<_> = broken.iter().map(|_| Bytes::new(noise(LEN, 1))).collect();
        let replicas: Vec<Fault<_>> = bytes
            .iter()
            .zip(&broken)
            .map(|(bytes, broken)| Fault::new(bytes.clone(), broken.rules()))
            .collect();
        let io: Mirror<_> = Mirror::with_policy(replicas, policy).unwrap();
        let mut model = Model {
            replicas: vec![noise(LEN, 1); broken.len()],
            stale: vec![false; broken.len()],
            broken,
            policy,
        };
        for op in requests {
            match op {
                Op::Read { pos, len } => {
                    let ended = read(&io, pos, len);
                    let expected: Vec<_> = (0..len as u64).map(|n| model.read(pos + n)).collect();
                    compare(&ended.outcome, &expected, Some(ended.packet.buffer()))?;
                }
                Op::Write { pos, bytes } => {
                    let ended = write(&io, pos, &bytes);
                    let written = (pos..).zip(&bytes);
                    let written = written.map(|(at, byte)| model.write(at, *byte).map(|()| *byte));
                    let expected: Vec<_> = written.collect();
                    compare(&ended.outcome, &expected, None)?;
                }
            }
            for (n, bytes) in bytes.iter().enumerate() {
                prop_assert_eq!(&bytes.to_vec(), &model.replicas[n]);
                prop_assert_eq!(io.is_stale(n), model.stale[n]);
            }
        }
    }

    #[test]
    fn retries_cure_transient_failures_only(
        busy in ranges(3),
        gone in ranges(2),
        requests in ops(0..LEN as u64 + 6, vec![0, LEN as u64], 40),
    ) {
        let below = Bytes::new(noise(LEN, 2));
        let busy = busy.into_iter().map(|range| Rule::fail(ErrorKind::Busy).within(range).times(2));
        let lost = gone.iter().map(|range| Rule::fail(ErrorKind::NotFound).within(range.clone()));
        let fault = Fault::new(below.clone(), busy.chain(lost));
        let limits = Limits { operations: 1, bytes: 16, ..Limits::default() };
        let retry: Retry<_> = Retry::new(fault, RetryPolicy::new(7));
        let io: Limit<_> = Limit::new(retry, limits);
        let model = noise(LEN, 2).into_iter().zip(0..);
        let mut model = common::Model::of(model.map(|(byte, at)| {
            if hits(&gone, at) { Err(ErrorKind::NotFound) } else { Ok(byte) }
        }));
        for op in requests {
            match op {
                Op::Read { pos, len } => {
                    let ended = read(&io, pos, len);
                    compare(&ended.outcome, &model.expect(pos, len), Some(ended.packet.buffer()))?;
                }
                Op::Write { pos, bytes } => {
                    let ended = write(&io, pos, &bytes);
                    compare(&ended.outcome, &model.write(pos, &bytes), None)?;
                }
            }
            let log = below.log().into_iter();
            let mut seen: Vec<u64> = log.flat_map(|(_, pos, len)| (pos..).take(len)).collect();
            seen.sort_unstable();
            prop_assert!(seen.is_sorted_by(|a, b| a < b), "no byte is sent twice");
        }
        let left: Vec<u8> = below.to_vec();
        let mut both = model.bytes.iter().zip(left);
        prop_assert!(both.all(|(byte, left)| byte.is_err() || *byte == Ok(left)));
    }
}
