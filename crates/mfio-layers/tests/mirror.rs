//! Mirrors lose nothing that a replica has, and read nothing that was overwritten.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{Read, Write};
use mfio::memory::Memory;
use mfio::traits::BlockingIo;
use mfio_layers::{AttachBackend, BackendSet, Fault, FaultHandle, Mirror, Rule, WritePolicy};
use objects::{Bytes, ended, failures, read, send, write};
use std::sync::Arc;

/// Replicas of the same bytes with faults of their own.
fn mirror<const N: usize>(
    policy: WritePolicy,
    rules: [Vec<Rule>; N],
) -> (Mirror<Fault<Bytes>>, [Bytes; N], [FaultHandle; N]) {
    let bytes: [Bytes; N] = std::array::from_fn(|_| Bytes::new(*b"abcdefgh"));
    let mut faults = bytes
        .iter()
        .zip(rules)
        .map(|(bytes, rules)| Fault::new(bytes.clone(), rules));
    let faults: [Fault<Bytes>; N] = std::array::from_fn(|_| faults.next().unwrap());
    let handles = std::array::from_fn(|n| faults[n].handle());
    (Mirror::with_policy(faults, policy).unwrap(), bytes, handles)
}

#[test]
fn reads_alternate_between_replicas() {
    let (io, bytes, _) = mirror(WritePolicy::All, [vec![], vec![], vec![]]);
    for _ in 0..6 {
        assert_eq!(read(&io, 2, 3).packet.buffer(), b"cde");
    }
    for replica in bytes {
        assert_eq!(replica.log(), [(true, 2, 3); 2]);
    }
}

#[test]
fn hazard_a_replicas_failure_fails_bytes_that_another_has() {
    let eio = |range| Rule::fail(ErrorKind::Other).within(range);
    let busy = Rule::fail(ErrorKind::Busy).within(1..6);
    let (io, bytes, _) = mirror(
        WritePolicy::All,
        [vec![eio(0..2)], vec![busy], vec![eio(4..6)]],
    );
    for first in 0..3 {
        let ended = read(&io, 0, 8);
        // What the first one said of what all have failed; and of the others only these bytes were
        // read twice.
        assert!(
            ended.outcome.is_success(),
            "first {first}: {:?}",
            failures(&ended)
        );
        assert_eq!(ended.packet.buffer(), b"abcdefgh");
        let read: usize = bytes
            .iter()
            .flat_map(Bytes::log)
            .map(|(_, _, len)| len)
            .sum();
        assert_eq!(read, 8, "no byte twice");
    }
}

#[test]
fn a_range_that_all_fail_has_the_cause_of_the_first() {
    let fail = |kind| vec![Rule::fail(kind).within(3..5)];
    let (io, ..) = mirror(
        WritePolicy::All,
        [fail(ErrorKind::Busy), fail(ErrorKind::TimedOut)],
    );
    assert_eq!(failures(&read(&io, 0, 8)), [(3, 2, ErrorKind::Busy)]);
    assert_eq!(failures(&read(&io, 0, 8)), [(3, 2, ErrorKind::TimedOut)]);
}

#[test]
fn all_or_any() {
    for policy in [WritePolicy::All, WritePolicy::Any] {
        let fail = |kind, range| vec![Rule::fail(kind).within(range)];
        let (io, bytes, _) = mirror(
            policy,
            [fail(ErrorKind::Busy, 1..4), fail(ErrorKind::TimedOut, 3..6)],
        );
        let ended = write(&io, 0, b"01234567");
        match policy {
            WritePolicy::All => assert_eq!(
                failures(&ended),
                [(1, 3, ErrorKind::Busy), (4, 2, ErrorKind::TimedOut)]
            ),
            // The first range makes replica 0 stale, after which replica 1 alone counts.
            WritePolicy::Any => assert_eq!(
                failures(&ended),
                [(3, 1, ErrorKind::Busy), (4, 2, ErrorKind::TimedOut)]
            ),
        }
        assert!(io.is_stale(0) && !io.is_stale(1));
        assert_eq!(bytes[0].to_vec(), b"0bcd4567");
        assert_eq!(bytes[1].to_vec(), b"012def67");
    }
}

