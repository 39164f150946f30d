//! `Concat` and `Stripe`.

use crate::common::cases;
use crate::model::{Model, Place, calls, cells, compare};
use crate::sparse::{Act, Cell, FORMS, Form, Sparse, end, every_kind, extents, len, run, start};
use mfio::backend::IoBackendExt;
use mfio::control::{ControlIo, ControlKind, ControlOp, ExtentKind, Span, Unmap};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::traits::IoControl;
use mfio_layers::{Concat, Stripe};
use proptest::prelude::*;

/// Objects that tell extents of up to `longest` bytes, the first one of any number.
fn objects(cells: Vec<Vec<Cell>>, short_cut: bool, longest: usize) -> Vec<Sparse> {
    let objects = cells.into_iter().enumerate().map(|(n, cells)| {
        let object = Sparse::new(cells).with_short_cut(short_cut);
        if n == 0 {
            object
        } else {
            object.with_extents_of(longest)
        }
    });
    objects.collect()
}

/// Three objects of `len` bytes.
fn three(len: usize) -> [Sparse; 3] {
    [(); 3].map(|()| Sparse::of_data(len))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_concatenation_does_what_the_model_does(
        parts in prop::collection::vec((cells(0..30), 0..30u64), 0..6),
        (short_cut, longest) in (any::<bool>(), 1..9usize),
        calls in calls(),
    ) {
        let (cells, lens): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let members = objects(cells, short_cut, longest);
        let io = Concat::new(members.iter().cloned().zip(lens.iter().copied())).unwrap();
        let place = |at| {
            let mut start = 0;
            for (member, len) in lens.iter().enumerate() {
                if at < start + len {
                    return Place::At(member, at - start);
                }
                start += len;
            }
            Place::Missing(ErrorKind::UnexpectedEof)
        };
        compare(&io, &members, Model::new(&members, io.len(), place), &calls)?;
        for form in FORMS {
            prop_assert_eq!(len(&io, form), Ok(lens.iter().sum()));
        }
    }

    #[test]
    fn a_stripe_does_what_the_model_does(
        cells in prop::collection::vec(cells(0..50), 1..5),
        unit in 1..12u64,
        (short_cut, longest) in (any::<bool>(), 1..9usize),
        calls in calls(),
        resized in 0..100u64,
    ) {
        let members = objects(cells, short_cut, longest);
        let io = Stripe::new(members.clone(), unit).unwrap();
        let number = members.len() as u64;
        let place = |at| {
            let row = at / unit / number;
            Place::At((at / unit % number) as usize, row * unit + at % unit)
        };
        compare(&io, &members, Model::new(&members, u64::MAX, place), &calls)?;
        for form in FORMS {
            let missing = (0..).find(|at| match place(*at) {
                Place::At(member, at) => at >= members[member].cells().len() as u64,
                Place::Missing(_) => true,
            });
            prop_assert_eq!(len(&io, form), Ok(missing.unwrap()));
            prop_assert_eq!(run(&io, form, ControlOp::SetLen(resized)), Ok(()));
            prop_assert_eq!(len(&io, form), Ok(resized));
            let bytes: usize = members.iter().map(|member| member.cells().len()).sum();
            prop_assert_eq!(bytes as u64, resized, "no byte is too many");
        }
    }
}

fn logs<'a>(members: impl IntoIterator<Item = &'a Sparse>) -> Vec<Vec<ControlOp>> {
    members.into_iter().map(Sparse::log).collect()
}

/// Operations without a range that all objects carry out.
const OF_ALL: [ControlOp; 3] = [ControlOp::SyncData, ControlOp::SyncAll, ControlOp::Shutdown];

/// Operations on a range.
fn on(span: Span) -> [ControlOp; 5] {
    [
        ControlOp::Discard(span),
        ControlOp::WriteZeroes(span, Unmap::Allowed),
        ControlOp::WriteZeroes(span, Unmap::Forbidden),
        ControlOp::Allocate(span),
        ControlOp::Prefetch(span),
    ]
}

fn concat(members: &[Sparse; 3]) -> Concat<Sparse> {
    Concat::new(members.iter().map(|member| (member.clone(), 10))).unwrap()
}

fn stripe(members: &[Sparse; 3]) -> Stripe<Sparse> {
    Stripe::new(members.clone(), 4).unwrap()
}

