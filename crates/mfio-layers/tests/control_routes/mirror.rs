//! `Mirror`.

use crate::common::cases;
use crate::model::{Model, Place, calls, cells, compare};
use crate::sparse::{Act, Cell, FORMS, Form, Sparse, end, every_kind, extents, len, run, start};
use mfio::backend::IoBackendExt;
use mfio::control::{ControlIo, ControlKind, ControlOp, ExtentKind, Unmap};
use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Write};
use mfio::memory::Memory;
use mfio::packet::{InFlight, Packet};
use mfio::traits::IoControl;
use mfio_layers::{Mirror, WritePolicy};
use proptest::prelude::*;

fn replicas<const N: usize>() -> [Sparse; N] {
    [(); N].map(|()| Sparse::of_data(20))
}

fn mirror<const N: usize>(replicas: &[Sparse; N], policy: WritePolicy) -> Mirror<Sparse> {
    Mirror::with_policy(replicas.clone(), policy).unwrap()
}

fn stale(io: &Mirror<Sparse>) -> Vec<usize> {
    let all = 0..io.replicas().len();
    all.filter(|replica| io.is_stale(*replica)).collect()
}

fn write(io: &Mirror<Sparse>, pos: u64, bytes: &[u8]) -> InFlight<Vec<u8>, Write> {
    let (in_flight, view) = Packet::new(bytes.to_vec()).start::<Write>();
    PacketIo::<Write>::send_io(io, pos, view);
    in_flight
}

const SPAN: mfio::control::Span = mfio::control::Span::new(2, 8).unwrap();
const ZEROES: ControlOp = ControlOp::WriteZeroes(SPAN, Unmap::Allowed);

/// Operations that all replicas carry out, and whether one that fails is stale.
const OF_ALL: [(ControlOp, bool); 7] = [
    (ControlOp::SyncData, true),
    (ControlOp::SyncAll, true),
    (ZEROES, true),
    (ControlOp::SetLen(20), true),
    (ControlOp::Discard(SPAN), false),
    (ControlOp::Allocate(SPAN), false),
    (ControlOp::Shutdown, false),
];

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_mirror_does_what_the_model_does(
        cells in cells(0..60),
        calls in calls(),
        number in 1..4usize,
    ) {
        let members = vec![(); number];
        let new = |()| Sparse::new(cells.clone()).with_short_cut(true);
        let members: Vec<_> = members.into_iter().map(new).collect();
        let io: Mirror<_> = Mirror::new(members.clone()).unwrap();
        let model = Model::new(&members[..1], u64::MAX, |at| Place::At(0, at));
        compare(&io, &members[..1], model, &calls)?;
        for member in &members {
            prop_assert_eq!(member.cells(), members[0].cells());
        }
        prop_assert_eq!(stale(&io), []);
    }

    /// A step is a write, an operation, or an end at a replica.
    #[test]
    fn replicas_hold_the_same_after_writes_and_operations_that_overlap(
        steps in prop::collection::vec((0..6u8, 0..20u64, 1..8u64, any::<u8>()), 1..60),
    ) {
        let members = replicas::<3>();
        members.iter().for_each(Sparse::hold);
        let io = mirror(&members, WritePolicy::All);
        let mut writes = vec![];
        let mut operations = vec![];
        for (step, at, len, byte) in steps {
            let span = (at..at + len).into();
            match step {
                0 => writes.push(write(&io, at, &vec![byte; len as usize])),
                1 => operations.push(ControlOp::WriteZeroes(span, Unmap::Allowed)),
                2 => operations.push(ControlOp::WriteZeroes(span, Unmap::Forbidden)),
                3 => operations.push(ControlOp::Discard(span)),
                _ => {
                    members[at as usize % 3].release_one(usize::from(byte));
                }
            }
            if let 1..=3 = step {
                drop(start(&io, operations[operations.len() - 1], 1));
            }
        }
        while members.iter().any(|member| member.release() > 0) {}
        prop_assert_eq!(io.waiting(), 0);
        prop_assert!(writes.into_iter().all(|write| write.try_end().is_ok()));
        for member in &members {
            prop_assert_eq!(member.cells(), members[0].cells());
        }
    }
}

