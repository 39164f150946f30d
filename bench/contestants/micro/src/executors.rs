//! `block_on` of executors that have nothing to do with I/O.

use harness_common::micro::{self, BlockOn};
use harness_common::{Args, Outcome};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(crate) fn run(a: &Args) -> Option<Outcome> {
    match a.variant.as_str() {
        "pollster" => micro::run(a, &mut Pollster),
        "futures" => micro::run(a, &mut Futures),
        "async-io" => micro::run(a, &mut AsyncIo),
        "noop" if a.op != "parked" => micro::run(a, &mut Noop),
        _ => None,
    }
}

struct Pollster;

impl BlockOn for Pollster {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        pollster::block_on(f)
    }
}

struct Futures;

impl BlockOn for Futures {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        futures::executor::block_on(f)
    }
}

struct AsyncIo;

impl BlockOn for AsyncIo {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        async_io::block_on(f)
    }
}

struct Noop;

impl BlockOn for Noop {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        let mut f = pin!(f);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(v) = f.as_mut().poll(&mut cx) {
                return v;
            }
            std::hint::spin_loop();
        }
    }
}
