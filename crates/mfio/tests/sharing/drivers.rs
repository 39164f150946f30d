//! A driver that sleeps, is forgotten, or is kept unpolled by its owner stalls nobody.

use crate::asleep::spawn_watched;
use crate::fixture::{Echo, Handle, panic_message, within_a_minute};
#[cfg(unix)]
use crate::fixture::{current_thread, forget};
use futures_util::FutureExt;
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
#[cfg(unix)]
use std::future::{Future, pending};
#[cfg(unix)]
use std::pin::pin;
use std::sync::Arc;
#[cfg(unix)]
use std::task::{Context, Waker};
#[cfg(unix)]
use std::time::Duration;

/// The first branch becomes the driver in its first poll, and is not polled again while the second
/// one runs.
#[cfg(unix)]
#[test]
fn a_select_loop_that_keeps_the_driver_unpolled() {
    within_a_minute("select loop", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        current_thread().block_on(async {
            let forever = async |_: &Arc<Echo>| pending::<()>().await;
            let mut driver = pin!(Tokio::run_with(echo.clone(), forever));
            let mut sum = 0;
            while sum < 100 {
                futures_util::select_biased! {
                    () = driver.as_mut().fuse() => unreachable!("it never ends"),
                    () = std::future::ready(()).fuse() => {
                        // `driver` is not polled within this branch.
                        let add = async |io: &Arc<Echo>| io.add_one(sum).await;
                        sum = Tokio::run_with(echo.clone(), add).await;
                        sum = echo.add_one(sum).await;
                    }
                }
            }
            assert_eq!(sum, 100);
        });
    });
}

/// The same where the other user is another task, which nobody would wake but the driver.
#[cfg(unix)]
#[test]
fn a_driver_kept_unpolled_does_not_stall_another_task() {
    within_a_minute("unpolled driver, other task", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        current_thread().block_on(async {
            let other = {
                let echo = echo.clone();
                tokio::spawn(async move {
                    Tokio::run_with(echo, async |io: &Arc<Echo>| io.add(0, 100).await).await
                })
            };
            tokio::task::yield_now().await;
            let mut driver = pin!(Tokio::run_with(echo.clone(), async |_: &Arc<Echo>| {
                pending::<()>().await
            }));
            assert!(driver.as_mut().now_or_never().is_none());
            assert_eq!(other.await.unwrap(), 100);
        });
    });
}

#[cfg(unix)]
#[test]
fn a_forgotten_integration() {
    for handle in [Handle::Descriptor, Handle::None] {
        within_a_minute("forgotten integration", move || {
            let echo = Arc::new(Echo::new(handle));
            let runtime = current_thread();
            runtime.block_on(async {
                let mut cx = Context::from_waker(Waker::noop());
                match handle {
                    Handle::Descriptor => {
                        let mut driver =
                            Box::pin(Tokio::run_with(echo.clone(), async |io: &Arc<Echo>| {
                                io.add(0, 9).await
                            }));
                        assert!(driver.as_mut().poll(&mut cx).is_pending());
                        forget(driver);
                    }
                    Handle::None => {
                        let mut driver =
                            Box::pin(Null::run_with(echo.clone(), async |io: &Arc<Echo>| {
                                io.add(0, 9).await
                            }));
                        assert!(driver.as_mut().poll(&mut cx).is_pending());
                        forget(driver);
                    }
                }
            });
            assert_eq!(echo.block_on(echo.add(0, 100)), 100);
            let sum = match handle {
                Handle::Descriptor => runtime
                    .block_on(Tokio::run_with(echo, async |io: &Arc<Echo>| {
                        io.add(0, 100).await
                    })),
                Handle::None => runtime.block_on(Null::run_with(echo, async |io: &Arc<Echo>| {
                    io.add(0, 100).await
                })),
            };
            assert_eq!(sum, 100);
        });
    }
}

#[cfg(unix)]
#[test]
fn an_executor_shut_down_under_its_driver() {
    within_a_minute("executor shut down", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let first = current_thread();
        first.spawn(Tokio::drive(echo.clone()));
        assert_eq!(first.block_on(echo.add(0, 10)), 10);
        // The waiter waits while the first executor still watches.
        echo.hold(true);
        let (waiter, watched) = {
            let echo = echo.clone();
            spawn_watched(move || {
                let runtime = current_thread();
                runtime.block_on(Tokio::run_with(echo, async |io: &Arc<Echo>| {
                    io.add(0, 1000).await
                }))
            })
        };
        watched.until_asleep();
        drop(first);
        echo.hold(false);
        assert_eq!(waiter.join().unwrap(), 1000);
        assert_eq!(echo.block_on(echo.add(0, 10)), 10);
    });
}

