//! Any number of like futures in one: the leanest form, for futures that become ready together.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Runs `f(0)` to `f(n - 1)` and sums what they return.
pub(crate) async fn sum<F: Future<Output = u64>>(n: usize, f: impl Fn(usize) -> F) -> u64 {
    let mut running: Vec<Pin<Box<F>>> = (0..n).map(|i| Box::pin(f(i))).collect();
    let mut sum = 0;
    poll_fn(|cx| {
        running.retain_mut(|task| match task.as_mut().poll(cx) {
            Poll::Ready(v) => {
                sum += v;
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    sum
}
