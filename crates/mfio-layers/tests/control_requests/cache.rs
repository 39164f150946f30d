//! `Cache`: operations that change bytes invalidate blocks.

use super::asked::{Asked, FORMS, all, ask, ask_as, ended, is_question, passes_all, send};
use super::objects::{self, ended as moved, read};
use mfio::backend::IoBackend;
use mfio::control::{ControlOp, Unmap};
use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read};
use mfio::prelude::*;
use mfio_layers::{Cache, Fault, Rule};

/// Size of a block, in bytes.
const BLOCK: usize = 16;
/// Number of blocks that are read before each operation.
const BLOCKS: u64 = 4;

#[test]
fn a_cache_passes_every_operation_on() {
    let (below, io) = Asked::new();
    let io = Cache::new(io, 4096, BLOCK).unwrap();
    passes_all(&io, &below);
}

/// Reads all blocks. Returns those that were not cached.
fn fill(io: &Cache<impl PacketIo<Read> + IoBackend>) -> Vec<u64> {
    let block = |number: &u64| {
        let before = io.stats().misses;
        io.block_on(io.read_vec_at(number * BLOCK as u64, BLOCK))
            .unwrap();
        io.stats().misses > before
    };
    (0..BLOCKS).filter(block).collect()
}

/// Returns the blocks that the documentation says an operation invalidates.
fn touched(op: ControlOp) -> Vec<u64> {
    let is_touched = |number: &u64| {
        let (start, end) = (number * BLOCK as u64, (number + 1) * BLOCK as u64);
        match op {
            ControlOp::Discard(span) | ControlOp::WriteZeroes(span, _) => {
                span.start().max(start) < span.end().min(end)
            }
            ControlOp::SetLen(len) => len < end,
            _ => false,
        }
    };
    (0..BLOCKS).filter(is_touched).collect()
}

/// The operations of each kind, at several places.
fn places() -> Vec<ControlOp> {
    let spans = [
        0..16,
        15..17,
        16..48,
        20..21,
        40..90,
        7..7,
        200..300,
        0..u64::MAX,
    ];
    let mut ops = all().to_vec();
    for span in spans {
        let span = span.into();
        ops.push(ControlOp::Discard(span));
        ops.push(ControlOp::WriteZeroes(span, Unmap::Forbidden));
        ops.push(ControlOp::Allocate(span));
        ops.push(ControlOp::Prefetch(span));
        ops.push(ControlOp::SetLen(span.start()));
        ops.push(ControlOp::SetLen(span.end()));
    }
    ops
}

#[test]
fn operations_that_change_bytes_invalidate_their_blocks_and_no_others() {
    for op in places() {
        for fails in [false, true] {
            let (below, io) = Asked::new();
            let io = Cache::new(io, 4096, BLOCK).unwrap();
            assert_eq!(fill(&io), [0, 1, 2, 3]);
            assert!(fill(&io).is_empty());
            below.fail_next(fails.then_some(ErrorKind::StorageFull));
            assert_eq!(ask(&io, op).is_err(), fails);
            let is_flush = matches!(op, ControlOp::SyncData | ControlOp::SyncAll);
            let lost = (0..BLOCKS).filter(|_| fails && is_flush);
            let expected: Vec<_> = touched(op).into_iter().chain(lost).collect();
            assert_eq!(fill(&io), expected, "{op:?}");
            assert!(fill(&io).is_empty());
        }
        let (below, io) = Asked::new();
        let io = Cache::new(io, 4096, BLOCK).unwrap();
        fill(&io);
        below.unsupport(Some(op.kind()));
        assert!(ask(&io, op).is_err() || op.is_empty());
        assert_eq!(fill(&io), touched(op), "{op:?} is not supported");
    }
}

