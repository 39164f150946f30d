//! `Remap`.

use crate::common::cases;
use crate::model::{Model, Place, calls, cells, compare};
use crate::sparse::{Act, Cell, FORMS, Form, Sparse, end, every_kind, extents, len, run, start};
use mfio::backend::IoBackendExt;
use mfio::control::{ControlIo, ControlKind, ControlOp, ExtentKind, Unmap};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::traits::{BlockingIo, IoControl};
use mfio_layers::Remap;
use proptest::prelude::*;
use std::ops::Range;

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_remapping_does_what_the_model_does(
        cells in cells(0..80),
        mappings in prop::collection::vec((0..100u64, 1..40u64, 0..80u64), 0..8),
        short_cut: bool,
        calls in calls(),
    ) {
        let below = Sparse::new(cells).with_short_cut(short_cut);
        let members = [below.clone()];
        let mut io = Remap::<_, u64, u64>::new(&below);
        for (from, len, to) in &mappings {
            io.map(*from..from + len, *to).unwrap();
        }
        let place = |at| {
            let has = |(from, len, _): &&(u64, u64, u64)| (*from..from + len).contains(&at);
            let latest = mappings.iter().rev().find(has);
            match latest {
                Some((from, _, to)) => Place::At(0, at - from + to),
                None => Place::Missing(ErrorKind::NotFound),
            }
        };
        compare(&io, &members, Model::new(&members, u64::MAX, place), &calls)?;
    }
}

/// 10..20 is 0..10, 20..30 is 50..60, and 40..50 is 20..30.
fn remap(object: &Sparse) -> Remap<Sparse> {
    let mut io = Remap::new(object.clone());
    io.map(10..20, 0).unwrap();
    io.map(20..30, 50).unwrap();
    io.map(40..50, 20).unwrap();
    io
}

const SPAN: mfio::control::Span = mfio::control::Span::new(12, 10).unwrap();

fn on(op: ControlOp, ranges: &[(u64, u64)]) -> Vec<ControlOp> {
    let spans = ranges.iter().map(|(start, end)| (*start..*end).into());
    spans.map(|span| op.with_span(span)).collect()
}

#[test]
fn a_range_is_one_request_for_each_mapping() {
    for (form, short_cut) in [(Form::Async, false), (Form::Blocking, true)] {
        let object = Sparse::of_data(60).with_short_cut(short_cut);
        let io = remap(&object);
        for op in [
            ControlOp::Discard(SPAN),
            ControlOp::Prefetch(SPAN),
            ControlOp::WriteZeroes(SPAN, Unmap::Allowed),
            ControlOp::WriteZeroes(SPAN, Unmap::Forbidden),
            ControlOp::Allocate(SPAN),
        ] {
            assert_eq!(run(&io, form, op), Ok(()));
            assert_eq!(object.log(), on(op, &[(2, 10), (50, 52)]));
            assert_eq!(run(&io, form, op.with_span((13..15).into())), Ok(()));
            assert_eq!(object.log(), on(op, &[(3, 5)]));

            // A part that fails, and one that is not mapped.
            object.script([Act::Pass, Act::Fail(ErrorKind::Busy)]);
            assert_eq!(run(&io, form, op), Err(ErrorKind::Busy));
            assert_eq!(object.log().len(), 2);
            let skips = matches!(op.kind(), ControlKind::Discard | ControlKind::Prefetch);
            let (result, sent) = match skips {
                true => (Ok(()), on(op, &[(55, 60), (20, 22)])),
                false => (Err(ErrorKind::NotFound), vec![]),
            };
            assert_eq!(run(&io, form, op.with_span((25..42).into())), result);
            assert_eq!(object.log(), sent);
            let nothing = run(&io, form, op.with_span((30..40).into()));
            assert_eq!(
                nothing,
                if skips {
                    Ok(())
                } else {
                    Err(ErrorKind::NotFound)
                }
            );
            assert_eq!(run(&io, form, op.with_span((35..35).into())), Ok(()));
            assert_eq!(object.log(), []);
        }
    }
}