#[test]
fn syncs_and_ends_reach_all_objects_and_the_first_failure_is_told() {
    let members = three(10);
    let (concat, stripe) = (concat(&members), stripe(&members));
    for form in FORMS {
        for op in OF_ALL {
            for io in [&concat as &dyn ControlIo, &stripe] {
                assert_eq!(run(&io, form, op), Ok(()));
                assert_eq!(logs(&members), [[op], [op], [op]]);
                members[2].script([Act::Fail(ErrorKind::StorageFull)]);
                members[1].script([Act::Fail(ErrorKind::Other)]);
                assert_eq!(run(&io, form, op), Err(ErrorKind::Other));
                assert_eq!(
                    logs(&members),
                    [[op], [op], [op]],
                    "in spite of the failure"
                );
            }
        }
    }
}

#[test]
fn a_range_is_one_request_of_each_object_that_has_bytes_of_it() {
    let members = three(10);
    let (concat, stripe) = (concat(&members), stripe(&members));
    for form in FORMS {
        for (op, first, second) in on((4..14).into())
            .into_iter()
            .zip(on((4..10).into()))
            .zip(on((0..4).into()))
            .map(|((op, first), second)| (op, first, second))
        {
            assert_eq!(run(&concat, form, op), Ok(()));
            assert_eq!(logs(&members), [vec![first], vec![second], vec![]]);
        }
        for (n, op) in on((6..26).into()).into_iter().enumerate() {
            assert_eq!(run(&stripe, form, op), Ok(()));
            let part = |range: std::ops::Range<u64>| vec![on(range.into())[n]];
            assert_eq!(logs(&members), [part(4..10), part(2..8), part(0..8)]);
        }
        for op in on((2..4).into()) {
            assert_eq!(run(&stripe, form, op), Ok(()));
            assert_eq!(run(&concat, form, op), Ok(()));
            assert_eq!(logs(&members), [vec![op, op], vec![], vec![]]);
        }
    }
}

#[test]
fn the_longest_range_is_as_many_requests_as_there_are_objects() {
    let members = three(10);
    let long = 1 << 50;
    let io = Stripe::new(members.clone(), 4).unwrap();
    assert_eq!(
        run(&io, Form::Async, ControlOp::Discard((0..long * 3).into())),
        Ok(())
    );
    assert_eq!(
        logs(&members),
        vec![vec![ControlOp::Discard((0..long).into())]; 3]
    );
    let io = Concat::new(members.iter().map(|member| (member.clone(), long))).unwrap();
    assert_eq!(
        run(&io, Form::Async, ControlOp::Prefetch((..).into())),
        Ok(())
    );
    assert_eq!(
        logs(&members),
        vec![vec![ControlOp::Prefetch((0..long).into())]; 3]
    );
    for start in [u64::MAX - 1, u64::MAX] {
        let top = ControlOp::Discard((start..u64::MAX).into());
        let io = Stripe::new(members.clone(), 4).unwrap();
        assert_eq!(run(&io, Form::Async, top), Ok(()));
        let parts: Vec<_> = logs(&members).concat();
        assert_eq!(parts.len() as u64, u64::MAX - start);
    }
}

/// Data of 2^60 bytes, with a hole at the front of the second object.
struct Vast(bool);

impl mfio::io::IoObject for Vast {}

impl ControlIo for Vast {
    fn send_control(&self, op: ControlOp, view: mfio::packet::View<mfio::io::Read>) {
        let hole = if self.0 { 4096 } else { 0 };
        mfio::control::answer_with(view, |answer| {
            let span = op.span().unwrap();
            let hole = span.until(hole).len();
            let runs = [(hole, ExtentKind::Hole), (1 << 60, ExtentKind::Data)];
            answer.extents(span, runs)
        });
    }
}

#[test]
fn long_extents_of_a_stripe_are_not_looked_at_unit_by_unit() {
    use ExtentKind::{Data, Hole};
    let io = Stripe::new([Vast(false), Vast(true)], 2048).unwrap();
    let found = extents(&io, Form::Async, (0..1 << 50).into(), 7).unwrap();
    let expected = [
        (0..2048, Data),
        (2048..4096, Hole),
        (4096..6144, Data),
        (6144..8192, Hole),
        (8192..1 << 50, Data),
    ];
    assert_eq!(found, expected);
}

