//! Control operations through layers that route allocate nothing, once there has been one.

#[path = "common/counting.rs"]
mod counting;

use counting::COUNT;
use mfio::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Unmap, answer_with,
};
use mfio::io::{IoObject, Read};
use mfio::packet::{Packet, View};
use mfio_layers::{Concat, Mirror, Offset, Remap, Stripe, Window};

/// Succeeds.
struct Willing;

impl IoObject for Willing {}

impl ControlIo for Willing {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        answer_with(view, |answer| match op {
            ControlOp::Len => answer.len(1 << 20),
            ControlOp::Extents(span) => {
                answer.extents(span, (0..).map(|_| (1000, ExtentKind::Data)))
            }
            _ => Ok(()),
        });
    }

    fn capabilities(&self) -> Capabilities {
        ControlKind::ALL.iter().copied().collect()
    }
}

/// Returns how many allocations a hundred operations need, after the first ones.
fn allocations(io: &impl ControlIo, op: ControlOp, len: usize) -> usize {
    let mut packet = Some(Packet::new(vec![0; len]));
    let mut before = 0;
    for n in 0..103 {
        if n == 3 {
            before = COUNT.get();
        }
        let (in_flight, view) = packet.take().unwrap().start::<Read>();
        io.send_control(op, view);
        let ended = in_flight.try_end().expect("it ended at once");
        assert!(ended.outcome.is_success());
        packet = Some(ended.packet);
    }
    COUNT.get() - before
}

fn none_allocates(io: &impl ControlIo) {
    let span = (10..500_000).into();
    for op in [
        ControlOp::SyncAll,
        ControlOp::Discard(span),
        ControlOp::WriteZeroes(span, Unmap::Allowed),
        ControlOp::Prefetch(span),
    ] {
        assert_eq!(allocations(io, op, 1), 0, "{op:?}");
    }
    assert_eq!(allocations(io, ControlOp::Len, Answer::LEN), 0);
    let extents = ControlOp::Extents(span);
    assert_eq!(allocations(io, extents, 64 * Answer::EXTENT), 0);
}

#[test]
fn operations_that_go_to_several_objects_reuse_their_memory() {
    let stripe = || Stripe::new([Willing, Willing, Willing], 4096).unwrap();
    none_allocates(&stripe());
    let concat = Concat::new([(stripe(), 1 << 18), (stripe(), 1 << 18)]).unwrap();
    none_allocates(&concat);
    none_allocates(&Window::new(Offset::new(concat, 0), 0, 1 << 19));

    let mut remap = Remap::<_, u64, u64>::new(Willing);
    remap.map(0..1 << 18, 7).unwrap();
    remap.map(1 << 18..1 << 19, 3).unwrap();
    for op in [ControlOp::SyncAll, ControlOp::Allocate((5..400_000).into())] {
        assert_eq!(allocations(&remap, op, 1), 0, "{op:?}");
    }
}

#[test]
fn operations_that_go_to_all_replicas_reuse_their_memory() {
    none_allocates(&Mirror::<_>::new([Willing, Willing]).unwrap());
}

#[test]
fn lengths_of_parts_share_their_memory() {
    none_allocates(&Offset::new(Window::new(Willing, 1 << 10, 1 << 20), 3));
}
