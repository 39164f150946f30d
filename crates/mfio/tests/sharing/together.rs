//! Everybody at once.

use crate::fixture::{Echo, Handle, within_a_minute};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::sync::Arc;
use std::thread;

const TIMES: u64 = 2_000;

/// Threads in `block_on`, tokio tasks with integrations of their own, tokio tasks beside one
/// `drive`, and smol.
#[cfg(unix)]
fn everybody(echo: Arc<Echo>, threads: usize, tasks: usize) {
    let blocked: Vec<_> = (0..threads)
        .map(|_| {
            let echo = echo.clone();
            thread::spawn(move || echo.block_on(echo.add(0, TIMES)))
        })
        .collect();
    let smol = {
        let echo = echo.clone();
        thread::spawn(move || {
            smol::block_on(AsyncIo::run_with(echo, async |io: &Arc<Echo>| {
                io.add(0, TIMES).await
            }))
        })
    };
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(async {
        let driver = tokio::spawn(Tokio::drive(echo.clone()));
        let tasks: Vec<_> = (0..tasks)
            .map(|i| {
                let echo = echo.clone();
                match i % 2 {
                    0 => tokio::spawn(async move { echo.add(0, TIMES).await }),
                    _ => tokio::spawn(Tokio::run_with(echo, async |io: &Arc<Echo>| {
                        io.add(0, TIMES).await
                    })),
                }
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), TIMES);
        }
        driver.abort();
    });
    for thread in blocked {
        assert_eq!(thread.join().unwrap(), TIMES);
    }
    assert_eq!(smol.join().unwrap(), TIMES);
}

#[cfg(unix)]
#[test]
fn eight_tasks_four_threads_and_smol_share_one_descriptor() {
    within_a_minute("together, with a descriptor", || {
        everybody(Arc::new(Echo::new(Handle::Descriptor)), 4, 8)
    });
}

#[test]
fn threads_share_a_backend_without_a_descriptor() {
    within_a_minute("threads, no descriptor", || {
        let echo = Arc::new(Echo::new(Handle::None));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let echo = echo.clone();
                thread::spawn(move || echo.block_on(echo.add(0, TIMES)))
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), TIMES);
        }
    });
}

#[test]
fn any_executor_shares_a_backend_without_a_descriptor() {
    within_a_minute("Null on every executor", || {
        let echo = Arc::new(Echo::new(Handle::None));
        let threads: Vec<_> = (0..3)
            .map(|i| {
                let echo = echo.clone();
                thread::spawn(move || {
                    let driven =
                        Null::run_with(echo, async |io: &Arc<Echo>| io.add(0, TIMES).await);
                    match i {
                        0 => pollster::block_on(driven),
                        1 => smol::block_on(driven),
                        _ => tokio::runtime::Builder::new_current_thread()
                            .build()
                            .unwrap()
                            .block_on(driven),
                    }
                })
            })
            .collect();
        assert_eq!(echo.block_on(echo.add(0, TIMES)), TIMES);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), TIMES);
        }
    });
}

/// Ends at random moments: every driver leaves while others still need the backend.
#[test]
fn drivers_come_and_go() {
    within_a_minute("drivers come and go", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let threads: Vec<_> = (0..4u64)
            .map(|i| {
                let echo = echo.clone();
                thread::spawn(move || {
                    for round in 0..200 {
                        let times = 1 + (i + round) % 5;
                        assert_eq!(echo.block_on(echo.add(round, times)), round + times);
                    }
                })
            })
            .collect();
        #[cfg(unix)]
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        #[cfg(unix)]
        for round in 0..200 {
            let echo = echo.clone();
            let sum = tokio.block_on(Tokio::run_with(echo, async |io: &Arc<Echo>| {
                io.add(round, 3).await
            }));
            assert_eq!(sum, round + 3);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
