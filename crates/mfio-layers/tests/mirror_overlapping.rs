//! Writes that overlap and are on their way at the same time leave all replicas of a mirror with
//! the same bytes.

mod later;
#[path = "common/objects.rs"]
mod objects;

use later::{Later, Step, Witness, play, small_noise, steps};
use mfio::error::ErrorKind;
use mfio::io::{Alignment, IoObject, NoPos, Operation, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Packet, View};
use mfio::traits::BlockingIo;
use mfio_layers::{AttachBackend, Fault, Mirror, Rule, WritePolicy};
use objects::{Bytes, ended, failures, send};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

const LEN: usize = 24;

fn mirror<const N: usize>() -> (Mirror<Arc<Later>>, [Arc<Later>; N]) {
    let replicas = [(); N].map(|()| Later::new(small_noise(LEN)));
    (Mirror::new(replicas.clone()).unwrap(), replicas)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn replicas_that_complete_in_any_order_hold_the_same(steps in steps(LEN, 10, false)) {
        let (io, replicas) = mirror::<3>();
        let below: Vec<&Later> = replicas.iter().map(|replica| &**replica).collect();
        let mut witness = Witness::new(&io, &small_noise(LEN));
        play(&mut witness, &below, steps)?;
        for replica in &below[1..] {
            prop_assert_eq!(replica.to_vec(), below[0].to_vec());
        }
    }

    #[test]
    fn replicas_that_fail_and_are_not_stale_hold_the_same(steps in steps(LEN, 10, true)) {
        // Whatever fails on all replicas may be anything, so that one of them never fails.
        let replicas = [(); 3].map(|()| Later::new(small_noise(LEN)));
        let io: Mirror<_> = Mirror::with_policy(replicas.clone(), WritePolicy::Any).unwrap();
        let below: Vec<&Later> = replicas.iter().map(|replica| &**replica).collect();
        let failing = |step| match step {
            Step::Fail(which, range) => Step::Fail(1 + which % 2, range),
            step => step,
        };
        let mut witness = Witness::new(&io, &small_noise(LEN));
        witness.may_fail = true;
        play(&mut witness, &below, steps.into_iter().map(failing).collect())?;
        for (n, replica) in below.iter().enumerate() {
            prop_assert!(io.is_stale(n) || replica.to_vec() == below[0].to_vec());
        }
    }
}

#[test]
fn writes_that_overlap_follow_each_other_and_others_do_not_wait() {
    let (io, replicas) = mirror::<2>();
    let send = |pos, byte: u8, len| later::write(&io, pos, &vec![byte; len]);
    let sent = || replicas.each_ref().map(|replica| replica.counts().1);
    let writes = [send(0, 1, 4), send(4, 2, 4), send(8, 3, 1)];
    assert_eq!(sent(), [3, 3], "they only touch");
    let later = [send(3, 4, 2), send(2, 5, 1), send(4, 6, 1)];
    assert_eq!(sent(), [3, 3]);
    // One replica is ready; the other one has still to do the first write.
    replicas[0].finish();
    assert_eq!(sent(), [3, 3]);
    // That of bytes 0 to 3.
    assert!(replicas[1].step(0) && replicas[1].step(0));
    assert_eq!(sent(), [4, 4], "the one of byte 2 waited for that alone");
    while replicas.iter().any(|replica| replica.waiting() > 0) {
        replicas.iter().for_each(|replica| replica.finish());
    }
    for write in writes.into_iter().chain(later) {
        assert_eq!(later::failures_of(write), []);
    }
    for replica in &replicas {
        let expected = [1, 1, 5, 4, 6, 2, 2, 2, 3];
        assert_eq!(
            replica.to_vec()[..9],
            expected,
            "in the order in which they came"
        );
    }
}

#[test]
fn a_hundred_thousand_writes_that_wait_end_without_recursion() {
    let replicas = [(); 2].map(|()| Bytes::new([0; 8]));
    let held = Fault::new(replicas[0].clone(), [Rule::hold().nth(1)]);
    let handle = held.handle();
    let io: Mirror<_> = Mirror::new([held, Fault::new(replicas[1].clone(), [])]).unwrap();
    let writes: Vec<_> = (0..100_000u32)
        .map(|n| send::<Write>(&io, u64::from(n % 5), n.to_le_bytes()))
        .collect();
    assert_eq!(replicas[1].log().len(), 1, "all wait for the first");
    assert!(handle.release());
    for write in writes {
        assert!(ended(write).outcome.is_success());
    }
    assert_eq!(replicas[0].to_vec(), replicas[1].to_vec());
    let last = 99_999u32.to_le_bytes();
    assert_eq!(replicas[0].to_vec()[4..], last);
}

