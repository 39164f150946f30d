//! Every layer over a stream, whichever way it is read: what comes is given, none of it is lost,
//! and nobody waits for more.

#[path = "../../mfio-rt/tests/common/mod.rs"]
mod runtimes;

use mfio::backend::{IoBackend, IoBackendExt};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, IoObject, NoPos, Operation, PacketIo, Position, Read, Write};
use mfio::memory::Memory;
use mfio::packet::View;
use mfio::traits::{BlockingIo, IoRead, StreamRead};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, Cache, Concat, Fault, Limit, Limits, Mirror, Offset, Remap, Retry, RetryPolicy,
    Rule, Stripe, Timeout, TimeoutLimits, Trace, Window,
};
use mfio_rt::native::File;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Gives what there is, then fails for this reason; a read that finds nothing waits. Clones are one
/// stream.
#[derive(Clone)]
struct Trickle {
    there: Arc<Mutex<Vec<u8>>>,
    waiting: Arc<Mutex<Vec<View<Read>>>>,
    rest: ErrorKind,
    short_cut: bool,
}

impl Trickle {
    fn of(bytes: &[u8], short_cut: bool) -> Self {
        Self {
            there: Arc::new(Mutex::new(bytes.to_vec())),
            waiting: Arc::default(),
            rest: ErrorKind::WouldBlock,
            short_cut,
        }
    }

    fn take(&self, bytes: &mut [u8]) -> usize {
        let mut there = self.there.lock().unwrap();
        let good = bytes.len().min(there.len());
        for (to, from) in bytes.iter_mut().zip(there.drain(..good)) {
            *to = from;
        }
        good
    }

    fn read(&self, mut view: View<Read>) {
        match self.take(view.bytes_mut()) {
            0 => self.waiting.lock().unwrap().push(view),
            good => view.done_prefix(good, self.rest),
        }
    }
}

impl IoObject for Trickle {
    fn alignment(&self, operation: Operation) -> Alignment {
        match operation {
            Operation::Read => Alignment::NONE.in_order(),
            _ => Alignment::NONE,
        }
    }
}

macro_rules! trickles {
    ($($position:ty),*) => {$(
        impl PacketIo<Read, $position> for Trickle {
            fn send_io(&self, _: $position, view: View<Read>) {
                self.read(view);
            }

            fn transfer_blocking(
                &self,
                _: $position,
                bytes: &mut [u8],
            ) -> Option<Result<usize, Cause>> {
                let good = self.short_cut.then(|| self.take(bytes));
                good.filter(|good| *good > 0).map(Ok)
            }
        }

        impl PacketIo<Write, $position> for Trickle {
            fn send_io(&self, _: $position, view: View<Write>) {
                self.there.lock().unwrap().extend_from_slice(view.bytes());
                view.done();
            }
        }
    )*};
}
trickles!(NoPos, u64);

/// Three bytes come, then two; ten are asked for each time.
fn gives<P, Io>(below: &Trickle, io: Io, at: P, name: &str)
where
    P: Position,
    Io: PacketIo<Read, P>,
{
    let io = AttachBackend::new(io, Arc::new(Memory::new([])));
    let come = |bytes: &[u8]| below.there.lock().unwrap().extend_from_slice(bytes);
    let nobody_waits = || assert!(below.waiting.lock().unwrap().is_empty(), "{name}");
    let mut bytes = [0; 10];
    for come_now in [&b"abc"[..], b"de"] {
        come(come_now);
        let read = pin!(io.read_at(&mut bytes, at));
        let Poll::Ready(good) = read.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("{name}: the read waits for bytes that may never come");
        };
        assert_eq!(&bytes[..good.unwrap()], come_now, "{name}");
        nobody_waits();
    }
    for come_now in [&b"fgh"[..], b"ij"] {
        come(come_now);
        let mut got = Vec::new();
        while got.len() < come_now.len() {
            let good = io.blocking().read_at(&mut bytes, at).unwrap();
            got.extend_from_slice(&bytes[..good]);
        }
        assert_eq!(got, come_now, "{name}, blocking");
        nobody_waits();
    }
    come(b"klm");
    io.blocking().read_exact_at(&mut bytes[..3], at).unwrap();
    assert_eq!(&bytes[..3], b"klm", "{name}, blocking, all");
    nobody_waits();
}

fn layers_that_keep_requests<P: Position>(at: P)
where
    Trickle: PacketIo<Read, P> + PacketIo<Write, P>,
{
    for short_cut in [false, true] {
        let below = Trickle::of(b"", short_cut);
        let io = || below.clone();
        for policy in [RetryPolicy::new(9), RetryPolicy::new(9).when(|_| true)] {
            gives(&below, Retry::<_, P>::new(io(), policy), at, "Retry");
        }
        gives(&below, Fault::<_, P>::new(io(), []), at, "Fault");
        gives(&below, Trace::new(io()), at, "Trace");
        gives(
            &below,
            Limit::<_, P>::new(io(), Limits::default()),
            at,
            "Limit",
        );
        let timeout = Timeout::new(io(), SECOND, ManualClock::new());
        gives(&below, timeout, at, "Timeout");
        gives(
            &below,
            Mirror::<_, P>::new([io()]).unwrap(),
            at,
            "Mirror of one",
        );
        let other = Trickle::of(b"another", short_cut);
        let two = Mirror::<_, P>::new([io(), other.clone()]).unwrap();
        gives(&below, two, at, "Mirror of two");
        assert_eq!(*other.there.lock().unwrap(), b"another");
        let retry = Retry::<_, P>::new(Trace::new(io()), RetryPolicy::new(3));
        let mirror = Mirror::<_, P>::new([Limit::<_, P>::new(retry, Limits::default())]).unwrap();
        gives(&below, mirror, at, "all of them");
    }
}

