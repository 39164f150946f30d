//! Control operations of `Overlay`: a test for each line of the table in its documentation. The
//! base has none, so that none can reach it.
#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges")]

#[path = "common/objects.rs"]
mod objects;

use mfio::control::{Answer, answer_with};
use mfio::control::{
    Capabilities, ControlIo, ControlKind, ControlOp, Extent, ExtentKind, Span, Unmap,
};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::{InFlight, Packet, View};
use mfio::poller::block_on;
use mfio::traits::{HasLen, IoControl};
use mfio_layers::{Fault, Overlay, Rule};
use objects::{Bytes, failures, read, send, write};
use std::sync::{Arc, Mutex};

const GRANULE: usize = 16;

/// Bytes, and a log of the control operations.
#[derive(Clone)]
struct Top {
    bytes: Bytes,
    log: Arc<Mutex<Vec<ControlOp>>>,
    supported: Capabilities,
}

impl Top {
    fn new(len: usize) -> Self {
        Self {
            bytes: Bytes::new(vec![9; len]),
            log: Arc::default(),
            supported: ControlKind::ALL.iter().copied().collect(),
        }
    }

    fn log(&self) -> Vec<ControlOp> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl IoObject for Top {}

impl PacketIo<Read> for Top {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.bytes.send_io(pos, view);
    }
}

impl PacketIo<Write> for Top {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.bytes.send_io(pos, view);
    }
}

impl ControlIo for Top {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        answer_with(view, |answer| self.control_blocking(op, answer).unwrap());
    }

    fn capabilities(&self) -> Capabilities {
        self.supported
    }

    fn control_blocking(&self, op: ControlOp, _: &mut Answer<'_>) -> Option<Result<(), Cause>> {
        self.log.lock().unwrap().push(op);
        if let ControlOp::Discard(span) = op {
            let mut bytes = self.bytes.bytes.lock().unwrap();
            bytes[span.start() as usize..span.end() as usize].fill(99);
        }
        Some(Ok(()))
    }
}

type Io = Overlay<Bytes, Top>;

/// An overlay of so many bytes, the second granule of which is in the top.
fn overlay(len: usize) -> (Io, Top) {
    let top = Top::new(len);
    let base = Bytes::new(vec![7; len]);
    let io = Io::with_present(base, top.clone(), len as u64, GRANULE, Some(16..32)).unwrap();
    (io, top)
}

/// Carries out an operation in both forms, each on an overlay of its own.
fn both(len: usize, op: ControlOp, check: impl Fn(&Io, &Top, Result<(), ErrorKind>)) {
    let (io, top) = overlay(len);
    let result = block_on(io.control(op)).map_err(|error| error.kind());
    check(&io, &top, result);
    let (io, top) = overlay(len);
    if let Some(result) = io.control_blocking(op, &mut Answer::new(&mut [0])) {
        check(&io, &top, result.map_err(|cause| cause.kind()));
    }
}

fn shown(io: &Io) -> Vec<u8> {
    let len = io.len() as usize;
    let ended = read(io, 0, len);
    assert_eq!(failures(&ended), []);
    ended.packet.buffer().to_vec()
}

#[test]
fn syncs_allocations_and_prefetches_go_to_the_top() {
    let span = Span::from(5..20);
    for (op, below) in [
        (ControlOp::SyncData, ControlOp::SyncData),
        (ControlOp::SyncAll, ControlOp::SyncAll),
        (ControlOp::Prefetch(span), ControlOp::Prefetch(span)),
        (
            ControlOp::Allocate(span),
            ControlOp::Allocate((0..32).into()),
        ),
        (
            ControlOp::Allocate((40..50).into()),
            ControlOp::Allocate((32..50).into()),
        ),
    ] {
        both(50, op, |_, top, result| {
            assert_eq!((result, top.log()), (Ok(()), vec![below]), "{op:?}");
        });
    }
    let beyond = ControlOp::Allocate((40..51).into());
    both(50, beyond, |_, _, result| {
        assert_eq!(result, Err(ErrorKind::UnexpectedEof))
    });
}