#[test]
fn ranges_beyond_the_end_and_without_bytes() {
    let members = three(10);
    let (concat, stripe) = (concat(&members), stripe(&members));
    for form in FORMS {
        for op in on((25..35).into()) {
            let cut = matches!(op.kind(), ControlKind::Discard | ControlKind::Prefetch);
            let result = if cut {
                Ok(())
            } else {
                Err(ErrorKind::UnexpectedEof)
            };
            assert_eq!(run(&concat, form, op), result);
            let part = op.with_span((5..10).into());
            let sent = if cut { vec![part] } else { vec![] };
            assert_eq!(logs(&members), [vec![], vec![], sent]);
        }
        for op in on((7..7).into()) {
            for io in [&concat as &dyn ControlIo, &stripe] {
                assert_eq!(run(&io, form, op), Ok(()));
                assert_eq!(extents(&io, form, (1000..1000).into(), 2), Ok(vec![]));
            }
        }
        assert_eq!(
            run(&concat, form, ControlOp::SetLen(5)),
            Err(ErrorKind::NotSupported)
        );
        assert_eq!(logs(&members), [[], [], []]);
    }
    let none = Concat::<Sparse>::new([]).unwrap();
    for form in FORMS {
        assert_eq!(run(&none, form, ControlOp::SyncAll), Ok(()));
        assert_eq!(run(&none, form, ControlOp::Discard((0..9).into())), Ok(()));
        assert_eq!(len(&none, form), Ok(0));
    }
}

#[test]
fn one_object_that_fails_or_does_not_support_an_operation_fails_its_part_only() {
    let [a, b, c] = three(10);
    let b = b.supporting(
        every_kind()
            .without(ControlKind::Discard)
            .without(ControlKind::Len),
    );
    let members = [a, b, c];
    let (concat, stripe) = (concat(&members), stripe(&members));
    let all = every_kind().without(ControlKind::Discard);
    assert_eq!(concat.capabilities(), all.without(ControlKind::SetLen));
    assert_eq!(stripe.capabilities(), all.without(ControlKind::Len));
    for form in FORMS {
        assert_eq!(len(&concat, form), Ok(30));
        assert_eq!(len(&stripe, form), Err(ErrorKind::NotSupported));
        for io in [&concat as &dyn ControlIo, &stripe] {
            let discard = ControlOp::Discard((0..24).into());
            assert_eq!(run(&io, form, discard), Err(ErrorKind::NotSupported));
            assert_eq!(members[0].cells()[3], Cell::Hole);
            assert_eq!(members[2].cells()[3], Cell::Hole);
            assert_eq!(members[1].cells()[3], Cell::Data(7));
            assert_eq!(run(&io, form, ControlOp::Discard((0..4).into())), Ok(()));
            members[1].script([Act::Fail(ErrorKind::Busy)]);
            assert_eq!(extents(&io, form, (..).into(), 9), Err(ErrorKind::Busy));
        }
    }
}

#[test]
fn an_operation_ends_with_its_last_part_and_a_dropped_one_is_carried_out() {
    let members = three(10);
    let (concat, stripe) = (concat(&members), stripe(&members));
    for io in [&concat as &dyn ControlIo, &stripe] {
        for member in &members {
            member.script([Act::Hold; 2]);
        }
        let sync = start(&io, ControlOp::SyncAll, 1);
        drop(start(
            &io,
            ControlOp::WriteZeroes((0..24).into(), Unmap::Allowed),
            1,
        ));
        assert_eq!(members[2].release(), 2);
        assert_eq!(members[0].release(), 2);
        assert!(!sync.is_ended(), "the second object has not ended it");
        assert_eq!(members[1].release(), 2);
        assert_eq!(end(sync).map(drop), Ok(()));
        assert!(members.iter().all(|member| member.cells()[3] == Cell::Hole));
        assert_eq!(
            run(&io, Form::Async, ControlOp::Allocate((0..24).into())),
            Ok(())
        );
    }
}

#[test]
fn operations_in_flight_outlive_the_layer() {
    let members = three(10);
    for member in &members {
        member.script([Act::Hold]);
    }
    let late = start(&stripe(&members), ControlOp::Len, 8);
    for member in &members {
        assert_eq!(member.release(), 1);
    }
    let missing = 26u64;
    assert_eq!(end(late), Ok(missing.to_ne_bytes().to_vec()));
}

#[test]
fn errors_name_the_object_that_failed() {
    let members = three(10);
    for io in [&concat(&members) as &dyn ControlIo, &stripe(&members)] {
        members[1].script([Act::Fail(ErrorKind::StorageFull)]);
        let error = Memory::new([]).block_on((&io).sync_all()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("sync "), "{text}");
        assert!(text.contains("of 3 objects, the first of which is a sparse object failed"));
        let help = "the object that failed is number 1, counted from 0";
        assert_eq!(error.get_help(), Some(help));
    }
}