#[test]
fn queuing_layers_return_available_bytes() {
    layers_that_keep_requests(NoPos);
}

#[test]
fn queuing_layers_return_available_bytes_at_any_position() {
    layers_that_keep_requests(7u64);
}

#[test]
fn layers_with_addresses_return_available_bytes() {
    for short_cut in [false, true] {
        let below = Trickle::of(b"", short_cut);
        let io = || below.clone();
        gives(
            &below,
            Cache::new(io(), 1 << 12, 64).unwrap(),
            62u64,
            "Cache",
        );
        gives(&below, Offset::new(io(), 5), 7u64, "Offset");
        gives(&below, Window::new(io(), 5, 100), 7u64, "Window");
        gives(&below, Stripe::new([io()], 2).unwrap(), 7u64, "Stripe");
        gives(&below, Concat::new([(io(), 100)]).unwrap(), 7u64, "Concat");
        let mut remap = Remap::<_, u64, u64>::new(io());
        remap.map(0.., 0).unwrap();
        gives(&below, remap, 7u64, "Remap");
    }
}

/// A read that two streams share ends with what the first one has.
#[test]
fn a_read_of_several_streams_does_not_wait_for_the_second() {
    let [first, second] = [(); 2].map(|()| Trickle::of(b"", false));
    let concat = Concat::new([(first.clone(), 4), (second.clone(), 4)]).unwrap();
    let stripe = Stripe::new([first.clone(), second.clone()], 4).unwrap();
    let layers: [&dyn PacketIo<Read>; 2] = [&concat, &stripe];
    for io in layers {
        first.there.lock().unwrap().extend_from_slice(b"abc");
        let mut bytes = [0; 8];
        let read = pin!(io.read_at(&mut bytes, 0));
        let Poll::Ready(good) = read.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the read waits for the second stream");
        };
        assert_eq!((good.unwrap(), &bytes[..3]), (3, &b"abc"[..]));
        assert!(second.waiting.lock().unwrap().is_empty());
    }
}

/// A stream gives something, then fails for a reason that passes: what it gave is there at once,
/// and the rest comes when it is asked for again.
#[test]
fn a_stream_that_fails_after_bytes_returns_the_bytes_first() {
    let mut below = Trickle::of(b"", false);
    below.rest = ErrorKind::Busy;
    let retry: Retry<_, NoPos> = Retry::new(below.clone(), RetryPolicy::new(9));
    gives(&below, retry, NoPos, "Retry");

    below.there.lock().unwrap().extend_from_slice(b"abc");
    let retry: Retry<_, NoPos> = Retry::new(below.clone(), RetryPolicy::new(9));
    let mut bytes = [0; 5];
    let mut read = pin!(retry.read_exact(&mut bytes));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(read.as_mut().poll(&mut cx).is_pending());
    let mut view = below.waiting.lock().unwrap().pop().unwrap();
    view.bytes_mut().copy_from_slice(b"de");
    view.done();
    assert!(matches!(read.poll(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(&bytes, b"abcde");
}

#[test]
fn layers_over_a_socket_return_available_bytes() {
    fn check<Io: PacketIo<Read, NoPos> + IoBackend>(io: &Io, mut theirs: UnixStream, name: &str) {
        let mut bytes = [0; 16];
        for _ in 0..3 {
            theirs.write_all(b"some").unwrap();
            assert_eq!(io.block_on(io.read(&mut bytes)).unwrap(), 4, "{name}");
            assert_eq!(&bytes[..4], b"some", "{name}");
            theirs.write_all(b"more").unwrap();
            let good = io.blocking().read(&mut bytes).unwrap();
            assert_eq!(&bytes[..good], b"more", "{name}, blocking");
        }
    }
    for rt in runtimes::runtimes() {
        let stream = || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let file = File::from_owned_fd(&rt, ours.into());
            (file.into_stream().unwrap(), theirs)
        };
        let (ours, theirs) = stream();
        let policy = RetryPolicy::new(9).when(|_| true);
        check(&Retry::<_, NoPos>::new(ours, policy), theirs, "Retry");
        let (ours, theirs) = stream();
        let mirror = Mirror::<_, NoPos>::new([ours, stream().0]).unwrap();
        check(&AttachBackend::new(mirror, rt.clone()), theirs, "Mirror");
        let (ours, theirs) = stream();
        check(
            &Fault::<_, NoPos>::new(ours, [Rule::hold().writes()]),
            theirs,
            "Fault",
        );
        let (ours, theirs) = stream();
        check(
            &Limit::<_, NoPos>::new(ours, Limits::default()),
            theirs,
            "Limit",
        );
        let (ours, theirs) = stream();
        let limits = TimeoutLimits::default();
        let timeout = Timeout::with_limits(ours, SECOND, ManualClock::new(), limits);
        check(&timeout, theirs, "Timeout");
        let (ours, theirs) = stream();
        check(&Trace::new(ours), theirs, "Trace");
    }
}
