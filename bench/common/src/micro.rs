//! W6: executor micro-costs, generic over anything that can `block_on`.

#![allow(unsafe_code)]

use crate::{Args, Meter, Outcome, pin_to};
use std::cell::UnsafeCell;
use std::future::{Future, poll_fn};
use std::hint::{black_box, spin_loop};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub trait BlockOn {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output;
}

/// Runs `--op` on an executor; `None` if the op is not one of these.
///
/// * `ready`: `block_on` of a future that is ready at once
/// * `selfwake`: `block_on` of a future that wakes itself once
/// * `yield`: a self-wake inside one long `block_on`
/// * `cross`: hand a waker to a spinning thread, wait for its wake, inside one `block_on`
/// * `crossblk`: the same with a fresh `block_on` for each
/// * `parked`: as `cross`, but the wake comes 50 us later, when the executor surely sleeps; what
///   is reported is the median time from `wake()` to the poll
pub fn run(a: &Args, ex: &mut impl BlockOn) -> Option<Outcome> {
    let n = |default: u64| if a.n == 0 { default } else { a.n };
    Some(match a.op.as_str() {
        "ready" => timed(n(200_000), |n| {
            for i in 0..n {
                black_box(ex.block_on(async { black_box(i) }));
            }
        }),
        "selfwake" => timed(n(200_000), |n| {
            for _ in 0..n {
                ex.block_on(yield_now());
            }
        }),
        "yield" => timed(n(500_000), |n| {
            ex.block_on(async {
                for _ in 0..n {
                    yield_now().await;
                }
            })
        }),
        "cross" => {
            let h = Helper::start(a, Duration::ZERO);
            timed(n(20_000), |n| {
                ex.block_on(async {
                    for _ in 0..n {
                        h.request().await;
                    }
                })
            })
        }
        "crossblk" => {
            let h = Helper::start(a, Duration::ZERO);
            timed(n(20_000), |n| {
                for _ in 0..n {
                    ex.block_on(h.request());
                }
            })
        }
        "parked" => {
            let h = Helper::start(a, Duration::from_micros(50));
            let mut samples = Vec::new();
            let o = timed(n(2_000), |n| {
                ex.block_on(async {
                    for _ in 0..n {
                        h.request().await;
                        samples.push(h.since_wake());
                    }
                })
            });
            samples.sort_unstable();
            Outcome {
                secs: samples[samples.len() / 2] as f64 * o.ops as f64 / 1e9,
                ..o
            }
        }
        _ => return None,
    })
}

/// Runs `f` in ten batches after a warm one and reports the fastest: these costs are
/// deterministic, so what slows a batch down is the machine. `executed` is how many operations the
/// process ran in all, which is what an instruction count must be divided by.
pub fn timed(n: u64, mut f: impl FnMut(u64)) -> Outcome {
    const BATCHES: u64 = 10;
    let n = (n / BATCHES).max(1);
    f(n);
    let fastest = (0..BATCHES)
        .map(|_| {
            let m = Meter::start();
            f(n);
            m.finish(n, 0)
        })
        .min_by(|a, b| a.secs.total_cmp(&b.secs));
    fastest
        .expect("ten batches")
        .with("executed", ((BATCHES + 1) * n) as f64)
}

/// Pends once, having woken itself.
pub fn yield_now() -> impl Future<Output = ()> {
    let mut done = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut done, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const WOKEN: u32 = 2;
const QUIT: u32 = 3;

struct Shared {
    state: AtomicU32,
    slot: UnsafeCell<Option<Waker>>,
    woke_at: AtomicU64,
    epoch: Instant,
}

// SAFETY: `slot` is written only in IDLE, by the asker, and taken only in ASKED, by the helper; the
// state is stored with Release and loaded with Acquire, so the two never overlap. A waker is Send.
unsafe impl Sync for Shared {}
// SAFETY: every field is Send.
unsafe impl Send for Shared {}

/// A thread spinning on the other core that wakes whoever asks.
struct Helper {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Helper {
    fn start(a: &Args, delay: Duration) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU32::new(IDLE),
            slot: UnsafeCell::new(None),
            woke_at: AtomicU64::new(0),
            epoch: Instant::now(),
        });
        let s = shared.clone();
        let cpu = a.helper_cpu;
        let thread = std::thread::spawn(move || {
            pin_to(&[cpu]);
            loop {
                match s.state.load(Ordering::Acquire) {
                    ASKED => {
                        // SAFETY: in ASKED the slot is the helper's.
                        let w = unsafe { (*s.slot.get()).take() };
                        if !delay.is_zero() {
                            let t = Instant::now();
                            while t.elapsed() < delay {
                                spin_loop();
                            }
                        }
                        let now = s.epoch.elapsed().as_nanos() as u64;
                        s.woke_at.store(now, Ordering::Relaxed);
                        s.state.store(WOKEN, Ordering::Release);
                        w.expect("the asker left its waker").wake();
                    }
                    QUIT => return,
                    _ => spin_loop(),
                }
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            shared: &self.shared,
            asked: false,
        }
    }

    fn since_wake(&self) -> u64 {
        let s = &self.shared;
        s.epoch.elapsed().as_nanos() as u64 - s.woke_at.load(Ordering::Relaxed)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.shared.state.store(QUIT, Ordering::Release);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

struct Request<'a> {
    shared: &'a Shared,
    asked: bool,
}

impl Future for Request<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let s = self.shared;
        if !self.asked {
            // SAFETY: the state is IDLE, in which the slot is the asker's.
            unsafe { *s.slot.get() = Some(cx.waker().clone()) };
            self.asked = true;
            s.state.store(ASKED, Ordering::Release);
        } else if s.state.load(Ordering::Acquire) == WOKEN {
            s.state.store(IDLE, Ordering::Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