#[test]
fn a_length_is_that_which_was_given() {
    let (io, top) = overlay(50);
    let control: &dyn ControlIo = &io;
    assert_eq!(block_on(control.len()).unwrap(), 50);
    assert_eq!(block_on(io.io_len()).unwrap(), 50);
    assert_eq!(top.log(), []);
}

#[test]
fn other_operations_are_not_supported() {
    for op in [ControlOp::SetLen(5), ControlOp::Shutdown] {
        both(50, op, |_, _, result| {
            assert_eq!(result, Err(ErrorKind::NotSupported))
        });
    }
    let top = Top {
        supported: Capabilities::NONE,
        ..Top::new(50)
    };
    let io = Io::new(Bytes::new(vec![7; 50]), top, 50, GRANULE).unwrap();
    assert_eq!(
        block_on(io.sync_all()).unwrap_err().kind(),
        ErrorKind::NotSupported
    );
    assert_eq!(io.capabilities().iter().count(), 4);
    // It needs no help for these.
    block_on(io.discard(..)).unwrap();
    assert_eq!(shown(&io), [0; 50]);
}

#[test]
fn zeros_are_noted_and_edges_are_written() {
    for (range, zeros, present) in [
        (0..16, vec![0..16], vec![16..32]),
        (0..50, vec![0..50], vec![]),
        (16..48, vec![16..48], vec![]),
        (5..50, vec![16..50], vec![0..16]),
        (16..40, vec![16..32], vec![32..48]),
        (20..24, vec![], vec![16..32]),
        (10..20, vec![], vec![0..32]),
        (47..49, vec![], vec![16..50]),
        (48..50, vec![48..50], vec![16..32]),
    ] {
        for unmap in [Unmap::Allowed, Unmap::Forbidden] {
            let op = ControlOp::WriteZeroes(range.clone().into(), unmap);
            both(50, op, |io, top, result| {
                assert_eq!((result, top.log()), (Ok(()), vec![]), "{range:?}");
                assert_eq!(io.zeros(), zeros, "{range:?}");
                assert_eq!(io.present(), present, "{range:?}");
                let mut expected = [&[7; 16][..], &[9; 16], &[7; 18]].concat();
                expected[range.start as usize..range.end as usize].fill(0);
                assert_eq!(shown(io), expected, "{range:?}");
                assert_eq!(io.base().to_vec(), [7; 50]);
            });
        }
    }
    let beyond = ControlOp::WriteZeroes((40..51).into(), Unmap::Allowed);
    both(50, beyond, |io, _, result| {
        assert_eq!(
            (result, io.zeros()),
            (Err(ErrorKind::UnexpectedEof), vec![])
        );
    });
}

#[test]
fn discards_note_whole_granules_and_discard_them_in_the_top() {
    both(50, ControlOp::Discard((5..50).into()), |io, top, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(top.log(), [ControlOp::Discard((16..50).into())]);
        assert_eq!((io.zeros(), io.present()), (vec![16..50], vec![]));
        assert_eq!(shown(io), [&[7; 16][..], &[0; 34]].concat());
    });
    both(50, ControlOp::Discard((5..30).into()), |io, top, result| {
        assert_eq!((result, top.log(), io.zeros()), (Ok(()), vec![], vec![]));
    });
    both(
        50,
        ControlOp::Discard((100..200).into()),
        |io, top, result| {
            assert_eq!((result, top.log(), io.zeros()), (Ok(()), vec![], vec![]));
        },
    );
}

#[test]
fn extents_are_holes_where_there_are_zeros() {
    let (io, top) = overlay(80);
    block_on(io.discard(32..64)).unwrap();
    top.log();
    let extent = |range: std::ops::Range<u64>, kind| Extent {
        span: range.into(),
        kind,
    };
    use ExtentKind::{Data, Hole};
    let found = block_on(io.extents(5..200)).unwrap();
    assert_eq!(
        found,
        [
            extent(5..32, Data),
            extent(32..64, Hole),
            extent(64..80, Data)
        ]
    );
    assert_eq!(
        block_on(io.extent_at(40)).unwrap(),
        Some(extent(40..64, Hole))
    );
    assert_eq!(block_on(io.extent_at(80)).unwrap(), None);
    assert_eq!(top.log(), []);
}

