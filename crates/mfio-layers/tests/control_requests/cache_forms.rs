//! A `Cache` over memory, in every form, against a vector.

use super::asked::{FORMS, Form};
use super::cache_model::{SPACE, cases, ops};
use mfio::control::ControlOp;
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::prelude::*;
use mfio_layers::Cache;
use proptest::prelude::*;

/// Carries out an operation on a vector.
fn model(bytes: &mut Vec<u8>, op: ControlOp) -> Result<(), ErrorKind> {
    if let ControlOp::Discard(span) | ControlOp::WriteZeroes(span, _) = op {
        let at = |at: u64| (at as usize).min(bytes.len());
        let (start, end) = (at(span.start()), at(span.end()));
        bytes[start..end].fill(0);
    }
    match op {
        ControlOp::WriteZeroes(span, _) if !span.is_empty() && span.end() > bytes.len() as u64 => {
            return Err(ErrorKind::UnexpectedEof);
        }
        ControlOp::SetLen(len) => bytes.resize(len as usize, 0),
        _ => {}
    }
    Ok(())
}

fn carry_out(io: &Cache<Memory>, form: Form, op: ControlOp) -> Result<(), ErrorKind> {
    let result = match form {
        Form::Async => io.block_on(io.control(op)),
        Form::Blocking | Form::ShortCut => io.blocking().control(op),
        Form::Batch => io.blocking().control_batch(&[op]),
    };
    result.map_err(|error| error.kind())
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn every_form_does_the_same_to_the_cache_and_to_memory(
        steps in prop::collection::vec((ops(), 0..4usize, 0..SPACE, 0..40usize), 1..24),
        blocks in 1..9usize,
    ) {
        let mut bytes: Vec<u8> = (1..=50).collect();
        let io = Cache::new(Memory::new(bytes.clone()), blocks * 16, 16).unwrap();
        for (number, (op, form, at, len)) in steps.into_iter().enumerate() {
            let expected = model(&mut bytes, op);
            let result = carry_out(&io, FORMS[form], op);
            prop_assert_eq!(result, expected, "{:?} of {:?}", FORMS[form], op);
            let range = at.min(bytes.len())..(at + len).min(bytes.len());
            if number % 3 == 0 {
                bytes[range.clone()].fill(number as u8);
                let new = vec![number as u8; range.len()];
                io.blocking().write_all_at(&new, range.start as u64).unwrap();
            }
            let mut read = vec![];
            io.block_on(io.read_to_end_at(&mut read, 0)).unwrap();
            prop_assert_eq!(&read, &bytes);
            let mut read = vec![0; range.len()];
            io.blocking().read_exact_at(&mut read, range.start as u64).unwrap();
            prop_assert_eq!(&read, &bytes[range]);
        }
    }
}
