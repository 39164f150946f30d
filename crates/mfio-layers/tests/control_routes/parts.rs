//! `Offset` and `Window`.

use crate::common::cases;
use crate::model::{Model, Place, calls, cells, compare};
use crate::sparse::{Act, Cell, FORMS, Form, Sparse, end, every_kind, extents, len, run, start};
use mfio::backend::IoBackendExt;
use mfio::control::{Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Unmap};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::traits::{BlockingIo, IoControl};
use mfio_layers::{Offset, Window};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn parts_do_what_the_model_does(
        cells in cells(0..80),
        base in 0..60u64,
        len in prop_oneof![0..60u64, Just(u64::MAX)],
        short_cut: bool,
        calls in calls(),
    ) {
        let below = Sparse::new(cells).with_short_cut(short_cut);
        let members = [below.clone()];
        let end = u64::MAX - base;
        let model = Model::new(&members, end, |at| Place::At(0, base + at));
        compare(&Offset::new(&below, base), &members, model, &calls)?;

        let end = end.min(len);
        let model = Model::new(&members, end, |at| match at < end {
            true => Place::At(0, base + at),
            false => Place::Missing(ErrorKind::UnexpectedEof),
        });
        compare(&Window::new(&below, base, len), &members, model, &calls)?;
    }
}

const DISCARD: ControlOp = ControlOp::Discard(mfio::control::Span::new(2, 4).unwrap());

fn on(op: ControlOp, range: std::ops::Range<u64>) -> ControlOp {
    op.with_span(range.into())
}

/// Every operation, on the range 2..6 if it has one.
fn operations() -> [ControlOp; 9] {
    let span = DISCARD.span().unwrap();
    [
        ControlOp::SyncData,
        ControlOp::SyncAll,
        ControlOp::Shutdown,
        ControlOp::SetLen(6),
        DISCARD,
        ControlOp::WriteZeroes(span, Unmap::Allowed),
        ControlOp::WriteZeroes(span, Unmap::Forbidden),
        ControlOp::Allocate(span),
        ControlOp::Prefetch(span),
    ]
}

/// Returns what the object below gets of an operation, and the result.
fn below(
    io: &impl ControlIo,
    object: &Sparse,
    form: Form,
    op: ControlOp,
) -> (Vec<ControlOp>, Result<(), ErrorKind>) {
    object.log();
    let result = run(io, form, op);
    (object.log(), result)
}

#[test]
fn an_offset_passes_every_operation_on_with_its_range_moved() {
    for (form, short_cut) in [
        (Form::Async, false),
        (Form::Blocking, false),
        (Form::Blocking, true),
    ] {
        let object = Sparse::of_data(20).with_short_cut(short_cut);
        let io = Offset::new(&object, 10);
        for op in operations() {
            let moved = match op {
                ControlOp::SetLen(len) => ControlOp::SetLen(len + 10),
                op => on(op, 12..16),
            };
            assert_eq!(below(&io, &object, form, op), (vec![moved], Ok(())));
            object.script([Act::Fail(ErrorKind::StorageFull)]);
            assert_eq!(run(&io, form, op), Err(ErrorKind::StorageFull));
        }
        assert_eq!(len(&io, form), Ok(6), "it was resized to 16");
        object.script([Act::Fail(ErrorKind::Other)]);
        assert_eq!(len(&io, form), Err(ErrorKind::Other));
        assert_eq!(len(&Offset::new(&object, 17), form), Ok(0));
        assert_eq!(io.capabilities(), every_kind());
    }
}

#[test]
fn a_window_passes_on_what_is_within_it() {
    for (form, short_cut) in [
        (Form::Async, false),
        (Form::Blocking, false),
        (Form::Blocking, true),
    ] {
        let object = Sparse::of_data(20).with_short_cut(short_cut);
        let io = Window::new(&object, 10, 5);
        for op in operations() {
            let cut = on(op, 12..15);
            let expected = match op.kind() {
                ControlKind::SetLen | ControlKind::Shutdown => {
                    (vec![], Err(ErrorKind::NotSupported))
                }
                ControlKind::WriteZeroes | ControlKind::Allocate => {
                    (vec![], Err(ErrorKind::UnexpectedEof))
                }
                _ => (vec![cut], Ok(())),
            };
            assert_eq!(below(&io, &object, form, op), expected, "{op:?}");
            let within = on(op, 2..5);
            if expected.0 == [cut] || within != op {
                assert_eq!(below(&io, &object, form, within), (vec![cut], Ok(())));
                object.script([Act::Fail(ErrorKind::StorageFull)]);
                assert_eq!(run(&io, form, within), Err(ErrorKind::StorageFull));
            }
        }
        assert_eq!(len(&io, form), Ok(5));
        assert_eq!(
            len(&Window::new(&object, 18, 5), form),
            Ok(2),
            "the object ends"
        );
        assert_eq!(len(&Window::new(&object, 21, 5), form), Ok(0));
        let kept = every_kind()
            .without(ControlKind::SetLen)
            .without(ControlKind::Shutdown);
        assert_eq!(io.capabilities(), kept);
    }
}

