//! Layers that keep requests are for what has no positions, too.

#[path = "common/objects.rs"]
mod objects;
#[path = "../../mfio-rt/tests/common/mod.rs"]
mod runtimes;

use mfio::backend::{IoBackend, IoBackendExt};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, NoPos, PacketIo, Read, Write};
use mfio::memory::pipe;
use mfio::packet::{Packet, View};
use mfio::traits::{IoWrite, StreamRead, StreamWrite};
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Limit, Limits, Mirror, Retry, RetryPolicy, Rule, Timeout, TimeoutLimits};
use mfio_rt::native::File;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Writes can be read back, in their order.
#[derive(Default)]
struct Pipe(Mutex<Vec<u8>>);

impl IoObject for Pipe {}

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
    let timeout = Timeout::with_limits(limit, SECOND, ManualClock::new(), chunks);
    let io: Mirror<_, NoPos> = Mirror::new([timeout]).unwrap();

    let (in_flight, view) = Packet::new(b"0123456789abcdef".to_vec()).start::<Write>();
    io.send_io(NoPos, view);
    assert!(objects::ended(in_flight).outcome.is_success());
    let mut bytes = [0; 16];
    smol::block_on(io.read_exact(&mut bytes)).unwrap();
    assert_eq!(&bytes, b"0123456789abcdef");
    assert!(faults.hits(0) > 3);
}

/// Has a read sent, all the way, and does not wait for its end.
fn begin<Io: IoBackend>(io: &Io, read: &mut (impl Future + Unpin)) {
    // What was sent is submitted before `block_on` returns.
    io.block_on(poll_fn(|cx| {
        assert!(Pin::new(&mut *read).poll(cx).is_pending());
        Poll::Ready(())
    }));
}

/// A read that is given up before anything is there, by its user or for its time, and one more,
/// during which it comes.
fn read_twice<Io>(stream: Io, times_out: bool, come: impl FnOnce())
where
    Io: PacketIo<Read, NoPos> + IoBackend + Send + Sync + 'static,
{
    let clock = ManualClock::new();
    let io = Timeout::new(stream, SECOND, clock.clone());
    let (mut first, mut second) = ([0; 8], [0; 8]);
    let mut late = Box::pin(io.read(&mut first));
    begin(&io, &mut late);
    if times_out {
        clock.advance(2 * SECOND);
        let late = io.block_on(late);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    } else {
        drop(late);
    }
    let mut read = Box::pin(io.read(&mut second));
    begin(&io, &mut read);
    come();
    assert_eq!(io.block_on(read).unwrap(), 4);
    assert_eq!(&second[..4], b"late");
    assert_eq!(io.timed_out(), u64::from(times_out));
    // The driver may report the end of what was given up after the end of what came later.
    io.block_on(poll_fn(|cx| match io.overdue() {
        0 => Poll::Ready(()),
        _ => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }));
}

#[test]
fn hazard_an_abandoned_read_takes_the_bytes_of_a_later_one() {
    for times_out in [true, false] {
        let (reads, writes) = pipe(64);
        read_twice(reads, times_out, || {
            let (in_flight, view) = Packet::new(*b"late").start::<Write>();
            writes.send_io(NoPos, view);
            assert!(writes.block_on(in_flight).outcome.is_success());
        });
        for rt in runtimes::runtimes() {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let stream = File::from_owned_fd(&rt, ours.into()).into_stream().unwrap();
            read_twice(stream, times_out, || theirs.write_all(b"late").unwrap());
        }
    }
}

#[test]
fn requests_queued_at_a_limit_are_not_sent_once_timed_out() {
    let below = objects::Bytes::new([7; 16]);
    let fault = Fault::new(below.clone(), [Rule::hold()]);
    let handle = fault.handle();
    let one = Limits {
        operations: 1,
        ..Limits::default()
    };
    let clock = ManualClock::new();
    let limit: Limit<_> = Limit::new(fault, one);
    let io = Timeout::new(limit, SECOND, clock.clone());
    let reads = [0, 8].map(|pos| objects::send::<Read>(&io, pos, [0; 4]));
    clock.advance(2 * SECOND);
    for read in reads {
        let read = objects::ended(read);
        assert_eq!(objects::failures(&read), [(0, 4, ErrorKind::TimedOut)]);
    }
    assert!(handle.release());
    assert_eq!((io.overdue(), io.inner().waiting()), (0, 0));
    assert_eq!(
        below.log(),
        [(true, 0, 4)],
        "the second one is nobody's any more"
    );
    // What comes later in the same memory is wanted.
    let reads = [0, 8].map(|pos| objects::send::<Read>(&io, pos, [0; 4]));
    assert!(handle.release() && handle.release());
    for read in reads {
        assert_eq!(objects::ended(read).packet.buffer(), [7; 4]);
    }
}

