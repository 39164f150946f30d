//! Waiting: rules 6, 7, 9 and 10 of the backend's contract (what `block_on` parks on, that what was
//! sent is submitted, backends without a handle, bad descriptors and odd interests).
#![cfg(any(unix, windows))]

mod common;

use common::{Adder, Bell, Object, Rings, must_end, poll};
#[cfg(unix)]
use common::{must_panic, panic_of, tokio_here};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use mfio::poller::{ParkHandle, block_on_handle};
use std::future::{pending, poll_fn};
use std::mem::replace;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// Ready once another thread says so, which it does when it is given the waker.
async fn answered_from_afar(ask: &mpsc::Sender<(Arc<Mutex<bool>>, Waker)>) {
    let answer = Arc::new(Mutex::new(false));
    let mut asked = false;
    poll_fn(|cx| {
        if *answer.lock().unwrap() {
            return Poll::Ready(());
        }
        if !replace(&mut asked, true) {
            ask.send((answer.clone(), cx.waker().clone())).unwrap();
        }
        Poll::Pending
    })
    .await;
}

/// A thread that answers until all who ask are gone.
fn afar() -> mpsc::Sender<(Arc<Mutex<bool>>, Waker)> {
    afar_after(Duration::ZERO)
}

/// The same, which takes that long for each answer.
fn afar_after(delay: Duration) -> mpsc::Sender<(Arc<Mutex<bool>>, Waker)> {
    let (ask, asked) = mpsc::channel::<(Arc<Mutex<bool>>, Waker)>();
    thread::spawn(move || {
        for (answer, waker) in asked {
            thread::sleep(delay);
            *answer.lock().unwrap() = true;
            waker.wake();
        }
    });
    ask
}

/// The call of 0.1: the polling handle is what the thread parks on.
#[test]
fn rule_6_a_polling_handle_is_a_park_handle() {
    fn parks(on: &impl ParkHandle) {
        on.unpark();
        on.park();
    }
    must_end(|| {
        let ask = afar();
        for bell in [Bell::eventfd(), Bell::socket_pair()] {
            let io = Adder::with_bell(bell);
            for _ in 0..3 {
                let (future, handle) = io.with_backend(async {
                    answered_from_afar(&ask).await;
                    io.hundred().await
                });
                let handle = handle.unwrap();
                assert_eq!(block_on_handle(future, &handle, &handle.waker), 100);
            }
            parks(&io.polling_handle().unwrap());
        }
    });
}

/// An object that counts how it is waited for.
struct Counted {
    object: Object,
    waits: AtomicUsize,
    deadline: Option<Duration>,
    seen: Mutex<Vec<Option<Duration>>>,
}

impl IoBackend for Counted {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.object.polling_handle()
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.object.get_backend()
    }

    fn wait(&self, handle: &PollingHandle<'_>, timeout: Option<Duration>) {
        self.waits.fetch_add(1, SeqCst);
        self.seen.lock().unwrap().push(timeout);
        handle.handle.poll_timeout(handle.cur_flags, timeout);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.deadline
    }
}

fn counted(object: Object, deadline: Option<Duration>) -> Counted {
    Counted {
        object,
        waits: AtomicUsize::new(0),
        deadline,
        seen: Mutex::default(),
    }
}

