//! Writes of a mirror that wait for each other allocate nothing, once there has been as much to
//! remember.

#[path = "common/counting.rs"]
mod counting;

use counting::{COUNT, Sink};
use mfio::io::{IoObject, PacketIo, Write};
use mfio::packet::{InFlight, Packet, View};
use mfio_layers::Mirror;
use std::sync::{Arc, Mutex};

/// Keeps the first write that it is sent, until it is told to end it.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<View<Write>>>>);

impl IoObject for Keeper {}

impl PacketIo<Write> for Keeper {
    fn send_io(&self, pos: u64, view: View<Write>) {
        if pos == 0 {
            self.0.lock().unwrap().push(view);
        } else {
            Sink.send_io(pos, view);
        }
    }
}

const WRITES: usize = 50;

fn round(
    io: &Mirror<Keeper>,
    keepers: &[Keeper],
    packets: &mut Vec<Packet<Vec<u8>>>,
    on_their_way: &mut Vec<InFlight<Vec<u8>, Write>>,
) {
    for (n, packet) in packets.drain(..).enumerate() {
        let (in_flight, view) = packet.start::<Write>();
        // The first is kept. The others overlap it, and each other here and there.
        io.send_io((n * 7 % WRITES) as u64, view);
        on_their_way.push(in_flight);
    }
    assert!(io.waiting() > 0);
    for keeper in keepers {
        // The lock is released at the end of this line.
        let kept = keeper.0.lock().unwrap().pop();
        kept.expect("the first write").done();
    }
    for in_flight in on_their_way.drain(..) {
        packets.push(in_flight.try_end().expect("it has ended").packet);
    }
    assert_eq!(io.waiting(), 0);
}

#[test]
fn writes_that_wait_for_each_other_allocate_nothing_once_they_are_warm() {
    let keepers = [Keeper::default(), Keeper::default()];
    let io = Mirror::new(keepers.clone()).unwrap();
    let mut packets: Vec<_> = (0..WRITES).map(|n| Packet::new(vec![0; 20 + n])).collect();
    let mut on_their_way = Vec::with_capacity(WRITES);
    for _ in 0..3 {
        round(&io, &keepers, &mut packets, &mut on_their_way);
    }
    let before = COUNT.get();
    for _ in 0..100 {
        round(&io, &keepers, &mut packets, &mut on_their_way);
    }
    assert_eq!(COUNT.get() - before, 0);
}