#[test]
fn extents_of_a_part_have_its_positions_and_its_end() {
    use ExtentKind::{Data, Hole};
    let cells = [[Cell::Data(1); 4], [Cell::Hole; 4], [Cell::Data(2); 4]].concat();
    for form in FORMS {
        let object = Sparse::new(cells.clone()).with_short_cut(true);
        let io = Offset::new(&object, 2);
        let all = vec![(0..2, Data), (2..6, Hole), (6..10, Data)];
        assert_eq!(extents(&io, form, (..).into(), 2), Ok(all));
        let io = Window::new(&object, 2, 5);
        assert_eq!(
            extents(&io, form, (1..).into(), 9),
            Ok(vec![(1..2, Data), (2..5, Hole)])
        );
        assert_eq!(extents(&io, form, (5..).into(), 9), Ok(vec![]));
    }
}

/// Nothing is sent below, and an answer is an empty one.
#[test]
fn ranges_without_bytes_succeed_and_those_beyond_the_addresses_do_not_wrap() {
    let object = Sparse::of_data(20).with_short_cut(true);
    let top = u64::MAX - 3;
    for form in FORMS {
        for io in [
            Window::new(&object, 10, 5),
            Window::new(&object, top, u64::MAX),
        ] {
            for op in operations()
                .map(|op| on(op, 7..7))
                .into_iter()
                .filter(|op| op.is_empty())
            {
                assert_eq!(below(&io, &object, form, op), (vec![], Ok(())));
            }
            assert_eq!(extents(&io, form, (7..9).into(), 3), Ok(vec![]));
            for op in operations().map(|op| on(op, 7..9)) {
                let (sent, result) = below(&io, &object, form, op);
                match op.kind() {
                    ControlKind::Discard | ControlKind::Prefetch => assert_eq!(result, Ok(())),
                    ControlKind::WriteZeroes | ControlKind::Allocate => {
                        assert_eq!(result, Err(ErrorKind::UnexpectedEof));
                    }
                    _ => continue,
                }
                assert_eq!(sent, []);
            }
        }
        let io = Offset::new(&object, top);
        let last = on(DISCARD, u64::MAX - 2..u64::MAX);
        assert_eq!(
            below(&io, &object, form, on(DISCARD, 1..9)),
            (vec![last], Ok(()))
        );
        assert_eq!(
            run(&io, form, ControlOp::SetLen(4)),
            Err(ErrorKind::InvalidInput)
        );
        assert_eq!(len(&io, form), Ok(0));
    }
}

#[test]
fn an_object_that_does_not_support_an_operation_says_so_through_a_part() {
    let only_syncs = Capabilities::NONE.with(ControlKind::SyncAll);
    let object = Sparse::of_data(20).supporting(only_syncs);
    let (offset, window) = (Offset::new(&object, 3), Window::new(&object, 3, 9));
    assert_eq!(
        [offset.capabilities(), window.capabilities()],
        [only_syncs; 2]
    );
    for form in FORMS {
        assert_eq!(run(&offset, form, ControlOp::SyncAll), Ok(()));
        assert_eq!(run(&window, form, DISCARD), Err(ErrorKind::NotSupported));
        assert_eq!(len(&window, form), Err(ErrorKind::NotSupported));
        assert_eq!(len(&offset, form), Err(ErrorKind::NotSupported));
    }
}

#[test]
fn a_dropped_call_is_carried_out_and_a_late_length_is_that_of_the_part() {
    let object = Sparse::of_data(20);
    let io = Window::new(&object, 10, 5);
    object.script([Act::Hold; 3]);
    drop(start(&io, on(DISCARD, 1..2), 1));
    drop(start(&io, ControlOp::Len, 8));
    let length = start(&io, ControlOp::Len, 8);
    assert_eq!(object.release(), 3);
    assert_eq!(object.cells()[11], Cell::Hole);
    assert_eq!(end(length), Ok(5u64.to_ne_bytes().to_vec()));
}

#[test]
fn errors_name_the_operation_the_range_and_the_part() {
    let io = Window::new(Memory::new([1; 20]), 4, 6);
    let error = io
        .blocking()
        .write_zeroes(2..8, Unmap::Allowed)
        .unwrap_err();
    let text = "zero write of 6 bytes at offset 2 of a window of 6 bytes at byte 4 failed: \
                unexpected end of data [memory]";
    assert_eq!(error.to_string(), text);
    let error = io
        .block_on(io.write_zeroes(2..8, Unmap::Allowed))
        .unwrap_err();
    assert_eq!(error.to_string(), text);
    assert_eq!(io.inner().to_vec(), [1; 20]);
    let error = io.blocking().set_len(3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
}
