//! `Overlay` against what may be seen.

mod later;

use later::{Later, Witness, Zeroing, finish, play, play_with_zeroes, small_noise, steps};
use mfio_layers::Overlay;
use proptest::prelude::*;
use std::sync::Arc;

type Io = Overlay<Arc<Later>, Arc<Later>>;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The bytes of the top before the first write there; no byte of the overlay may be one.
const NOTHING: u8 = 200;

/// Present bytes are read from the top, others from the base.
fn shown(io: &Io) -> Vec<u8> {
    let mut bytes = io.base().to_vec();
    bytes.resize(io.len() as usize, 0);
    for range in io.present() {
        let range = range.start as usize..range.end as usize;
        bytes[range.clone()].copy_from_slice(&io.top().to_vec()[range]);
    }
    bytes
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn zeros_are_writes_among_others(
        steps in steps(100, 40, false),
        size in 1..100usize,
        missing in prop_oneof![Just(0), 0..100usize],
        shift in 0..5u32,
        fail in any::<bool>(),
    ) {
        let base_len = size.saturating_sub(missing);
        let mut start = small_noise(size);
        start[base_len..].fill(0);
        let base = Later::new(start[..base_len].to_vec());
        let top = Later::new(vec![NOTHING; size]);
        let io = Io::new(base.clone(), top.clone(), size as u64, 1 << shift).unwrap();
        let io = Zeroing::new(io);
        let mut witness = Witness::new(&io, &start);
        witness.may_fail = fail;
        play_with_zeroes(&mut witness, &io, &[&base, &top], size, steps, fail)?;
        finish(&mut witness, &[&base, &top])?;
        base.heal();
        top.heal();
        witness.may_fail = false;
        witness.read(0, size + 5);
        finish(&mut witness, &[&base, &top])?;
        prop_assert_eq!(base.to_vec(), &start[..base_len]);
        // The sets and the top are all that there is.
        let mut bytes = shown(&io.io);
        for range in io.io.zeros() {
            bytes[range.start as usize..range.end as usize].fill(0);
        }
        let present = io.io.present();
        let again =
            Io::with_present(base.clone(), top.clone(), size as u64, 1 << shift, present);
        let again = again.unwrap().with_zeros(io.io.zeros()).unwrap();
        let mut witness = Witness::new(&again, &bytes);
        witness.read(0, size + 20);
        finish(&mut witness, &[&base, &top])?;
    }

    #[test]
    fn reads_return_a_value_that_the_model_allows(
        steps in steps(100, 40, false),
        size in 1..100usize,
        missing in prop_oneof![Just(0), 0..100usize],
        shift in 0..5u32,
        already in prop::collection::vec(0..100usize, 0..3),
    ) {
        // Behind the end of the base there are zeros.
        let base_len = size.saturating_sub(missing);
        let mut start = small_noise(size);
        start[base_len..].fill(0);
        let base = Later::new(start[..base_len].to_vec());
        let top = Later::new(vec![NOTHING; size]);
        let granule = 1 << shift;
        let present: Vec<_> = already
            .into_iter()
            .map(|at| at % size / granule * granule)
            .map(|at| at as u64..(at + granule).min(size) as u64)
            .collect();
        let mut seen = start.clone();
        for range in &present {
            seen[range.start as usize..range.end as usize].fill(1);
            top.set(range.start as usize, &vec![1; (range.end - range.start) as usize]);
        }
        let (below, above) = (base.clone(), top.clone());
        let io = Io::with_present(below, above, size as u64, granule, present).unwrap();
        let mut witness = Witness::new(&io, &seen);
        play(&mut witness, &[&base, &top], steps)?;
        prop_assert_eq!(base.to_vec(), &start[..base_len]);
        let bytes = shown(&io);
        let mut witness = Witness::new(&io, &bytes);
        witness.read(0, size + 20);
        finish(&mut witness, &[&base, &top])?;
    }

    #[test]
    fn failures_leave_granules_unchanged(
        steps in steps(100, 40, true),
        shift in 0..5u32,
        base_len in prop_oneof![Just(100), 0..=100usize],
    ) {
        let mut start = small_noise(100);
        start[base_len..].fill(0);
        let base = Later::new(start[..base_len].to_vec());
        let top = Later::new(vec![NOTHING; 100]);
        let io = Io::new(base.clone(), top.clone(), 100, 1 << shift).unwrap();
        let mut witness = Witness::new(&io, &start);
        witness.may_fail = true;
        play(&mut witness, &[&base, &top], steps)?;
        base.heal();
        top.heal();
        // Whatever failed: nothing that nobody wrote is shown, and what succeeded is.
        witness.may_fail = false;
        witness.read(0, 100);
        finish(&mut witness, &[&base, &top])?;
    }
}
