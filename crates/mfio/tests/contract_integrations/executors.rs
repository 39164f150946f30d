//! The executors that each integration is tried with.

#[cfg(unix)]
use crate::common::tokio_here;
use crate::common::{Adder, Bell};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;

/// Something to run a future with, and the integration that goes with it.
pub(super) trait Executor {
    type Integration: Integration;
    const WITH_BELL: bool;

    fn run<F: Future>(future: F) -> F::Output;

    fn adder() -> Adder {
        match Self::WITH_BELL {
            true => Adder::with_bell(Bell::eventfd()),
            false => Adder::bare(),
        }
    }
}

pub(super) struct AnyExecutor;

impl Executor for AnyExecutor {
    type Integration = Null;
    const WITH_BELL: bool = false;

    fn run<F: Future>(future: F) -> F::Output {
        pollster::block_on(future)
    }
}

#[cfg(unix)]
pub(super) struct Smol;

#[cfg(unix)]
impl Executor for Smol {
    type Integration = AsyncIo;
    const WITH_BELL: bool = true;

    fn run<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }
}

#[cfg(unix)]
pub(super) struct CurrentThread;

#[cfg(unix)]
impl Executor for CurrentThread {
    type Integration = Tokio;
    const WITH_BELL: bool = true;

    fn run<F: Future>(future: F) -> F::Output {
        tokio_here().block_on(future)
    }
}

#[cfg(unix)]
pub(super) struct MultiThread;

#[cfg(unix)]
impl Executor for MultiThread {
    type Integration = Tokio;
    const WITH_BELL: bool = true;

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        runtime_of_two(runtime).block_on(future)
    }
}

#[cfg(unix)]
pub(super) fn runtime_of_two(mut builder: tokio::runtime::Builder) -> tokio::runtime::Runtime {
    builder.worker_threads(2).enable_all().build().unwrap()
}
