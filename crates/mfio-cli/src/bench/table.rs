//! The page for people.

use std::fmt::Write;

use super::figures::{Figure, Figures};
use super::plan::Plan;
use super::report::Context;
use crate::drivers;
use crate::output::{bytes, grouped, wrap};

const WIDTH: usize = 96;

/// On an idle machine a thread that never waits gets more of a processor than this.
const IDLE: f64 = 0.9;

/// Returns the circumstances, the table, and notes on how to read it.
pub(super) fn page(context: &Context, plan: &Plan, figures: &Figures) -> String {
    let mut page = String::new();
    head(&mut page, context, plan, figures);
    let heading = format!(
        "{:<20}{:>12}{:>9}{:>10}{:>12}{:>12}",
        "", "reads/s", "spread", "CPU/read", "× std pread", "× tokio::fs"
    );
    section(&mut page, "one read at a time, on this thread", &heading);
    rows(&mut page, figures, |figure| {
        !figure.event.contestant.has_depth()
    });
    for depth in &plan.depths {
        let plural = if *depth == 1 { "" } else { "s" };
        section(
            &mut page,
            &format!("{depth} read{plural} in flight"),
            &heading,
        );
        rows(&mut page, figures, |figure| {
            figure.event.contestant.has_depth() && figure.event.depth == *depth
        });
    }
    notes(&mut page, context, figures);
    page
}

fn head(page: &mut String, context: &Context, plan: &Plan, figures: &Figures) {
    let subject = &context.subject;
    let filesystem = subject
        .filesystem
        .as_deref()
        .unwrap_or("file system not known");
    let mut row = |name: &str, text: &str| {
        for (i, line) in wrap(text, WIDTH - 10).iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            let _ = writeln!(page, "{name:<10}{line}");
        }
    };
    row(
        "machine",
        &format!(
            "{}, {}",
            context.machine.processors(),
            context.machine.system()
        ),
    );
    row(
        "file",
        &format!(
            "{} ({filesystem}), {}, cached",
            subject.name,
            bytes(subject.len())
        ),
    );
    row(
        "reads",
        &format!(
            "{} at random places, page-aligned buffers; {} round{} of {:.2} s each",
            bytes(plan.block_size as u64),
            figures.rounds,
            if figures.rounds == 1 { "" } else { "s" },
            plan.length.as_secs_f64(),
        ),
    );
    let details = drivers::details(&context.drivers);
    row(
        "driver",
        &format!("{} ({details})", context.drivers.chosen()),
    );
    for (kind, rejected) in drivers::rejected(&context.drivers) {
        row("", &format!("not {kind}, which is refused: {rejected}"));
    }
}

fn section(page: &mut String, title: &str, heading: &str) {
    let _ = writeln!(page, "\n{title}");
    let _ = writeln!(page, "{heading}");
}

fn rows(page: &mut String, figures: &Figures, wanted: impl Fn(&Figure) -> bool) {
    for figure in figures.all.iter().filter(|figure| wanted(figure)) {
        let spread = match figures.rounds {
            1 => "-".to_owned(),
            _ => format!("±{:.0} %", figure.rate.spread() * 100.0),
        };
        let cpu = figure
            .cpu_per_read
            .map_or("-".to_owned(), |cpu| format!("{:.2} µs", cpu * 1e6));
        let ratio = |ratio: f64| format!("{ratio:.2}");
        let _ = writeln!(
            page,
            "  {:<18}{:>12}{:>9}{:>10}{:>12}{:>12}",
            figure.event.contestant.name(),
            grouped(figure.rate.median.round() as u64),
            spread,
            cpu,
            ratio(figure.to_pread),
            figure.to_tokio_fs.map_or("-".to_owned(), ratio),
        );
    }
}

fn notes(page: &mut String, context: &Context, figures: &Figures) {
    let workers = context.tokio_workers;
    let notes = [
        format!(
            "All {} reads were verified, and right.",
            grouped(figures.reads)
        ),
        "All rows of mfio read one and the same file object, opened once; tokio::fs has a handle \
        for each read in flight, \
         seeks and reads."
            .to_owned(),
        format!(
            "std pread, block_on and smol use one thread; the rows of tokio, both of them, have \
            {workers} worker{}, and \
             tokio::fs its pool of blocking threads besides.",
            if workers == 1 { "" } else { "s" },
        ),
        "Medians over the rounds; spread is half the distance of the extremes; ratios are medians \
        of those within each \
         round; CPU is the processor time of all threads, user and system."
            .to_owned(),
    ];
    page.push('\n');
    for line in notes.iter().flat_map(|note| wrap(note, WIDTH)) {
        let _ = writeln!(page, "{line}");
    }
    if let Some(share) = figures.processor_share.filter(|share| *share < IDLE) {
        let busy = format!(
            "THE MACHINE WAS BUSY: pread, which never waits here, got {:.0} % of a processor. \
            Compare the column CPU/read, or \
             measure again when it is idle.",
            share * 100.0
        );
        for line in wrap(&busy, WIDTH) {
            let _ = writeln!(page, "{line}");
        }
    }
    if cfg!(debug_assertions) {
        let _ = writeln!(page, "BUILT WITHOUT OPTIMISATION: the figures mean little.");
    }
}
