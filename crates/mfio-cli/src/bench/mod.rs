//! `mfio bench`: random reads of one file through std, tokio and mfio, side by side.
//!
//! All contestants read blocks of the same size at random places of the same file, whose pages are
//! cached, into page-aligned buffers that are used again and again, and compare two words of every
//! block with the expected ones. All contestants of mfio read the same file object, opened once.

// | module | contents |
// |---|---|
// | `contestant`, `plan` | the contestants; events to measure, how often and how long |
// | `subject`, `content` | the file, taken or made; the expected words of its blocks |
// | `arena` | the file and the objects that read it |
// | `reads`, `cpu` | the next offset, the time, the check of each block; processor time |
// | `plain`, `tokio_fs`, `ours` | the contestants' code |
// | `measure`, `rounds` | one measurement; interleaved rounds of them |
// | `figures` | medians, spread, ratios |
// | `table`, `report`, `sink` | the page for people, JSON, and its destination |
// | `progress` | messages on standard error |

mod arena;
mod content;
mod contestant;
mod cpu;
mod figures;
mod measure;
mod ours;
mod plain;
mod plan;
mod progress;
mod reads;
mod report;
mod rounds;
mod sink;
mod subject;
mod table;
mod tokio_fs;

use std::sync::Arc;
use std::time::Instant;

use mfio::backend::IoBackendExt;

use crate::args::BenchArgs;
use crate::failure::{Failure, Result};
use crate::machine::Machine;
use crate::{drivers, output};

use self::arena::Arena;
use self::figures::Figures;
use self::plan::Plan;
use self::progress::Progress;
use self::report::Context;
use self::sink::Sink;
use self::subject::Subject;

/// Measures, and prints the table or JSON.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let begun = Instant::now();
    let plan = Plan::new(args)?;
    let sink = args.json.as_deref().map(Sink::new).transpose()?;
    let runtime = drivers::runtime(args.driver).map_err(|error| drivers::no_runtime(&error))?;
    let mut progress = Progress::new(args.quiet);
    if cfg!(debug_assertions) {
        progress
            .line("built without optimisation: the figures mean little (use cargo run --release)");
    }
    let subject = match &args.file {
        Some(path) => Subject::take(path, &plan, &mut progress)?,
        None => Subject::make(args.dir.as_deref(), &plan, &mut progress)?,
    };
    let file = runtime
        .block_on(runtime.open_read(subject.path()))
        .map_err(|error| Failure::new(error.to_string()))?;
    let subject = Arc::new(subject);
    let context = Context {
        machine: Machine::look(),
        drivers: runtime.report().clone(),
        subject: subject.clone(),
        tokio_workers: tokio_fs::workers()?,
    };
    let arena = Arena {
        subject,
        runtime,
        file,
    };
    let rounds = rounds::run(&arena, &plan, begun, &mut progress)?;
    let figures = Figures::of(&plan, &rounds);
    match &sink {
        Some(sink) if sink.is_stdout() => {}
        _ => output::print(&table::page(&context, &plan, &figures))?,
    }
    match sink {
        Some(sink) => sink.write(&format!("{}\n", report::json(&context, &plan, &figures))),
        None => Ok(()),
    }
}
