//! A backend with a fallback thread, whose operations nobody drives.

use super::fixture::{Echo, panic_message};
use mfio::backend::{IoBackend, IoBackendExt};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// An executor that knows nothing of the backend.
fn stranger<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

#[test]
fn a_backend_with_a_fallback_thread_needs_no_driver() {
    let echo = Echo::with_fallback();
    assert_eq!(stranger(echo.add(1, 100)), 101);
    assert_eq!(echo.block_on(echo.add(1, 100)), 101);
    assert_eq!(stranger(echo.add(1, 100)), 101);
}

#[test]
fn strangers_and_drivers_take_turns() {
    let echo = Arc::new(Echo::with_fallback());
    std::thread::scope(|threads| {
        for n in 0..4 {
            let echo = &echo;
            threads.spawn(move || {
                for round in 0..50 {
                    let sum = match (n + round) % 2 {
                        0 => stranger(echo.add(n, 3)),
                        _ => echo.block_on(echo.add(n, 3)),
                    };
                    assert_eq!(sum, n + 3);
                }
            });
        }
    });
}

#[test]
fn a_backend_that_dies_on_the_fallback_thread_is_refused_afterwards() {
    let echo = Echo::with_fallback();
    assert_eq!(stranger(echo.add_one(1)), 2);
    echo.kill();
    let dies = || catch_unwind(AssertUnwindSafe(|| echo.block_on(echo.add_one(1))));
    let message = panic_message(dies().unwrap_err());
    assert!(
        message.contains("panicked") || message.contains("told to die"),
        "{message}"
    );
    assert!(dies().is_err());
}

#[test]
fn a_container_that_goes_ends_its_fallback_thread() {
    let echo = Echo::with_fallback();
    let handle = echo.polling_handle().map(|handle| handle.handle);
    assert!(handle.is_some());
    assert_eq!(stranger(echo.add_one(1)), 2);
    let alive = echo.alive();
    drop(echo);
    while alive.upgrade().is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn operations_without_a_driver_are_refused_where_that_is_wanted() {
    use mfio::backend::{BackendContainer, Integration, integrations::null::Null};
    let container = BackendContainer::new_dyn(std::future::pending()).refuse_without_driver();
    let sharing = container.sharing().unwrap().clone();
    let refused = || sharing.attend().unwrap_err().kind() == mfio::error::ErrorKind::NotDriven;
    assert!(refused());
    struct Object(BackendContainer<mfio::backend::DynBackend>);
    impl IoBackend for Object {
        type Backend = mfio::backend::DynBackend;
        fn polling_handle(&self) -> Option<mfio::backend::PollingHandle<'_>> {
            None
        }
        fn get_backend(&self) -> mfio::backend::BackendHandle<'_, Self::Backend> {
            self.0.acquire(None)
        }
        fn sharing(&self) -> Option<&mfio::backend::Sharing> {
            self.0.sharing()
        }
    }
    let object = Object(container);
    let inside = object.block_on(async { sharing.attend() });
    assert_eq!(inside, Ok(()));
    assert!(refused());
    let object = Arc::new(object);
    let drive = Null::drive(object.clone());
    assert_eq!(sharing.attend(), Ok(()), "it was made, and will be polled");
    drop(drive);
    assert!(refused());
    let mut both = pin!(Null::run_with(object, async |_: &Arc<Object>| {
        let attended = sharing.attend();
        std::future::pending::<()>().await;
        attended
    }));
    assert_eq!(
        both.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        Poll::Pending
    );
    assert_eq!(sharing.attend(), Ok(()), "its task waits for events");
}