#[test]
fn granules_that_are_zero_are_written_and_read_without_the_base() {
    let (io, top) = overlay(50);
    block_on(io.write_zeroes(.., Unmap::Allowed)).unwrap_err();
    block_on(io.write_zeroes(0..50, Unmap::Allowed)).unwrap();
    assert_eq!(failures(&write(&io, 20, &[1; 4])), []);
    assert_eq!(failures(&write(&io, 32, &[2; 18])), []);
    assert_eq!(io.base().log(), []);
    assert_eq!((io.zeros(), io.present()), (vec![0..16], vec![16..50]));
    let expected = [&[0; 20][..], &[1; 4], &[0; 8], &[2; 18]].concat();
    assert_eq!(shown(&io), expected);
    assert_eq!(top.bytes.to_vec()[16..], expected[16..]);
    let mut blocking = [5; 10];
    let read = PacketIo::<Read>::transfer_blocking(&io, 3, &mut blocking);
    assert_eq!((read, blocking), (Some(Ok(10)), [0; 10]));

    let next = Io::with_present(io.base().clone(), top, 50, GRANULE, io.present()).unwrap();
    let next = next.with_zeros(io.zeros()).unwrap();
    assert_eq!(shown(&next), expected);
    for wrong in [1..16, 0..5, 48..100] {
        let (io, _) = overlay(50);
        assert_eq!(
            io.with_zeros([wrong]).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
}

#[test]
fn a_granule_that_is_copied_up_meanwhile_stays_zero() {
    let fault = Fault::new(Bytes::new(vec![7; 50]), [Rule::hold()]);
    let handle = fault.handle();
    let top = Top::new(50);
    let io: Overlay<_, _> = Overlay::new(fault, top, 50, GRANULE).unwrap();
    let writes = [send::<Write>(&io, 3, [1; 4]), send::<Write>(&io, 5, [2; 4])];
    block_on(io.write_zeroes(0..16, Unmap::Allowed)).unwrap();
    assert_eq!(read(&io, 0, 16).packet.buffer(), &[0; 16]);
    handle.release_all();
    for write in writes {
        assert_eq!(failures(&objects::ended(write)), []);
    }
    // The second one waited for the first, and may be the later one.
    let expected = [&[0; 5][..], &[2; 4], &[0; 7]].concat();
    assert_eq!(read(&io, 0, 16).packet.buffer(), &expected);
}

#[test]
fn a_failure_of_an_edge_fails_the_operation() {
    let top = Fault::new(
        Bytes::new(vec![9; 50]),
        [Rule::fail(ErrorKind::Busy).times(1)],
    );
    let io: Overlay<_, _> =
        Overlay::new(Bytes::new(vec![7; 50]), Failing(top), 50, GRANULE).unwrap();
    let zeroes = |span: Span| -> InFlight<[u8; 1], Read> {
        let (in_flight, view) = Packet::new([0]).start::<Read>();
        io.send_control(ControlOp::WriteZeroes(span, Unmap::Allowed), view);
        in_flight
    };
    let failed = zeroes((3..40).into())
        .try_end()
        .unwrap()
        .outcome
        .first_error();
    assert_eq!(failed, Some(ErrorKind::Busy.into()));
    assert!(
        zeroes((3..40).into())
            .try_end()
            .unwrap()
            .outcome
            .is_success()
    );
    let expected = [&[7; 3][..], &[0; 37], &[7; 10]].concat();
    assert_eq!(read(&io, 0, 50).packet.buffer(), &expected);
}

/// An object without control operations.
struct Failing(Fault<Bytes>);

impl IoObject for Failing {}

impl PacketIo<Read> for Failing {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.0.inner().send_io(pos, view);
    }
}

impl PacketIo<Write> for Failing {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.0.send_io(pos, view);
    }
}

impl ControlIo for Failing {}
