//! JSON: machine, drivers, file, settings, every sample.

use std::sync::Arc;

use mfio_rt::native::Report;

use super::figures::{Figure, Figures};
use super::plan::Plan;
use super::reads::Sample;
use super::subject::Subject;
use crate::drivers;
use crate::json::Json;
use crate::machine::Machine;

/// The circumstances of the measurements.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) machine: Machine,
    pub(super) drivers: Report,
    pub(super) subject: Arc<Subject>,
    pub(super) tokio_workers: usize,
}

/// Everything.
pub(super) fn json(context: &Context, plan: &Plan, figures: &Figures) -> Json {
    Json::Object(vec![
        ("mfio", env!("CARGO_PKG_VERSION").into()),
        ("optimised", (!cfg!(debug_assertions)).into()),
        ("machine", context.machine.to_json()),
        ("driver", drivers::report_json(&context.drivers)),
        ("file", file(&context.subject)),
        ("settings", settings(context, plan, figures)),
        ("reads_verified", figures.reads.into()),
        ("processor_share", figures.processor_share.into()),
        ("results", figures.all.iter().map(result).collect()),
    ])
}

fn file(subject: &Subject) -> Json {
    Json::Object(vec![
        ("name", subject.name.as_str().into()),
        ("made", subject.made.into()),
        ("filesystem", subject.filesystem.clone().into()),
        ("bytes_read_from", subject.len().into()),
        ("block_size", subject.block_size.into()),
    ])
}

fn settings(context: &Context, plan: &Plan, figures: &Figures) -> Json {
    Json::Object(vec![
        ("depths", plan.depths.iter().copied().collect()),
        ("rounds_wanted", plan.rounds.into()),
        ("rounds", figures.rounds.into()),
        ("seconds", plan.length.as_secs_f64().into()),
        ("tokio_workers", context.tokio_workers.into()),
    ])
}

fn result(figure: &Figure) -> Json {
    let event = figure.event;
    let depth = event.contestant.has_depth().then_some(event.depth);
    Json::Object(vec![
        ("contestant", event.contestant.key().into()),
        ("depth", depth.into()),
        ("reads_per_second", figure.rate.median.into()),
        ("min", figure.rate.min.into()),
        ("max", figure.rate.max.into()),
        ("ratio_to_std_pread", figure.to_pread.into()),
        ("ratio_to_tokio_fs", figure.to_tokio_fs.into()),
        ("cpu_seconds_per_read", figure.cpu_per_read.into()),
        ("samples", figure.samples.iter().map(sample).collect()),
    ])
}

fn sample(sample: &Sample) -> Json {
    Json::Object(vec![
        ("reads", sample.reads.into()),
        ("seconds", sample.took.as_secs_f64().into()),
        (
            "cpu_seconds",
            sample.cpu.map(|cpu| cpu.as_secs_f64()).into(),
        ),
    ])
}