#[test]
fn all_replicas_carry_it_out_and_those_that_fail_are_stale_where_it_matters() {
    for policy in [WritePolicy::All, WritePolicy::Any] {
        for form in FORMS {
            for (op, marks) in OF_ALL {
                let members = replicas::<3>();
                let io = mirror(&members, policy);
                assert_eq!(run(&io, form, op), Ok(()));
                members[1].script([Act::Fail(ErrorKind::StorageFull)]);
                let expected = match policy {
                    WritePolicy::All => Err(ErrorKind::StorageFull),
                    WritePolicy::Any => Ok(()),
                };
                assert_eq!(run(&io, form, op), expected, "{op:?}");
                assert_eq!(stale(&io), if marks { vec![1] } else { vec![] }, "{op:?}");
                // A stale replica takes part, and does not stand in for others.
                io.mark_stale(1);
                members.iter().for_each(|member| drop(member.log()));
                members[0].script([Act::Fail(ErrorKind::Busy)]);
                members[2].script([Act::Fail(ErrorKind::Other)]);
                assert_eq!(run(&io, form, op), Err(ErrorKind::Busy));
                assert_eq!(stale(&io), [1], "one is not stale");
                assert!(members.iter().all(|member| member.log() == [op]));
            }
        }
    }
}

#[test]
fn an_operation_that_a_replica_does_not_support() {
    for policy in [WritePolicy::All, WritePolicy::Any] {
        for (op, _) in OF_ALL {
            let [a, b] = replicas();
            let supported = every_kind().without(op.kind());
            let members = [a, b.supporting(supported)];
            let io = mirror(&members, policy);
            assert_eq!(io.capabilities(), supported);
            let sent = !matches!(op.kind(), ControlKind::WriteZeroes | ControlKind::SetLen);
            let expected = match policy {
                WritePolicy::Any if sent => Ok(()),
                _ => Err(ErrorKind::NotSupported),
            };
            assert_eq!(run(&io, Form::Async, op), expected, "{op:?}");
            assert_eq!(members[0].log().len(), usize::from(sent));
            assert_eq!(stale(&io), [], "{op:?}");
        }
    }
}

#[test]
fn prefetches_and_questions_go_to_replicas_that_are_not_stale() {
    let members = [20, 9, 30].map(Sparse::of_data);
    let io = mirror(&members, WritePolicy::All);
    let prefetch = ControlOp::Prefetch(SPAN);
    let logs = || members.each_ref().map(|member| member.log().len());
    assert_eq!(run(&io, Form::Async, prefetch), Ok(()));
    assert_eq!(len(&io, Form::Async), Ok(30));
    assert_eq!(logs(), [2; 3]);

    io.mark_stale(2);
    members[0].script([Act::Fail(ErrorKind::Busy)]);
    assert_eq!(
        run(&io, Form::Async, prefetch),
        Ok(()),
        "the other one has done it"
    );
    assert_eq!(len(&io, Form::Async), Ok(20));
    members[0].script([Act::Fail(ErrorKind::Busy)]);
    assert_eq!(
        len(&io, Form::Async),
        Ok(9),
        "a replica that cannot tell is ignored"
    );
    assert_eq!(logs(), [3, 3, 0]);

    for op in [prefetch, ControlOp::Len, ControlOp::Extents(SPAN)] {
        members[0].script([Act::Fail(ErrorKind::Busy)]);
        members[1].script([Act::Fail(ErrorKind::Other)]);
        assert_eq!(end(start(&io, op, 32)).map(drop), Err(ErrorKind::Busy));
    }
    assert_eq!(stale(&io), [2]);
}

#[test]
fn extents_are_those_of_the_replica_that_tells_most() {
    use ExtentKind::{Data, Hole};
    let short = Sparse::new([Cell::Hole; 10]);
    let fine = Sparse::of_data(20).with_extents_of(1);
    let io = mirror(&[short.clone(), fine], WritePolicy::All);
    for form in FORMS {
        // However many are asked for: in the first row, the short one reaches farther than these.
        for room in [2, 5, 10, 100] {
            assert_eq!(
                extents(&io, form, (..).into(), room),
                Ok(vec![(0..20, Data)])
            );
        }
        // An answer that has all is as good as one that goes on.
        assert_eq!(extents(&io, form, (2..8).into(), 3), Ok(vec![(2..8, Hole)]));
        short.script([Act::Fail(ErrorKind::Busy)]);
        assert_eq!(extents(&io, form, (2..8).into(), 9), Ok(vec![(2..8, Data)]));
    }
    io.mark_stale(1);
    assert_eq!(
        extents(&io, Form::Async, (..).into(), 9),
        Ok(vec![(0..10, Hole)])
    );
}

