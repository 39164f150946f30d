//! `Offset` and `Window` against the model.

mod common;

use common::{Model, cases, memory, noise, ops, run, run_blocking};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::traits::BlockingIo;
use mfio_layers::{Offset, Window};
use proptest::prelude::*;

const SIZE: usize = 64;

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn an_offset_is_the_rest_of_the_object(
        base in 0..80u64,
        packets in ops(0..80, vec![0, 32, 64, u64::MAX - 3], 40),
        calls in ops(0..80, vec![0, 32, 64, u64::MAX - 3], 40),
    ) {
        let below = memory(SIZE, 1);
        let io = Offset::new(below.clone(), base);
        let start = SIZE.min(base as usize);
        let mut model = Model::new(noise(SIZE, 1).split_off(start));
        run(&io, &mut model, &packets)?;
        run_blocking(&io, &mut model, &calls)?;
        let mut whole = noise(SIZE, 1);
        whole.splice(start.., model.bytes.into_iter().flatten());
        prop_assert_eq!(below.to_vec(), whole);
    }

    #[test]
    fn a_window_shows_its_bytes_and_no_others(
        base in 0..80u64,
        len in 0..80u64,
        packets in ops(0..80, vec![0, 32, 64, u64::MAX - 3], 40),
        calls in ops(0..80, vec![0, 32, 64, u64::MAX - 3], 40),
    ) {
        let below = memory(SIZE, 2);
        let io = Window::new(below.clone(), base, len);
        let shown = SIZE.min(base as usize)..SIZE.min((base + len) as usize);
        let mut model = Model::new(noise(SIZE, 2)[shown.clone()].iter().copied());
        run(&io, &mut model, &packets)?;
        run_blocking(&io, &mut model, &calls)?;
        let mut whole = noise(SIZE, 2);
        whole.splice(shown, model.bytes.into_iter().flatten());
        prop_assert_eq!(below.to_vec(), whole);
    }
}

#[test]
fn a_base_at_the_end_of_the_address_space_ends_there() {
    let end = ErrorKind::UnexpectedEof;
    let offset = Offset::new(Memory::new([1]), u64::MAX);
    let window = Window::new(Memory::new([1]), u64::MAX, u64::MAX);
    for pos in [0u64, 1, u64::MAX] {
        let error = offset.blocking().write_all_at(&[1], pos).unwrap_err();
        assert_eq!(error.kind(), end);
        let error = window.blocking().write_all_at(&[1], pos).unwrap_err();
        assert_eq!(error.kind(), end);
    }
}

#[test]
fn errors_name_the_part_and_its_object() {
    let inner = Window::new(Memory::new([0; 10]), 2, 6);
    let io = Offset::new(inner, 4);
    let error = io.blocking().read_exact_at(&mut [0; 2], 1u64).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read of 2 bytes at offset 1 of the part from byte 4 of a window of 6 bytes at byte 2 \
         failed: \
         unexpected end of data [memory]"
    );
}