#[test]
fn operations_without_a_range() {
    for (form, short_cut) in [(Form::Async, false), (Form::Blocking, true)] {
        let object = Sparse::of_data(60).with_short_cut(short_cut);
        let io = remap(&object);
        for op in [ControlOp::SyncData, ControlOp::SyncAll] {
            assert_eq!(run(&io, form, op), Ok(()));
            object.script([Act::Fail(ErrorKind::StorageFull)]);
            assert_eq!(run(&io, form, op), Err(ErrorKind::StorageFull));
            assert_eq!(object.log(), [op, op]);
        }
        for op in [ControlOp::SetLen(3), ControlOp::Shutdown] {
            assert_eq!(run(&io, form, op), Err(ErrorKind::NotSupported));
        }
        assert_eq!(len(&io, form), Err(ErrorKind::NotSupported));
        assert_eq!(object.log(), []);
        let kept = every_kind()
            .without(ControlKind::SetLen)
            .without(ControlKind::Len)
            .without(ControlKind::Shutdown);
        assert_eq!(io.capabilities(), kept);
        let poor = object
            .clone()
            .supporting(every_kind().without(ControlKind::Discard));
        assert_eq!(
            remap(&poor).capabilities(),
            kept.without(ControlKind::Discard)
        );
        assert_eq!(
            run(&remap(&poor), form, ControlOp::Discard(SPAN)),
            Err(ErrorKind::NotSupported)
        );
    }
}

#[test]
fn extents_end_where_nothing_is_mapped() {
    use ExtentKind::{Data, Hole};
    let object = Sparse::new([vec![Cell::Data(1); 5], vec![Cell::Hole; 55]].concat());
    let io = remap(&object);
    for form in FORMS {
        for room in 1..4 {
            let all = extents(&io, form, (10..).into(), room);
            assert_eq!(all, Ok(vec![(10..15, Data), (15..30, Hole)]));
            let some = extents(&io, form, (41..43).into(), room);
            assert_eq!(some, Ok(vec![(41..43, Hole)]));
            assert_eq!(extents(&io, form, (30..).into(), room), Ok(vec![]));
        }
    }
}

#[test]
fn ranges_whose_targets_are_the_last_addresses_do_not_wrap() {
    let object = Sparse::of_data(60);
    let mut io = Remap::<_, u64, u64>::new(&object);
    io.map(0..4, u64::MAX - 3).unwrap();
    let last = u64::MAX - 3..u64::MAX;
    assert_eq!(
        run(&io, Form::Async, ControlOp::Discard((0..4).into())),
        Ok(())
    );
    assert_eq!(object.log(), [ControlOp::Discard(last.into())]);
    let allocate = |range: Range<u64>| run(&io, Form::Async, ControlOp::Allocate(range.into()));
    assert_eq!(allocate(0..4), Err(ErrorKind::UnexpectedEof));
    assert_eq!(allocate(0..5), Err(ErrorKind::UnexpectedEof));
    assert_eq!(object.log(), []);
}

#[test]
fn a_dropped_operation_is_carried_out_on_every_mapping() {
    let object = Sparse::of_data(60);
    let io = remap(&object);
    object.script([Act::Hold; 4]);
    drop(start(&io, ControlOp::Discard(SPAN), 1));
    let kept = start(&io, ControlOp::Discard(SPAN), 1);
    assert_eq!(object.release(), 4);
    assert_eq!(end(kept).map(drop), Ok(()));
    assert_eq!(object.cells()[51], Cell::Hole);
}

#[test]
fn errors_name_the_remapping_and_explain_a_hole() {
    let mut io = Remap::<_, u64, u64>::new(Memory::new([1; 20]));
    io.map(5..10, 0).unwrap();
    let error = io
        .blocking()
        .write_zeroes(7..12, Unmap::Allowed)
        .unwrap_err();
    let asynchronous = io
        .block_on(io.write_zeroes(7..12, Unmap::Allowed))
        .unwrap_err();
    for error in [error, asynchronous] {
        let text = "zero write of 5 bytes at offset 7 of a remapping failed: not found [memory]; \
                    no mapping covers it: map the range, or read around it";
        assert_eq!(error.to_string(), text);
    }
}
