//! `Blocks` against what may be seen, over an object that refuses what is not aligned.

mod later;

use later::{Later, Witness, Zeroing, finish, play, play_with_zeroes, small_noise, steps};
use mfio::control::{Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::ErrorKind;
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::{OnEnd, Outcome, Relay, View};
use mfio_layers::Blocks;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// An object of whole blocks, which counts the requests that it refuses.
struct Sectors {
    later: Arc<Later>,
    alignment: Alignment,
    refused: AtomicUsize,
}

impl Sectors {
    fn new(later: &Arc<Later>, memory: usize, block: usize) -> Self {
        Self {
            later: later.clone(),
            alignment: Alignment::new(memory, block),
            refused: AtomicUsize::new(0),
        }
    }

    fn suits(&self, pos: u64, address: usize, len: usize) -> bool {
        let suits = (pos as usize | len).is_multiple_of(self.alignment.block())
            && address.is_multiple_of(self.alignment.memory());
        self.refused.fetch_add(usize::from(!suits), Relaxed);
        suits
    }
}

impl IoObject for Sectors {
    fn alignment(&self, _: Operation) -> Alignment {
        self.alignment
    }
}

impl PacketIo<Read> for Sectors {
    fn send_io(&self, pos: u64, view: View<Read>) {
        match self.suits(pos, view.as_mut_ptr().addr(), view.len()) {
            true => self.later.send_io(pos, view),
            false => view.fail(ErrorKind::InvalidInput),
        }
    }
}

impl PacketIo<Write> for Sectors {
    fn send_io(&self, pos: u64, view: View<Write>) {
        match self.suits(pos, view.as_ptr().addr(), view.len()) {
            true => self.later.send_io(pos, view),
            false => view.fail(ErrorKind::InvalidInput),
        }
    }
}

/// Zeros are written as other bytes are, and end as late.
impl ControlIo for Sectors {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let ControlOp::WriteZeroes(span, _) = op else {
            return view.fail(ErrorKind::NotSupported);
        };
        let zeros = vec![0; span.len() as usize];
        self.suits(span.start(), 0, zeros.len());
        let write = Relay::new(zeros, Zeroes(view)).start::<Write>();
        self.later.send_io(span.start(), write);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE.with(ControlKind::WriteZeroes)
    }
}

struct Zeroes(View<Read>);

impl OnEnd<Vec<u8>> for Zeroes {
    fn on_end(relay: Relay<Vec<u8>, Self>, outcome: Outcome) {
        let (_, Self(view)) = relay.into_parts();
        match outcome.first_error() {
            None => view.done(),
            Some(cause) => view.fail(cause),
        }
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn zeros_are_writes_among_others(
        steps in steps(100, 60, false),
        size in 1..100usize,
        shift in 0..6u32,
        fail in any::<bool>(),
    ) {
        let start = small_noise(size);
        let later = Later::new(start.clone());
        let io: Blocks<_> = Blocks::new(Sectors::new(&later, 16, 1 << shift)).unwrap();
        let io = Zeroing::new(io);
        let mut witness = Witness::new(&io, &start);
        witness.may_fail = fail;
        play_with_zeroes(&mut witness, &io, &[&later], size, steps, fail)?;
        finish(&mut witness, &[&later])?;
        later.heal();
        witness.may_fail = false;
        witness.read(0, size + 5);
        finish(&mut witness, &[&later])?;
        prop_assert_eq!(io.io.inner().refused.load(Relaxed), 0);
        prop_assert_eq!(io.io.waiting(), 0);
    }

    #[test]
    fn reads_return_a_value_that_the_model_allows(
        steps in steps(100, 60, false),
        size in 1..100usize,
        shift in 0..6u32,
        memory in 0..8u32,
    ) {
        let start = small_noise(size);
        let later = Later::new(start.clone());
        let io: Blocks<_> = Blocks::new(Sectors::new(&later, 1 << memory, 1 << shift)).unwrap();
        let mut witness = Witness::new(&io, &start);
        play(&mut witness, &[&later], steps)?;
        prop_assert_eq!(io.inner().refused.load(Relaxed), 0);
        prop_assert_eq!(io.waiting(), 0);
        // No byte is only in the layer.
        let bytes = later.to_vec();
        let mut witness = Witness::new(&io, &bytes);
        witness.read(0, size + 20);
        finish(&mut witness, &[&later])?;
    }

    #[test]
    fn failures_leave_the_other_bytes_of_a_block_unchanged(
        steps in steps(100, 60, true),
        size in 1..100usize,
        shift in 0..6u32,
        memory in 0..8u32,
    ) {
        let start = small_noise(size);
        let later = Later::new(start.clone());
        let io: Blocks<_> = Blocks::new(Sectors::new(&later, 1 << memory, 1 << shift)).unwrap();
        let mut witness = Witness::new(&io, &start);
        witness.may_fail = true;
        play(&mut witness, &[&later], steps)?;
        prop_assert_eq!(io.inner().refused.load(Relaxed), 0);
        prop_assert_eq!(io.waiting(), 0);
        later.heal();
        witness.may_fail = false;
        witness.read(0, size);
        finish(&mut witness, &[&later])?;
    }

    #[test]
    fn concurrent_writes_that_share_blocks_are_all_kept(
        order in prop::collection::vec(any::<usize>(), 0..200),
        lens in prop::collection::vec(1..9usize, 1..40),
        shift in 0..6u32,
    ) {
        // Neighbours without a gap: every block but the last is written by several.
        let size: usize = lens.iter().sum();
        let later = Later::new(vec![0; size]);
        let io: Blocks<_> = Blocks::new(Sectors::new(&later, 16, 1 << shift)).unwrap();
        let mut at = 0;
        let writes: Vec<_> = lens.iter().enumerate().map(|(n, len)| {
            let write = later::write(&io, at, &vec![n as u8 + 1; *len]);
            at += *len as u64;
            write
        }).collect();
        for which in order {
            later.step(which);
        }
        later.finish();
        for write in writes {
            prop_assert_eq!(later::failures_of(write), []);
        }
        let expected: Vec<_> = lens.iter().enumerate()
            .flat_map(|(n, len)| vec![n as u8 + 1; *len])
            .collect();
        prop_assert_eq!(later.to_vec(), expected);
    }
}
