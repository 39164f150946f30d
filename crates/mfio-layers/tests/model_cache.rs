//! `Cache` against what may be seen.

mod later;

use later::{Later, Witness, finish, play, small_noise, steps};
use mfio_layers::Cache;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn reads_return_a_value_that_the_model_allows(
        steps in steps(100, 40, false),
        size in 1..100usize,
        blocks in 1..6usize,
        broken in prop::collection::vec(0..100usize, 0..4),
    ) {
        let start = small_noise(size);
        let inner = Later::new(start.clone());
        inner.break_bytes(broken.iter().copied());
        let cache = Cache::new(inner.clone(), blocks * 16, 16).unwrap();
        let mut witness = Witness::new(&cache, &start);
        witness.broken = broken.into_iter().collect();
        play(&mut witness, &[&inner], steps)?;
        same_as_below(&cache, &inner, &witness.broken.clone())?;
    }

    #[test]
    fn failed_reads_are_not_cached(
        steps in steps(100, 40, true),
        blocks in 1..6usize,
    ) {
        let start = small_noise(100);
        let inner = Later::new(start.clone());
        let cache = Cache::new(inner.clone(), blocks * 16, 16).unwrap();
        let mut witness = Witness::new(&cache, &start);
        witness.may_fail = true;
        play(&mut witness, &[&inner], steps)?;
        inner.heal();
        same_as_below(&cache, &inner, &Default::default())?;
    }
}

/// After all is done the cache shows what is below: nothing old was kept.
fn same_as_below(
    cache: &Cache<Arc<Later>>,
    inner: &Arc<Later>,
    broken: &BTreeSet<usize>,
) -> Result<(), TestCaseError> {
    let bytes = inner.to_vec();
    let mut witness = Witness::new(cache, &bytes);
    witness.broken = broken.clone();
    witness.read(0, bytes.len() + 20);
    finish(&mut witness, &[inner])?;
    witness.read(0, bytes.len() + 20);
    finish(&mut witness, &[inner])
}