#[test]
fn rule_6_a_backend_waits_in_its_own_way_and_is_told_the_deadline() {
    must_end(|| {
        let ask = afar();
        let io = counted(Object::with_bell(Bell::eventfd(), pending()), None);
        io.block_on(async {
            for _ in 0..10 {
                answered_from_afar(&ask).await;
            }
        });
        assert!(
            io.waits.load(SeqCst) <= 10,
            "no busy loop: at most once for each answer"
        );
        assert!(io.seen.lock().unwrap().iter().all(Option::is_none));

        // Nothing ever wakes this one but its deadlines, which the backend counts.
        let rounds = Arc::new(AtomicUsize::new(0));
        let counter = rounds.clone();
        let backend = poll_fn(move |cx| {
            if counter.fetch_add(1, SeqCst) == 4 {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        let soon = Some(Duration::from_millis(1));
        let io = counted(Object::with_bell(Bell::eventfd(), backend), soon);
        let five = poll_fn(|_| match rounds.load(SeqCst) {
            5 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        io.block_on(five);
        assert!(io.seen.lock().unwrap().len() >= 4);
        assert!(io.seen.lock().unwrap().iter().all(|seen| *seen == soon));
    });
}

#[test]
fn rule_6_without_a_handle_the_parker_is_of_the_call() {
    must_end(|| {
        // Long enough for whoever does not park to be seen, on a machine that has little time for
        // this thread, too.
        let ask = afar_after(Duration::from_millis(100));
        let io = counted(Object::bare(pending()), None);
        let mut rounds = 0;
        let mut answered = pin!(answered_from_afar(&ask));
        io.block_on(poll_fn(|cx| {
            rounds += 1;
            answered.as_mut().poll(cx)
        }));
        assert!(rounds <= 3, "no busy loop: {rounds}");
        assert_eq!(io.waits.load(SeqCst), 0, "there is no handle to wait on");
    });
}

/// A parker of the user's.
#[derive(Default)]
struct Bench {
    called: Mutex<bool>,
    bell: Condvar,
    parks: AtomicUsize,
}

impl ParkHandle for Bench {
    fn park(&self) {
        self.parks.fetch_add(1, SeqCst);
        let mut called = self.called.lock().unwrap();
        while !replace(&mut *called, false) {
            called = self.bell.wait(called).unwrap();
        }
    }

    fn unpark(&self) {
        *self.called.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

#[test]
fn rule_6_the_parker_may_be_the_users() {
    must_end(|| {
        let bench = Arc::new(Bench::default());
        let ask = afar();
        let io = Object::bare(pending());
        for _ in 0..100 {
            io.block_on_parked(answered_from_afar(&ask), bench.clone());
        }
        let adder = Adder::bare();
        assert_eq!(adder.block_on_parked(adder.hundred(), bench.clone()), 100);
        // Answered only after it was parked: so it is this parker that is parked.
        let late = poll_fn(|cx| {
            if bench.parks.load(SeqCst) > 0 {
                return Poll::Ready(());
            }
            let (bench, waker) = (bench.clone(), cx.waker().clone());
            thread::spawn(move || {
                while bench.parks.load(SeqCst) == 0 {
                    thread::yield_now();
                }
                waker.wake();
            });
            Poll::Pending
        });
        bench.parks.store(0, SeqCst);
        io.block_on_parked(late, bench.clone());
        assert!(bench.parks.load(SeqCst) > 0);
    });
}

#[test]
fn rule_6_block_on_nests_for_other_backends_on_the_same_thread() {
    must_end(|| {
        for outer in Adder::each() {
            for inner in Adder::each() {
                let third = Adder::bare();
                let answer = outer.block_on(async {
                    let mut n = 0;
                    for _ in 0..20 {
                        n = outer.add_one(n).await;
                        n = inner.block_on(async {
                            let m = inner.add_one(n).await;
                            third.block_on(third.add_one(m))
                        });
                    }
                    n
                });
                assert_eq!(answer, 60);
            }
        }
    });
}

#[test]
fn rule_7_what_was_sent_is_submitted_before_block_on_returns() {
    must_end(|| {
        for io in Adder::each() {
            for n in 1..=3 {
                io.block_on(async { io.send(0) });
                assert_eq!(io.submitted(), n);
            }
            // With an operation that is awaited and dropped half-way, too.
            io.block_on(async {
                let _ = poll(pin!(io.add_one(0)));
                io.send(0);
            });
            assert_eq!(io.submitted(), 5);
        }
    });
}

#[test]
fn rule_7_what_was_sent_is_submitted_before_with_backend_is_ready() {
    let io = Adder::bare();
    let (both, _) = io.with_backend(async { io.send(0) });
    assert!(poll(pin!(both)).is_ready());
    assert_eq!(io.submitted(), 1);
    // At every depth.
    let all = [Adder::bare(), Adder::bare(), Adder::bare()];
    let [a, b, c] = &all;
    let inner = b.object.container.acquire_nested(c.get_backend());
    let stack = a.object.container.acquire_nested(inner);
    let sends = async { all.iter().for_each(|io| io.send(0)) };
    block_on::<DefaultHandle, _, Object>(sends, stack, None);
    assert!(all.iter().all(|io| io.submitted() == 1));
}

#[cfg(unix)]
#[test]
fn rule_7_what_was_sent_is_submitted_before_integrations_are_ready() {
    must_end(|| {
        async fn send(io: &Adder) {
            io.send(0);
        }
        let mut io = Adder::bare();
        pollster::block_on(Null::run_with_mut(&mut io, send));
        assert_eq!(io.submitted(), 1);
        let mut io = Adder::with_bell(Bell::eventfd());
        tokio_here().block_on(Tokio::run_with_mut(&mut io, send));
        assert_eq!(io.submitted(), 1);
        smol::block_on(AsyncIo::run_with_mut(&mut io, send));
        assert_eq!(io.submitted(), 2);
        let io = Arc::new(io);
        tokio_here().block_on(Tokio::run_with(io.clone(), async |io: &Arc<Adder>| {
            send(io).await
        }));
        assert_eq!(io.submitted(), 3);
        smol::block_on(AsyncIo::run_with(io.clone(), async |io: &Arc<Adder>| {
            send(io).await
        }));
        assert_eq!(io.submitted(), 4);
    });
}

#[test]
fn rule_9_without_a_handle_wakes_come_from_elsewhere_and_parking_suffices() {
    must_end(|| {
        // The backend gives its work to a thread, which wakes it when the work is done.
        let (work, worked) = mpsc::channel::<Waker>();
        let (ended, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let worker = {
            let ended = ended.clone();
            thread::spawn(move || {
                for waker in worked {
                    ended.fetch_add(1, SeqCst);
                    waker.wake();
                }
            })
        };
        let mut begun = 0;
        let io = Object::bare({
            let done = done.clone();
            poll_fn(move |cx| {
                let ended = ended.load(SeqCst);
                if done.swap(ended, SeqCst) != ended {
                    // Whoever waits for it is the same task.
                    cx.waker().wake_by_ref();
                }
                if begun == ended && begun < 500 {
                    begun += 1;
                    work.send(cx.waker().clone()).unwrap();
                }
                Poll::Pending
            })
        });
        assert!(io.polling_handle().is_none());
        io.block_on(poll_fn(|_| match done.load(SeqCst) {
            500 => Poll::Ready(()),
            _ => Poll::Pending,
        }));
        drop(io);
        worker.join().unwrap();
    });
}

/// An object whose handle is whatever number it is given.
#[cfg(unix)]
struct Numbered {
    object: Object,
    fd: DefaultHandle,
    interests: PollingFlags,
}

#[cfg(unix)]
impl IoBackend for Numbered {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        Some(PollingHandle {
            handle: self.fd,
            cur_flags: &self.interests,
            max_flags: self.interests.clone(),
            waker: Waker::noop().clone(),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.object.get_backend()
    }
}

#[cfg(unix)]
#[test]
fn rule_10_a_bad_descriptor_is_named_and_never_spun_on() {
    must_end(|| {
        // No descriptor has such a number, so none can take it meanwhile.
        for fd in [-1, i32::MAX - 7] {
            for interests in [
                PollingFlags::new(),
                PollingFlags::all(),
                PollingFlags::new().write(true),
            ] {
                let object = Object::bare(pending());
                let mut io = Numbered {
                    object,
                    fd,
                    interests,
                };
                let names = [&*format!("descriptor {fd}")];
                must_panic(&names, || io.block_on(pending::<()>()));
                let handle = io.polling_handle();
                must_panic(&names, || {
                    block_on::<_, _, Numbered>(pending::<()>(), io.get_backend(), handle)
                });
                let run = Tokio::run_with_mut(&mut io, |_| pending::<()>());
                must_panic(&names, || tokio_here().block_on(run));
                let run = AsyncIo::run_with_mut(&mut io, |_| pending::<()>());
                must_panic(&names, || smol::block_on(run));
                assert_eq!(
                    io.object.block_on(async { 1 }),
                    1,
                    "the backend is as usable as before"
                );
            }
        }
    });
}

#[test]
fn rule_10_whatever_the_interests_the_wait_ends_when_the_waker_fires() {
    must_end(|| {
        let all = [
            PollingFlags::new(),
            PollingFlags::new().write(true),
            PollingFlags::new().read(true),
            PollingFlags::all(),
        ];
        for interests in all {
            for bell in [Bell::eventfd(), Bell::socket_pair()] {
                let ask = afar();
                let mut object = Object::with_bell(bell, pending());
                object.bell.as_mut().unwrap().interests = interests.clone();
                // Under `block_on` the wakes of the future come through the descriptor; those of a
                // task do not, so there nothing but the descriptor is rung.
                object.block_on(async {
                    for _ in 0..10 {
                        answered_from_afar(&ask).await;
                    }
                });
                let rings = Rings::of(object.bell());
                object.block_on(ten(&rings));
                #[cfg(unix)]
                tokio_here().block_on(Tokio::run_with_mut(&mut object, |_| ten(&rings)));
                #[cfg(unix)]
                smol::block_on(AsyncIo::run_with_mut(&mut object, |_| ten(&rings)));
            }
        }
    });
}

async fn ten(rings: &Rings) {
    for _ in 0..10 {
        rings.hear_one().await;
    }
}

/// A backend that waits for room in a socket: write interest is readiness to write, for whoever
/// waits.
#[cfg(unix)]
#[test]
fn rule_10_write_interest_waits_for_room() {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    must_end(|| {
        for way in 0..3 {
            let (mut tx, mut rx) = UnixStream::pair().unwrap();
            tx.set_nonblocking(true).unwrap();
            while tx.write(&[0; 4096]).is_ok() {}
            let fd = tx.as_raw_fd();
            let room = Arc::new(AtomicUsize::new(0));
            let told = room.clone();
            let (full, was_full) = mpsc::channel::<()>();
            let backend = poll_fn(move |cx| {
                if tx.write(&[1]).is_ok() {
                    told.store(1, SeqCst);
                    cx.waker().wake_by_ref();
                } else {
                    let _ = full.send(());
                }
                Poll::Pending
            });
            let mut io = Numbered {
                object: Object::bare(backend),
                fd,
                interests: PollingFlags::new().write(true),
            };
            let reader = thread::spawn(move || {
                was_full.recv().unwrap();
                rx.set_nonblocking(true).unwrap();
                while rx.read(&mut [0; 4096]).is_ok() {}
                rx
            });
            let written = || {
                let room = room.clone();
                poll_fn(move |_| match room.load(SeqCst) {
                    0 => Poll::Pending,
                    _ => Poll::Ready(()),
                })
            };
            match way {
                // There is room for more, which brings about the round after the one that wrote.
                0 => io.block_on(written()),
                1 => tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| written())),
                _ => smol::block_on(AsyncIo::run_with_mut(&mut io, |_| written())),
            }
            drop(reader.join().unwrap());
        }
    });
}

#[cfg(unix)]
#[test]
fn rule_10_an_error_of_the_reactor_is_reported_and_never_taken_for_pending() {
    must_end(|| {
        // There is no reactor here.
        let mut io = Object::with_bell(Bell::eventfd(), pending());
        must_panic(&["outside of a tokio runtime", "Tokio"], || {
            pollster::block_on(Tokio::run_with_mut(&mut io, |_| pending::<()>()))
        });
        // There is a runtime, without a reactor.
        let no_io = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let message =
            panic_of(|| no_io.block_on(Tokio::run_with_mut(&mut io, |_| pending::<()>())));
        assert!(
            message.contains("enable_io") || message.contains("IO"),
            "{message}"
        );
        assert_eq!(io.block_on(async { 1 }), 1);
    });
}