#[test]
fn hazard_an_abandoned_write_reaches_one_replica_only() {
    let [left, right] = [(); 2].map(|()| objects::Bytes::new([0; 16]));
    let one = Limits {
        operations: 1,
        ..Limits::default()
    };
    let slow = Fault::new(left.clone(), [Rule::hold()]);
    let quick = Fault::new(right.clone(), []);
    let handle = slow.handle();
    let limits = [slow, quick].map(|below| Limit::<_>::new(below, one));
    let clock = ManualClock::new();
    let mirror: Mirror<_> = Mirror::new(limits).unwrap();
    let io = Timeout::new(mirror, SECOND, clock.clone());
    let writes = [0, 8].map(|pos| objects::send::<Write>(&io, pos, [7; 4]));
    clock.advance(2 * SECOND);
    for write in writes {
        assert_eq!(objects::failures(&objects::ended(write)).len(), 1);
    }
    while handle.release() {}
    assert_eq!(left.to_vec(), right.to_vec());
    assert_eq!(left.to_vec()[8..12], [7; 4], "what was sent is carried out");
}

#[test]
fn hazard_a_long_write_to_a_stream_whose_parts_overtake_each_other() {
    let sent: Vec<u8> = (0..4 << 20).map(|n| (n % 251) as u8).collect();
    for rt in runtimes::runtimes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let file = File::from_owned_fd(&rt, ours.into());
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).unwrap();
            all
        });
        // Once by a file that is one, once by a type that has no positions.
        let io = Timeout::new(file, 60 * SECOND, ManualClock::new());
        io.block_on(io.write_all_at(&sent[..2 << 20], 0)).unwrap();
        let file = io.inner().clone();
        drop(io);
        let io = Timeout::new(file.into_stream().unwrap(), 60 * SECOND, ManualClock::new());
        io.block_on(io.write_all(&sent[2 << 20..])).unwrap();
        drop(io);
        assert!(reader.join().unwrap() == sent);
    }
}

/// A stream that gives the bytes that it has, as a pipe does; reads wait where it has none.
#[derive(Clone, Default)]
struct Trickle {
    there: Arc<Mutex<Vec<u8>>>,
    waiting: Arc<Mutex<Vec<View<Read>>>>,
}

impl Trickle {
    fn of(bytes: &[u8]) -> Self {
        let below = Self::default();
        below.there.lock().unwrap().extend_from_slice(bytes);
        below
    }
}

impl IoObject for Trickle {}

impl PacketIo<Read, NoPos> for Trickle {
    fn send_io(&self, _: NoPos, mut view: View<Read>) {
        let mut there = self.there.lock().unwrap();
        if there.is_empty() {
            return self.waiting.lock().unwrap().push(view);
        }
        let good = view.len().min(there.len());
        for (to, from) in view.bytes_mut().iter_mut().zip(there.drain(..good)) {
            *to = from;
        }
        drop(there);
        view.done_prefix(good, ErrorKind::WouldBlock);
    }
}

/// Reads some of three bytes, which are all that there is.
fn reads_what_there_is(io: &impl PacketIo<Read, NoPos>, below: &Trickle, wanted: &[u8]) {
    let mut bytes = [0; 10];
    let read = pin!(io.read(&mut bytes)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(good) = read else {
        panic!("the read waits for bytes that may never come");
    };
    assert_eq!(good.unwrap(), wanted.len());
    assert_eq!(&bytes[..wanted.len()], wanted);
    let waiting = below.waiting.lock().unwrap().len();
    assert_eq!(waiting, 0, "nobody takes what comes next");
}

#[test]
fn hazard_a_retried_read_of_a_stream_that_waits_for_more_than_there_is() {
    for policy in [RetryPolicy::new(9), RetryPolicy::new(9).when(|_| true)] {
        let below = Trickle::of(b"abc");
        let retry: Retry<_, NoPos> = Retry::new(below.clone(), policy);
        reads_what_there_is(&retry, &below, b"abc");
    }
}

#[test]
fn hazard_a_long_read_of_a_stream_that_is_split_and_waits_for_more_than_there_is() {
    let below = Trickle::of(b"abc");
    let limits = Limits {
        bytes: 2,
        ..Limits::default()
    };
    let limit: Limit<_, NoPos> = Limit::new(below.clone(), limits);
    reads_what_there_is(&limit, &below, b"ab");
    reads_what_there_is(&limit, &below, b"c");

    let below = Trickle::of(b"abc");
    let chunks = TimeoutLimits {
        chunk: 2,
        ..TimeoutLimits::default()
    };
    let timeout = Timeout::with_limits(below.clone(), SECOND, ManualClock::new(), chunks);
    reads_what_there_is(&timeout, &below, b"ab");
    reads_what_there_is(&timeout, &below, b"c");
}
