//! `Stripe` and `Concat` against the model.

mod common;

use common::{Model, cases, memory, noise, ops, run, run_blocking};
use mfio::error::ErrorKind;
use mfio_layers::{AttachBackend, BackendSet, Concat, Stripe};
use proptest::prelude::*;

/// The bytes of a stripe over these members; those that a member does not have fail.
fn dealt(members: &[Vec<u8>], unit: usize) -> Model {
    let longest = members.iter().map(Vec::len).max().unwrap_or(0);
    let size = longest.next_multiple_of(unit) * members.len();
    Model::of((0..size).map(|at| {
        let (number, within) = (at / unit, at % unit);
        let place = number / members.len() * unit + within;
        let byte = members[number % members.len()].get(place);
        byte.copied().ok_or(ErrorKind::UnexpectedEof)
    }))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_stripe_deals_out_its_bytes(
        sizes in prop::collection::vec(0..40usize, 1..5),
        unit in 1..12usize,
        packets in ops(0..120, vec![0, 12, 24, 100, u64::MAX - 3], 60),
        calls in ops(0..120, vec![0, 12, 24, 100, u64::MAX - 3], 60),
    ) {
        let bytes: Vec<_> = sizes.iter().zip(0..).map(|(size, seed)| noise(*size, seed)).collect();
        let members = sizes.iter().zip(0..);
        let members: Vec<_> = members.map(|(size, seed)| memory(*size, seed)).collect();
        let stripe = Stripe::new(members.clone(), unit as u64).unwrap();
        let io = AttachBackend::new(stripe, BackendSet::new(members.clone()).unwrap());
        let mut model = dealt(&bytes, unit);
        run(&io, &mut model, &packets)?;
        run_blocking(&io, &mut model, &calls)?;
        let below: Vec<_> = members.iter().map(|member| member.to_vec()).collect();
        prop_assert_eq!(dealt(&below, unit), model);
    }

    #[test]
    fn a_concatenation_has_its_objects_one_after_another(
        parts in prop::collection::vec((0..30usize, 0..30usize), 0..6),
        packets in ops(0..120, vec![0, 30, 60, 90, u64::MAX - 3], 60),
        calls in ops(0..120, vec![0, 30, 60, 90, u64::MAX - 3], 60),
    ) {
        // Some objects are shorter than was said, and some longer.
        let members = parts.iter().zip(0..);
        let members: Vec<_> = members.map(|((size, _), seed)| memory(*size, seed)).collect();
        let pairs = || members.iter().cloned().zip(parts.iter().map(|(_, len)| *len));
        let shown = || Model::of(pairs().flat_map(|(member, len)| {
            let mut bytes: Vec<_> = member.to_vec().into_iter().map(Ok).collect();
            bytes.resize(len, Err(ErrorKind::UnexpectedEof));
            bytes
        }));
        let concat = Concat::new(pairs().map(|(member, len)| (member, len as u64))).unwrap();
        let io = AttachBackend::new(concat, BackendSet::new(members.clone()).unwrap());
        let mut model = shown();
        run(&io, &mut model, &packets)?;
        run_blocking(&io, &mut model, &calls)?;
        prop_assert_eq!(shown(), model);
        for (member, ((size, len), seed)) in members.iter().zip(parts.iter().zip(0..)) {
            // What was cut off is as it was.
            let cut = (*len).min(*size);
            prop_assert_eq!(&member.to_vec()[cut..], &noise(*size, seed)[cut..]);
        }
    }
}
