//! Descriptors, interests and reactors: rule 10.

use super::{afar, answered_from_afar};
use crate::common::{Bell, Object, Rings, must_end};
#[cfg(unix)]
use crate::common::{must_panic, panic_of, tokio_here};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::future::pending;
#[cfg(unix)]
use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    sync::{Arc, mpsc},
    task::{Poll, Waker},
    thread,
};

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
