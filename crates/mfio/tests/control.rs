//! Control operations: their forms, against objects in memory.

use mfio::backend::IoBackendExt;
use mfio::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, Extent, ExtentKind, Unmap, answer_with,
};
use mfio::error::{ErrorKind, Result};
use mfio::io::{IoObject, Read};
use mfio::memory::{Frozen, Memory};
use mfio::packet::View;
use mfio::prelude::*;
use proptest::prelude::*;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

fn kinds() -> impl Strategy<Value = ControlOp> {
    let span = (0..40u64, 0..20u64).prop_map(|(start, len)| (start..start + len).into());
    let unmap = prop_oneof![Just(Unmap::Allowed), Just(Unmap::Forbidden)];
    prop_oneof![
        Just(ControlOp::SyncData),
        Just(ControlOp::SyncAll),
        span.clone().prop_map(ControlOp::Discard),
        (span.clone(), unmap).prop_map(|(span, unmap)| ControlOp::WriteZeroes(span, unmap)),
        span.clone().prop_map(ControlOp::Allocate),
        (0..40u64).prop_map(ControlOp::SetLen),
        span.prop_map(ControlOp::Prefetch),
        Just(ControlOp::Shutdown),
    ]
}

/// The model: carries out an operation on a vector.
fn model(bytes: &mut Vec<u8>, op: ControlOp) -> Result<(), ErrorKind> {
    let end = |bytes: &Vec<u8>, at: u64| (at as usize).min(bytes.len());
    match op {
        ControlOp::Discard(span) => {
            let range = end(bytes, span.start())..end(bytes, span.end());
            bytes[range].fill(0);
        }
        ControlOp::WriteZeroes(span, _) => {
            let range = end(bytes, span.start())..end(bytes, span.end());
            bytes[range].fill(0);
            if !span.is_empty() && span.end() > bytes.len() as u64 {
                return Err(ErrorKind::UnexpectedEof);
            }
        }
        ControlOp::Allocate(span) if !span.is_empty() && span.end() > bytes.len() as u64 => {
            return Err(ErrorKind::UnexpectedEof);
        }
        ControlOp::SetLen(len) => bytes.resize(len as usize, 0),
        ControlOp::Shutdown => return Err(ErrorKind::NotSupported),
        _ => {}
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Async,
    Blocking,
    Batch,
}

fn run(io: &Memory, form: Form, op: ControlOp) -> Result<()> {
    match form {
        Form::Async => io.block_on(io.control(op)),
        Form::Blocking => io.blocking().control(op),
        Form::Batch => io.blocking().control_batch(&[op]),
    }
}

proptest! {
    #[test]
    fn memory_does_what_a_vector_does_in_every_form(
        ops in proptest::collection::vec(
            (kinds(), prop_oneof![Just(Form::Async), Just(Form::Blocking), Just(Form::Batch)]),
            1..40,
        ),
        writes in proptest::collection::vec((0..40u64, 1..255u8), 40),
    ) {
        let mut bytes = vec![1; 20];
        let io = Memory::new(bytes.clone());
        for ((op, form), (pos, byte)) in ops.into_iter().zip(writes) {
            let wrote = io.blocking().write_all_at(&[byte], pos).is_ok();
            prop_assert_eq!(wrote, pos < bytes.len() as u64);
            if wrote {
                bytes[pos as usize] = byte;
            }
            let expected = model(&mut bytes, op);
            let result = run(&io, form, op).map_err(|error| error.kind());
            prop_assert_eq!(result, expected, "{:?} of {:?}", form, op);
            prop_assert_eq!(&io.to_vec(), &bytes);
            let len = bytes.len() as u64;
            prop_assert_eq!(io.blocking().len().unwrap(), len);
            prop_assert_eq!(io.block_on(IoControl::len(&io)).unwrap(), len);
            let data = Extent { span: (3..len).into(), kind: ExtentKind::Data };
            let data = (!data.span.is_empty()).then_some(data);
            prop_assert_eq!(io.block_on(io.extent_at(3)).unwrap(), data);
            prop_assert_eq!(io.blocking().extent_at(3).unwrap(), data);
            prop_assert_eq!(io.blocking().extents(3..).unwrap(), Vec::from_iter(data));
            prop_assert_eq!(io.block_on(io.extents(3..)).unwrap(), Vec::from_iter(data));
        }
    }
}

#[test]
fn frozen_bytes_answer_questions_and_refuse_changes() {
    let io = Frozen::new(&b"0123456789"[..]);
    let blocking = io.blocking();
    assert_eq!(blocking.len().unwrap(), 10);
    blocking.sync_all().unwrap();
    blocking.prefetch(..).unwrap();
    assert_eq!(blocking.extents(2..5).unwrap()[0].span, (2..5).into());
    let kind = |result: Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(blocking.set_len(5)), ErrorKind::ReadOnly);
    assert_eq!(kind(io.block_on(io.discard(0..5))), ErrorKind::ReadOnly);
    assert_eq!(kind(blocking.shutdown()), ErrorKind::NotSupported);
    assert!(!io.capabilities().contains(ControlKind::Discard));
    assert!(io.capabilities().contains(ControlKind::SyncData));
}