#[test]
fn writes_and_operations_that_overlap_follow_each_other_and_syncs_do_not_wait() {
    let members = replicas::<2>();
    let io = mirror(&members, WritePolicy::All);
    members.iter().for_each(Sparse::hold);
    let first = write(&io, 0, &[1; 4]);
    let zeroes = start(&io, ZEROES, 1);
    let second = write(&io, 9, &[2; 4]);
    assert_eq!(io.waiting(), 2);
    let sync = start(&io, ControlOp::SyncAll, 1);
    let elsewhere = start(&io, ZEROES.with_span((15..17).into()), 1);
    let resize = start(&io, ControlOp::SetLen(12), 1);
    let shutdown = start(&io, ControlOp::Shutdown, 1);
    assert_eq!(io.waiting(), 4);
    assert_eq!(members[0].release(), 3);
    for which in [2, 1, 0] {
        assert!(!first.is_ended() && members[1].release_one(which));
    }
    assert!(first.is_ended() && sync.is_ended() && elsewhere.is_ended() && !zeroes.is_ended());
    while members.iter().any(|member| member.release() > 0) {}
    let all = [zeroes, resize, shutdown];
    assert!(second.is_ended() && all.into_iter().all(|op| end(op).is_ok()));
    let expected = [
        vec![Cell::Data(1); 2],
        vec![Cell::Hole; 7],
        vec![Cell::Data(2); 3],
    ];
    for member in &members {
        assert_eq!(member.cells(), expected.concat());
        let last = member.log().pop();
        assert_eq!(last, Some(ControlOp::Shutdown));
    }
}

#[test]
fn operations_that_wait_end_when_the_mirror_goes() {
    let members = replicas::<2>();
    let io = mirror(&members, WritePolicy::All);
    members.iter().for_each(Sparse::hold);
    let first = start(&io, ZEROES, 1);
    let waiting = start(&io, ControlOp::SetLen(3), 1);
    let write = write(&io, 3, &[1]);
    drop(io);
    assert_eq!(end(waiting).map(drop), Err(ErrorKind::Dropped));
    assert!(
        write
            .try_end()
            .is_ok_and(|ended| !ended.outcome.is_success())
    );
    assert_eq!([members[0].release(), members[1].release()], [1, 1]);
    assert_eq!(end(first).map(drop), Ok(()));
    assert_eq!(members[0].cells().len(), 20);
}

#[test]
fn a_dropped_operation_is_carried_out_by_all_replicas() {
    let members = replicas::<2>();
    let io = mirror(&members, WritePolicy::All);
    members.iter().for_each(Sparse::hold);
    drop(start(&io, ZEROES, 1));
    drop(start(&io, ControlOp::Discard((5..20).into()), 1));
    while members.iter().any(|member| member.release() > 0) {}
    assert_eq!(io.waiting(), 0);
    for member in &members {
        assert_eq!(member.cells()[2..], [Cell::Hole; 18]);
    }
}

#[test]
fn one_replica_keeps_its_short_cut_and_empty_ranges_reach_none() {
    let object = Sparse::of_data(20).with_short_cut(true);
    let io = mirror(std::array::from_ref(&object), WritePolicy::Any);
    for form in FORMS {
        for (op, _) in OF_ALL {
            assert_eq!(run(&io, form, op), Ok(()));
            object.script([Act::Fail(ErrorKind::Busy)]);
            assert_eq!(run(&io, form, op), Err(ErrorKind::Busy));
            assert_eq!(object.log(), [op, op]);
        }
        assert_eq!(len(&io, form), Ok(20));
        object.log();
        let two = mirror(&[object.clone(), object.clone()], WritePolicy::All);
        assert_eq!(run(&two, form, ZEROES.with_span((7..7).into())), Ok(()));
        assert_eq!(run(&io, form, ZEROES.with_span((7..7).into())), Ok(()));
        assert_eq!(extents(&two, form, (7..7).into(), 2), Ok(vec![]));
        assert_eq!(object.log(), []);
    }
    assert_eq!(stale(&io), []);
}

#[test]
fn errors_name_the_replica_that_failed() {
    let members = replicas::<3>();
    let io = mirror(&members, WritePolicy::All);
    members[2].script([Act::Fail(ErrorKind::StorageFull)]);
    let error = Memory::new([]).block_on(io.sync_data()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "data sync a mirror of 3 objects, the first of which is a sparse object failed: no space \
         left; the object that failed is number 2, counted from 0"
    );
}
