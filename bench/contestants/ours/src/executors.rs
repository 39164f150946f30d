//! The executors that poll the tasks and drive the backend.

use crate::join;
use harness_common::Args;
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::{Integration, IoBackendExt};
use mfio_rt::native::NativeRt;
use std::future::Future;

/// Runs `f(0)` to `f(qd - 1)` at once, and sums what they return.
pub(crate) fn fan_out<F>(a: &Args, rt: &NativeRt, f: impl Fn(usize) -> F) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    match a.variant.as_str() {
        "tokio-mt" => on_tokio(a.qd, rt, f),
        "smol" => on_smol(a.qd, rt, f),
        _ if a.qd == 1 => rt.block_on(f(0)),
        _ => rt.block_on(join::sum(a.qd, f)),
    }
}

fn on_tokio<F>(n: usize, rt: &NativeRt, f: impl Fn(usize) -> F) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    let executor = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a tokio runtime");
    executor.block_on(async {
        let driver = tokio::spawn(Tokio::drive(rt.clone()));
        let tasks: Vec<_> = (0..n).map(|i| tokio::spawn(f(i))).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("the task ran to its end");
        }
        driver.abort();
        sum
    })
}

fn on_smol<F>(n: usize, rt: &NativeRt, f: impl Fn(usize) -> F) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let _driver = executor.spawn(AsyncIo::drive(rt.clone()));
        let tasks: Vec<_> = (0..n).map(|i| executor.spawn(f(i))).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }))
}