/// The reactor that watches is the very thread that blocks: nobody turns it.
#[cfg(unix)]
#[test]
fn block_on_beside_a_sleeping_driver_on_a_current_thread_executor() {
    within_a_minute("block_on beside a sleeping driver", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        current_thread().block_on(async {
            tokio::spawn(Tokio::drive(echo.clone()));
            assert_eq!(echo.add(0, 10).await, 10);
            // Not re-entry: the driver is a task of this thread that sleeps.
            assert_eq!(echo.block_on(echo.add(0, 100)), 100);
            assert_eq!(echo.add(0, 10).await, 10);
        });
    });
}

#[cfg(unix)]
#[test]
fn a_driver_moved_between_two_runtimes() {
    within_a_minute("driver moved", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        for _ in 0..20 {
            let (first, second) = (current_thread(), current_thread());
            let mut driver = Box::pin(Tokio::run_with(echo.clone(), async |io: &Arc<Echo>| {
                io.add(0, 50).await
            }));
            echo.hold(true);
            let begun = first.block_on(async {
                tokio::time::timeout(Duration::from_millis(2), driver.as_mut()).await
            });
            assert!(begun.is_err());
            echo.hold(false);
            // Nobody turns the first reactor from here on.
            assert_eq!(second.block_on(driver), 50);
        }
    });
}

#[cfg(unix)]
#[test]
fn two_tasks_of_one_current_thread_runtime() {
    within_a_minute("two tasks of one runtime", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let runtime = current_thread();
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                runtime.spawn(Tokio::run_with(echo.clone(), async |io: &Arc<Echo>| {
                    io.add(0, 500).await
                }))
            })
            .collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).unwrap(), 500);
        }
    });
}

#[cfg(unix)]
#[test]
fn a_dropped_driver_leaves_the_others_running() {
    within_a_minute("dropped driver", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        smol::block_on(async {
            let driver = smol::spawn(AsyncIo::drive(echo.clone()));
            assert_eq!(echo.add(0, 10).await, 10);
            driver.cancel().await;
            assert_eq!(
                AsyncIo::run_with(echo, async |io: &Arc<Echo>| io.add(0, 10).await).await,
                10
            );
        });
    });
}

#[test]
fn block_on_within_block_on_of_the_same_backend_panics() {
    within_a_minute("re-entry", || {
        let echo = Echo::new(Handle::Descriptor);
        let nested = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            echo.block_on(async { echo.block_on(echo.add(0, 1)) })
        }));
        let message = panic_message(nested.unwrap_err());
        assert!(
            message.contains("`block_on` within `block_on` of the same backend"),
            "{message}"
        );
        assert_eq!(echo.block_on(echo.add(0, 5)), 5);
        let other = Echo::new(Handle::Descriptor);
        assert_eq!(
            echo.block_on(async { other.block_on(other.add(0, 5)) + echo.add(0, 5).await }),
            10
        );
    });
}

/// An operation sent and not awaited reaches the kernel before `block_on` returns.
#[test]
fn sent_operations_are_submitted_before_block_on_returns() {
    within_a_minute("send and return", || {
        let echo = Echo::new(Handle::Descriptor);
        let mut sent = Box::pin(echo.add_one(4));
        echo.block_on(async { assert!(sent.as_mut().now_or_never().is_none()) });
        assert_eq!(echo.polls(), 1, "the backend was polled once, to submit");
        assert_eq!(echo.block_on(sent.as_mut()), 5);
    });
}

#[test]
fn a_dead_backend_is_reported_to_everybody() {
    for handle in [Handle::Descriptor, Handle::None] {
        within_a_minute("dead backend", move || {
            let echo = Arc::new(Echo::new(handle));
            echo.hold(true);
            let threads: Vec<_> = (0..5)
                .map(|_| {
                    let echo = echo.clone();
                    spawn_watched(move || echo.block_on(echo.add(0, 1)))
                })
                .collect();
            threads.iter().for_each(|(_, thread)| thread.until_asleep());
            echo.kill();
            for (thread, _) in threads {
                assert!(thread.join().is_err());
            }
            let late = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                echo.block_on(echo.add(0, 1))
            }));
            assert!(panic_message(late.unwrap_err()).contains("the backend has panicked"));
            echo.hold(false);
        });
    }
}