#[test]
fn an_error_names_the_operation_the_range_and_the_object() {
    let io = Memory::new([1; 4]);
    let error = io
        .blocking()
        .write_zeroes(2..8, Unmap::Allowed)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "zero write of 6 bytes at offset 2 failed: unexpected end of data [memory]"
    );
    assert_eq!(io.to_vec(), [1, 1, 0, 0]);
    let error = io.block_on(io.control(ControlOp::Len)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// Supports nothing.
struct Bare;

impl IoObject for Bare {}

impl ControlIo for Bare {}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn nothing_is_supported_by_default_and_an_empty_range_succeeds() {
    assert_eq!(Bare.capabilities(), Capabilities::NONE);
    let error = now(Bare.sync_data()).unwrap_err();
    assert_eq!(error.to_string(), "data sync failed: not supported");
    assert!(now(IoControl::len(&Bare)).is_err());
    assert!(now(Bare.extents(0..9)).is_err());
    now(Bare.discard(7..7)).unwrap();
    assert!(now(Bare.extents(7..7)).unwrap().is_empty());
    let ops = [ControlOp::Discard((7..7).into()), ControlOp::Shutdown];
    let ended = now(Bare.control_batch(&ops));
    assert!(ended.result(0).is_ok() && ended.result(1).is_err());
    now((&Bare as &dyn ControlIo).prefetch(0..0)).unwrap();
}

/// Holds operations until they are released.
#[derive(Default)]
struct Holds(Mutex<Vec<(ControlOp, View<Read>)>>);

impl IoObject for Holds {}

impl ControlIo for Holds {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        self.0.lock().unwrap().push((op, view));
    }
}

#[test]
fn futures_are_lazy_and_a_dropped_one_detaches_its_operation() {
    let io = Holds::default();
    drop(io.sync_all());
    assert!(io.0.lock().unwrap().is_empty(), "it was not polled");
    let mut future = Box::pin(io.sync_all());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    drop(future);
    let (op, view) = io.0.lock().unwrap().pop().unwrap();
    assert_eq!(op, ControlOp::SyncAll);
    assert!(view.is_abandoned());
    view.done();
}

#[test]
fn operations_of_a_batch_are_in_flight_together_and_fail_each_for_itself() {
    let io = Holds::default();
    let ops = [
        ControlOp::SyncData,
        ControlOp::SetLen(3),
        ControlOp::SyncAll,
    ];
    let mut batch = pin!(io.control_batch(&ops));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(batch.as_mut().poll(&mut cx).is_pending());
    let mut held = std::mem::take(&mut *io.0.lock().unwrap());
    assert_eq!(held.len(), 3);
    let (op, last) = held.pop().unwrap();
    assert_eq!(op, ControlOp::SyncAll);
    last.done();
    held.pop().unwrap().1.fail(ErrorKind::StorageFull);
    assert!(batch.as_mut().poll(&mut cx).is_pending());
    drop(held);
    let ended = now(batch);
    let kinds = ended.results().map(|result| result.map_err(|e| e.kind()));
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [Err(ErrorKind::Dropped), Err(ErrorKind::StorageFull), Ok(())]
    );
    assert_eq!(ended.all().unwrap_err().kind(), ErrorKind::Dropped);
}

/// Alternates data and holes, a byte each, so that an answer needs many packets.
struct Striped(u64);

impl IoObject for Striped {}

impl ControlIo for Striped {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        answer_with(view, |answer| match op {
            ControlOp::Extents(span) => {
                let bytes = span.until(self.0);
                let kind = |pos| match pos % 2 {
                    0 => ExtentKind::Data,
                    _ => ExtentKind::Hole,
                };
                answer.extents(span, (bytes.start()..bytes.end()).map(|pos| (1, kind(pos))))
            }
            _ => Err(ErrorKind::NotSupported.into()),
        });
    }
}

#[test]
fn a_list_of_extents_goes_on_until_the_end_of_the_range_or_of_the_object() {
    for len in [0, 1, 255, 256, 257, 1000] {
        let all = now(Striped(len).extents(..)).unwrap();
        assert_eq!(all.len() as u64, len);
        assert!(
            all.iter()
                .zip(0..)
                .all(|(extent, at)| extent.span == (at..at + 1).into())
        );
        let some = now(Striped(len).extents(1..500)).unwrap();
        assert_eq!(some.len() as u64, len.min(500).saturating_sub(1));
    }
    assert_eq!(now(Striped(9).extent_at(9)).unwrap(), None);
    assert_eq!(now(Striped(9).extent_at(u64::MAX)).unwrap(), None);
    let hole = now(Striped(9).extent_at(3)).unwrap().unwrap();
    assert_eq!(hole.kind, ExtentKind::Hole);
}

#[test]
fn neighbours_of_one_kind_are_one_extent() {
    struct Runs;
    impl IoObject for Runs {}

    impl ControlIo for Runs {
        fn send_control(&self, op: ControlOp, view: View<Read>) {
            let span = op.span().unwrap();
            let write = |answer: &mut Answer<'_>| {
                answer.extents(span, (0..1000).map(|_| (1, ExtentKind::Zero)))
            };
            answer_with(view, write);
        }
    }
    let all = now(Runs.extents(5..700)).unwrap();
    let one = Extent {
        span: (5..700).into(),
        kind: ExtentKind::Zero,
    };
    assert_eq!(all, [one]);
}

#[test]
fn futures_are_send_in_generic_code() {
    fn assert_send(_: &impl Send) {}
    fn check<Io: ControlIo + Sync>(io: &Io) {
        assert_send(&io.sync_all());
        assert_send(&IoControl::len(io));
        assert_send(&io.extents(..));
        assert_send(&io.extent_at(0));
        assert_send(&io.control_batch(&[]));
    }
    check(&Bare);
}