#[test]
fn blocking_writes_keep_the_order_too() {
    let (io, replicas) = mirror::<2>();
    let io = AttachBackend::new(io, Arc::new(Memory::new([])));
    let first = later::write(io.inner(), 0, &[1; 8]);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| io.blocking().write_all_at(&[2; 8], 4).unwrap());
        while io.inner().waiting() == 0 && replicas[1].waiting() < 2 {
            std::thread::yield_now();
        }
        while !second.is_finished() {
            // The latest first here, and the earliest first there.
            replicas[0].step(replicas[0].waiting().saturating_sub(1));
            replicas[1].step(0);
            std::thread::yield_now();
        }
    });
    assert_eq!(later::failures_of(first), []);
    assert_eq!(replicas[0].to_vec(), replicas[1].to_vec());
    assert_eq!(
        replicas[0].to_vec()[..12],
        [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    );
}

/// The writes, in the order in which they came.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl IoObject for Tape {
    fn alignment(&self, _: Operation) -> Alignment {
        Alignment::NONE.in_order()
    }
}

impl PacketIo<Write, NoPos> for Tape {
    fn send_io(&self, _: NoPos, view: View<Write>) {
        self.0.lock().unwrap().extend_from_slice(view.bytes());
        view.done();
    }
}

impl PacketIo<Write> for Tape {
    fn send_io(&self, _: u64, view: View<Write>) {
        PacketIo::<Write, NoPos>::send_io(self, NoPos, view);
    }
}

macro_rules! streams {
    ($position:ty, $at:expr) => {{
        let tapes = [(); 2].map(|()| Tape::default());
        let held = Fault::<_, $position>::new(tapes[0].clone(), [Rule::hold().nth(1)]);
        let handle = held.handle();
        let other = Fault::new(tapes[1].clone(), []);
        let io: Mirror<_, $position> = Mirror::new([held, other]).unwrap();
        for bytes in [*b"ab", *b"cd", *b"ef"] {
            let (in_flight, view) = Packet::new(bytes).start::<Write>();
            io.send_io($at, view);
            drop(in_flight);
        }
        assert!(handle.release());
        for tape in tapes {
            assert_eq!(*tape.0.lock().unwrap(), b"abcdef");
        }
    }};
}

impl PacketIo<Read, NoPos> for Tape {
    fn send_io(&self, _: NoPos, view: View<Read>) {
        view.fail(ErrorKind::NotSupported);
    }
}

impl PacketIo<Read> for Tape {
    fn send_io(&self, _: u64, view: View<Read>) {
        view.fail(ErrorKind::NotSupported);
    }
}

#[test]
fn writes_to_streams_reach_all_in_one_order() {
    let mut at = 0u64;
    streams!(NoPos, NoPos);
    streams!(u64, {
        at += 100;
        at
    });
}

#[test]
fn writes_that_wait_end_when_the_mirror_goes() {
    let replicas = [(); 2].map(|()| Later::new([0; 8]));
    let io: Mirror<_> = Mirror::new(replicas.clone()).unwrap();
    let first = later::write(&io, 0, &[1; 4]);
    let second = send::<Write>(&io, 0, [2; 8]);
    let third = send::<Write>(&io, 6, [3; 2]);
    drop(io);
    for (write, len) in [(second, 8), (third, 2)] {
        assert_eq!(failures(&ended(write)), [(0, len, ErrorKind::Dropped)]);
    }
    replicas.iter().for_each(|replica| replica.finish());
    assert_eq!(
        later::failures_of(first),
        [],
        "what was sent is carried out"
    );
    assert_eq!(replicas[1].to_vec(), [1, 1, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_write_abandoned_while_it_waits_is_carried_out() {
    let (io, replicas) = mirror::<2>();
    let first = later::write(&io, 0, &[1; 4]);
    drop(later::write(&io, 2, &[2; 4]));
    for _ in 0..2 {
        replicas.iter().for_each(|replica| replica.finish());
    }
    assert_eq!(later::failures_of(first), []);
    for replica in replicas {
        assert_eq!(replica.to_vec()[..6], [1, 1, 2, 2, 2, 2]);
    }
}

/// Lets other threads go first.
struct Polite(Bytes);

impl IoObject for Polite {}

impl PacketIo<Write> for Polite {
    fn send_io(&self, pos: u64, view: View<Write>) {
        std::thread::yield_now();
        self.0.send_io(pos, view);
    }
}

/// Threads that write to the same bytes, to replicas that answer at once.
#[test]
fn threads_that_write_at_once_leave_replicas_alike() {
    const THREADS: u8 = 4;
    let replicas = [(); 2].map(|()| Bytes::new([0; 16]));
    let io: Mirror<_> = Mirror::new(replicas.clone().map(Polite)).unwrap();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let io = &io;
                scope.spawn(move || {
                    for n in 0..200u64 {
                        let at = n * u64::from(thread + 1) % 9;
                        let byte = (n as u8).wrapping_mul(THREADS).wrapping_add(thread);
                        let mut write = send::<Write>(io, at, [byte; 8]);
                        // It may wait for one of another thread.
                        while let Err(waits) = write.try_end() {
                            write = waits;
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(replicas[0].to_vec(), replicas[1].to_vec());
        assert_eq!(io.waiting(), 0);
        replicas.iter().for_each(|replica| drop(replica.log()));
    }
}