#[test]
fn blocking_operations_invalidate_too() {
    for op in places() {
        let io = Cache::new(mfio::memory::Memory::new(vec![1; 64]), 4096, BLOCK).unwrap();
        fill(&io);
        let long = matches!(op, ControlOp::SetLen(len) if len > 1000);
        if !is_question(op) && !long {
            // It fails where it is beyond the end, or not supported.
            let _ = io.blocking().control(op);
        }
        io.blocking().set_len(64).unwrap();
        let expected = if long { vec![] } else { touched(op) };
        assert_eq!(fill(&io), expected, "{op:?}");
    }
}

#[test]
fn a_blocking_flush_that_fails_invalidates_all_blocks() {
    for op in [ControlOp::SyncData, ControlOp::SyncAll] {
        for form in FORMS {
            let (below, io) = Asked::new();
            let io = Cache::new(io, 4096, BLOCK).unwrap();
            fill(&io);
            assert_eq!(ask_as(&io, &below, form, op), Ok(vec![]));
            below.unsupport(Some(op.kind()));
            assert_eq!(ask_as(&io, &below, form, op), Err(ErrorKind::NotSupported));
            assert!(fill(&io).is_empty());
            below.fail_next([ErrorKind::Other]);
            assert_eq!(ask_as(&io, &below, form, op), Err(ErrorKind::Other));
            assert_eq!(fill(&io), [0, 1, 2, 3], "{form:?}");
        }
    }
}

#[test]
fn blocks_that_are_fetched_during_an_operation_are_not_kept() {
    for op in places().into_iter().filter(|op| !touched(*op).is_empty()) {
        let (below, io) = Asked::new();
        let io = Cache::new(io, 4096, BLOCK).unwrap();
        fill(&io);
        below.hold(true);
        let asked = send(&io, op);
        assert_eq!(fill(&io), touched(op), "before it is sent");
        assert!(fill(&io).is_empty());
        below.hold(false);
        assert!(below.release());
        assert_eq!(ended(op, asked), Ok(vec![]));
        assert_eq!(fill(&io), touched(op), "when it ends");

        // Where the future is dropped, too.
        below.hold(true);
        drop(send(&io, op));
        fill(&io);
        below.hold(false);
        assert!(below.release());
        assert_eq!(fill(&io), touched(op), "when it ends unseen");
    }
}

#[test]
fn a_fetch_in_flight_serves_its_waiters_and_is_not_joined_afterwards() {
    for op in places().into_iter().filter(|op| touched(*op).contains(&1)) {
        let (_, io) = Asked::new();
        let fault = Fault::<_, u64>::new(io, [Rule::hold().reads().nth(1)]);
        let handle = fault.handle();
        let io = Cache::new(fault, 4096, BLOCK).unwrap();
        let early = objects::send::<Read>(&io, 16, [0; 16]);
        assert_eq!(ask(&io, op), Ok(vec![]));
        assert!(
            read(&io, 16, 16).outcome.is_success(),
            "it has its own fetch"
        );
        assert!(handle.release());
        assert!(moved(early).outcome.is_success());
        assert_eq!(io.stats().coalesced, 0);
        assert!(read(&io, 16, 16).outcome.is_success());
        assert_eq!(io.stats().misses, 2, "the later fetch is kept");
    }
}

/// The fetch of the last block began before the object grew: a read that begins afterwards must not
/// find the old end.
#[test]
fn a_resize_ends_the_fetches_of_blocks_before_the_new_end() {
    let memory = mfio::memory::Memory::new(vec![1; 20]);
    let fault = Fault::<_, u64>::new(memory, [Rule::hold().reads().nth(1)]);
    let handle = fault.handle();
    let io = Cache::new(fault, 4096, BLOCK).unwrap();
    let early = objects::send::<Read>(&io, 16, [9; 4]);
    assert_eq!(ask(&io, ControlOp::SetLen(100)), Ok(vec![]));
    let late = objects::send::<Read>(&io, 16, [9; 16]);
    let stats = io.stats();
    assert_eq!((stats.misses, stats.coalesced), (2, 0));
    assert!(handle.release());
    let grown = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(io.block_on(late).packet.buffer()[..], grown);
    assert_eq!(io.block_on(early).packet.buffer()[..], [1; 4]);
}
