//! Layers that keep requests are for what has no positions, too.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{NoPos, PacketIo, Read, Write};
use mfio::packet::{Packet, View};
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Limit, Limits, Mirror, Retry, RetryPolicy, Rule, Timeout, TimeoutLimits};
use std::sync::Mutex;
use std::time::Duration;

/// What was written can be read, in its order.
#[derive(Default)]
struct Pipe(Mutex<Vec<u8>>);

impl PacketIo<Read, NoPos> for Pipe {
    fn send_io(&self, _: NoPos, mut view: View<Read>) {
        let mut bytes = self.0.lock().unwrap();
        let good = view.len().min(bytes.len());
        for (to, from) in view.bytes_mut().iter_mut().zip(bytes.drain(..good)) {
            *to = from;
        }
        drop(bytes);
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }
}

impl PacketIo<Write, NoPos> for Pipe {
    fn send_io(&self, _: NoPos, view: View<Write>) {
        self.0.lock().unwrap().extend_from_slice(view.bytes());
        view.done();
    }
}

#[test]
fn a_pipe_under_all_of_them() {
    let fault: Fault<_, NoPos> =
        Fault::new(Pipe::default(), [Rule::fail(ErrorKind::Busy).every(3)]);
    let faults = fault.handle();
    let retry: Retry<_, NoPos> = Retry::new(fault, RetryPolicy::new(2));
    let limits = Limits {
        operations: 1,
        bytes: 3,
        ..Limits::default()
    };
    let limit: Limit<_, NoPos> = Limit::new(retry, limits);
    let chunks = TimeoutLimits {
        chunk: 5,
        ..TimeoutLimits::default()
    };
    let second = Duration::from_secs(1);
    let timeout = Timeout::with_limits(limit, second, ManualClock::new(), chunks);
    let io: Mirror<_, NoPos> = Mirror::new([timeout]).unwrap();

    let (in_flight, view) = Packet::new(b"0123456789abcdef".to_vec()).start::<Write>();
    io.send_io(NoPos, view);
    assert!(objects::ended(in_flight).outcome.is_success());
    let (in_flight, view) = Packet::new(vec![0; 16]).start::<Read>();
    io.send_io(NoPos, view);
    let ended = objects::ended(in_flight);
    assert!(ended.outcome.is_success());
    assert_eq!(ended.packet.buffer(), b"0123456789abcdef");
    assert!(faults.hits(0) > 3);
}
