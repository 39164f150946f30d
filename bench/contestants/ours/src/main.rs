//! mfio of this repository: one file object of the native runtime, whoever drives it.
//!
//! * `blocking`: the blocking form on one thread, whatever the depth
//! * `packet`: `qd` loops in one future under our `block_on`, each reusing one page-aligned packet
//! * `borrowed`: the same with `read_exact_at(&mut [u8], offset)`
//! * `tokio-mt`: `qd` tasks on multi-threaded tokio with one worker, beside a spawned driver
//! * `smol`: the same on a `smol::LocalExecutor`

mod blocking;
mod executors;
mod files;
mod join;

use harness_common::micro::{self, BlockOn};
use mfio::backend::IoBackendExt;
use mfio_rt::native::NativeRt;
use std::future::Future;

fn main() {
    harness_common::run("ours", |a| {
        match (a.workload.as_str(), a.variant.as_str()) {
            ("w1", "blocking") => Some(blocking::rand_read(a)),
            (_, "blocking") => None,
            ("w1" | "w2", _) => Some(files::rand_read(a)),
            ("w3r", _) => Some(files::seq(a, false)),
            ("w3w", _) => Some(files::seq(a, true)),
            ("w3c", _) => Some(files::copy(a)),
            ("w6", "packet") => micro::run(a, &mut Native(NativeRt::new().expect("a runtime"))),
            _ => None,
        }
    });
}

struct Native(NativeRt);

impl BlockOn for Native {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        self.0.block_on(f)
    }
}
