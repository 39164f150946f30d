//! `mfio bench`: random reads of one file through std, tokio and mfio, side by side.
//!
//! | module | what |
//! |---|---|
//! | `plan` | what is measured, how often and how long |
//! | `subject`, `content` | the file: taken or made; what its blocks must hold |
//! | `reads` | where to read next, for how long, and whether it was right |
//! | `contestant`, `plain`, `tokio_fs`, `ours` | who reads |
//! | `rounds`, `cpu` | interleaved rounds, and the processor time that they took |
//! | `figures` | medians, spread, ratios |
//! | `table`, `report`, `sink` | the page for people, JSON, and where that goes |
//! | `progress` | what is said meanwhile |
//!
//! Everybody reads blocks of the same size at random places of the same file, whose pages have been read before, into
//! page-aligned buffers that are used again and again, and compares two words of every block with what they must be.
//! All contestants of mfio read the same file object, opened once.

mod content;
mod contestant;
mod cpu;
mod figures;
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

use self::contestant::Arena;
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