#[test]
fn hazard_stale_bytes_are_read_after_a_write_that_a_replica_missed() {
    let missed = Rule::fail(ErrorKind::Busy).writes().nth(1);
    let (io, bytes, handles) = mirror(WritePolicy::Any, [vec![], vec![missed], vec![]]);
    assert!(write(&io, 2, b"XY").outcome.is_success());
    assert_eq!(handles[1].hits(0), 1);
    for _ in 0..6 {
        assert_eq!(read(&io, 1, 4).packet.buffer(), b"bXYe");
    }
    assert!(bytes[1].log().is_empty(), "it is not read from");
    // It is still written to, so that it can be made whole while the mirror is in use.
    assert!(write(&io, 2, b"ZZ").outcome.is_success());
    assert!(io.is_stale(1));
    assert_eq!(bytes[1].to_vec(), b"abZZefgh");
    io.clear_stale(1);
    (0..3).for_each(|_| drop(read(&io, 0, 1)));
    assert_eq!(bytes[1].log(), [(false, 2, 2), (true, 0, 1)]);
}

#[test]
fn hazard_writes_that_leave_no_replica_to_read_from() {
    let fails = |n| vec![Rule::fail(ErrorKind::Busy).writes().nth(n)];
    let (io, _, _) = mirror(WritePolicy::Any, [fails(1), fails(2)]);
    assert!(write(&io, 0, b"1").outcome.is_success());
    assert!(io.is_stale(0));
    // A stale replica has it, the other one not: nobody could read it, so it is not written.
    assert_eq!(failures(&write(&io, 0, b"2")), [(0, 1, ErrorKind::Busy)]);
    assert!(!io.is_stale(1), "there is always one");
    assert_eq!(read(&io, 0, 2).packet.buffer(), b"1b");
}

#[test]
fn a_write_that_every_replica_missed_marks_none() {
    let (io, ..) = mirror(WritePolicy::All, [vec![], vec![]]);
    assert_eq!(
        failures(&write(&io, 6, b"0123")),
        [(2, 2, ErrorKind::UnexpectedEof)]
    );
    assert!(!io.is_stale(0) && !io.is_stale(1));
    assert!(write(&io, 3, b"").outcome.is_success());
    assert!(read(&io, 3, 0).outcome.is_success());
}

#[test]
fn stale_replicas_are_marked_before_the_write_has_ended() {
    let (io, _, handles) = mirror(WritePolicy::Any, [vec![], vec![Rule::hold().writes()]]);
    let writing = send::<Write>(&io, 0, *b"0");
    let writing = writing.try_end().expect_err("a replica still has it");
    assert!(handles[1].fail(ErrorKind::TimedOut));
    assert!(ended(writing).outcome.is_success() && io.is_stale(1));
}

#[test]
fn wrong_numbers_of_replicas_are_refused() {
    let kind = |n| {
        Mirror::<_>::new(vec![Bytes::default(); n])
            .unwrap_err()
            .kind()
    };
    assert_eq!([kind(0), kind(33)], [ErrorKind::InvalidInput; 2]);
    let (io, ..) = mirror(WritePolicy::All, [vec![]]);
    assert!(!io.mark_stale(0) && !io.mark_stale(7) && !io.is_stale(7));
}

#[test]
fn blocking_reads_fall_back_to_packets_and_writes_go_everywhere() {
    let disks = [4, 8].map(|len| Arc::new(Memory::new(vec![7; len])));
    let mirror: Mirror<_> = Mirror::with_policy(disks.clone(), WritePolicy::Any).unwrap();
    let io = AttachBackend::new(mirror, BackendSet::new(disks.clone()).unwrap());
    for _ in 0..4 {
        let mut bytes = [0; 8];
        io.blocking().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [7; 8], "whichever was asked first");
    }
    io.blocking().write_all_at(&[1; 4], 2).unwrap();
    assert_eq!(disks[0].to_vec(), [7, 7, 1, 1]);
    assert_eq!(disks[1].to_vec(), [7, 7, 1, 1, 1, 1, 7, 7]);
    for _ in 0..4 {
        assert_eq!(io.blocking().read_value_at::<[u8; 4]>(2).unwrap(), [1; 4]);
    }
    let cut = send::<Read>(io.inner(), 6, [0; 4]).try_end();
    assert!(cut.is_err(), "nobody drives");
}
