//! The parts that all contestants share: the command line, clocks, CPU accounting, work generators,
//! the executor micro-benchmarks and the one-line JSON report. Nothing here touches a runtime.

mod args;
mod buf;
pub mod memory;
pub mod micro;
mod report;
mod sys;
mod work;

pub use args::Args;
pub use buf::AlignedBuf;
pub use report::{Meter, Outcome};
pub use sys::{CpuTime, cpu_time, open_file, pin_to};
pub use work::{RandReads, SeqCursor, Xorshift};

/// Parses the command line, pins the process, runs `f` and prints its outcome as one JSON line.
///
/// `f` returns `None` for a workload or variant the contestant does not have; the process then
/// prints `{"skip":...}` and exits 0, so the driver can tell "absent" from "broken".
pub fn run(contestant: &str, f: impl FnOnce(&Args) -> Option<Outcome>) {
    let args = Args::parse();
    if let Some(cpus) = &args.cpus {
        pin_to(cpus);
    }
    match f(&args) {
        Some(o) => println!("{}", o.json(contestant, &args)),
        None => println!(
            "{{\"contestant\":\"{contestant}\",\"variant\":\"{}\",\"workload\":\"{}\",\
             \"skip\":true}}",
            args.variant, args.workload
        ),
    }
}
