//! Layers and futures that go while requests are under way: nobody waits for ever, and nothing is
//! lost count of.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::Packet;
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    Fault, FaultHandle, Limit, Limits, Mirror, Retry, RetryPolicy, Rule, Timeout, WritePolicy,
};
use objects::{Bytes, ended, failures, read, send, write};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn one_at_a_time() -> Limits {
    Limits {
        operations: 1,
        ..Limits::default()
    }
}

/// `Memory` that nobody drives keeps its requests, and those keep what the layer needs to go on. If
/// that kept the object too, neither would ever go.
fn goes<Io: PacketIo<Read> + PacketIo<Write>>(layer: impl FnOnce(Arc<Memory>) -> Io) {
    let memory = Arc::new(Memory::new(vec![7; 4]));
    let kept = Arc::downgrade(&memory);
    let io = layer(memory);
    let requests = [(); 3].map(|()| send::<Read>(&io, 0, [0; 4]));
    let written = send::<Write>(&io, 0, [0; 4]);
    drop(io);
    assert!(kept.upgrade().is_none(), "the object has gone");
    for request in requests {
        assert_eq!(failures(&ended(request)), [(0, 4, ErrorKind::Dropped)]);
    }
    assert_eq!(failures(&ended(written)), [(0, 4, ErrorKind::Dropped)]);
}

#[test]
fn hazard_a_layer_that_is_kept_by_its_own_requests() {
    goes(|io| Retry::new(io, RetryPolicy::new(3).when(|_| true)));
    goes(|io| Fault::new(io, [Rule::hold().nth(2)]));
    goes(|io| Limit::new(io, Limits::default()));
    goes(|io| Limit::new(io, one_at_a_time()));
    goes(|io| Mirror::new([io.clone(), io]).unwrap());
    let clock = ManualClock::new();
    goes(|io| Timeout::new(io, SECOND, clock.clone()));
    clock.advance(2 * SECOND);
    goes(|io| {
        let limit: Limit<_> = Limit::new(io, one_at_a_time());
        let timeout = Timeout::new(limit, SECOND, clock.clone());
        let retry: Retry<_> = Retry::new(timeout, RetryPolicy::new(3).when(|_| true));
        Mirror::new([Arc::new(retry)]).unwrap()
    });
}

/// As `mem::forget`, but reachable, so that checkers of leaks know it is meant.
fn forever<T: Send + 'static>(value: T) {
    static KEPT: Mutex<Vec<Box<dyn Send>>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(Box::new(value));
}

/// Sends a read and a write, polls their futures so often, and gives them up in one way or the
/// other; then lets go on what is held.
fn give_up<Io>(io: &Arc<Io>, handle: &FaultHandle, clock: &ManualClock, polls: usize, forget: bool)
where
    Io: PacketIo<Read> + PacketIo<Write> + Send + Sync + 'static,
{
    let (reader, writer) = (io.clone(), io.clone());
    let futures: [Pin<Box<dyn Future<Output = ()> + Send>>; 2] = [
        Box::pin(async move { drop(reader.read_packet_at(Packet::new([0; 4]), 0).await) }),
        Box::pin(async move { drop(writer.write_packet_at(Packet::new([1; 4]), 4).await) }),
    ];
    let mut cx = Context::from_waker(Waker::noop());
    for mut future in futures {
        for step in 0..polls {
            if future.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            // Half of them are given up while they are held, the others when they have ended.
            if step == 1 {
                while handle.release() {}
                clock.advance(SECOND / 10);
            }
        }
        if forget {
            forever(future);
        }
    }
    clock.advance(SECOND / 10);
    while handle.release() {}
}

/// Gives requests up at every point. What is left of the layer must be as good as new.
fn given_up<Io>(layer: impl Fn(Fault<Bytes>, ManualClock) -> Io, check: impl Fn(&Io))
where
    Io: PacketIo<Read> + PacketIo<Write> + Send + Sync + 'static,
{
    for polls in 0..4 {
        for forget in [false, true] {
            let clock = ManualClock::new();
            let rules = [Rule::hold(), Rule::fail(ErrorKind::Busy)];
            let below = Fault::with_clock(Bytes::new([7; 8]), rules, clock.clone());
            let handle = below.handle();
            let io = Arc::new(layer(below, clock.clone()));
            for _ in 0..3 {
                give_up(&io, &handle, &clock, polls, forget);
            }
            // The layer still works.
            let asked = send::<Read>(&*io, 0, [0; 8]);
            while handle.release() {}
            clock.advance(SECOND / 10);
            while handle.release() {}
            assert!(ended(asked).outcome.is_success(), "after {polls} polls");
            check(&io);
        }
    }
}

#[test]
fn requests_abandoned_at_any_point_leave_nothing_behind() {
    let retries = |clock: ManualClock| RetryPolicy::new(3).backoff(clock, SECOND / 20, SECOND / 20);
    given_up(
        |io, clock| Retry::new(io, retries(clock)),
        |_: &Retry<_>| {},
    );
    given_up(
        |io, _| Limit::new(io, one_at_a_time()),
        |limit: &Limit<_>| assert_eq!((limit.in_flight(), limit.waiting()), ((0, 0), 0)),
    );
    given_up(
        |io, clock| Timeout::new(io, 5 * SECOND, clock),
        |timeout: &Timeout<_>| assert_eq!((timeout.overdue(), timeout.timed_out()), (0, 0)),
    );
    given_up(
        |io, _| Mirror::with_policy([Arc::new(io)], WritePolicy::Any).unwrap(),
        |mirror: &Mirror<_>| assert!(!mirror.is_stale(0)),
    );
}

#[test]
fn layers_on_layers_share_nothing() {
    let limited = |n| Arc::new(Limit::<_>::new(Bytes::new([n; 4]), one_at_a_time()));
    let io: Mirror<_> = Mirror::new([limited(1), limited(1)]).unwrap();
    for round in 0..10 {
        assert!(write(&io, 0, &[round; 4]).outcome.is_success());
        assert_eq!(read(&io, 0, 4).packet.buffer(), [round; 4]);
    }
}
