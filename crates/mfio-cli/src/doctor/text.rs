//! The page for people.

use std::fmt::Write;

use mfio_rt::native::{BuildError, DriverKind};

use super::diagnosis::{CHECK_LEN, Chosen, Diagnosis};
use super::hints;
use super::ring::{Fact, Facts};
use crate::drivers;
use crate::machine::{Limit, Machine};
use crate::output::{bytes, grouped, wrap};

/// Start and width of the second column.
const COLUMN: usize = 22;
const WIDTH: usize = 90;

/// Everything, aligned.
pub(super) fn page(diagnosis: &Diagnosis) -> String {
    let mut page = Page(format!("mfio {} doctor\n", env!("CARGO_PKG_VERSION")));
    system(&mut page, &diagnosis.machine);
    trials(&mut page, &diagnosis.trials);
    ring(&mut page, &diagnosis.ring);
    chosen(&mut page, &diagnosis.chosen);
    page.section("What to do");
    let hints = hints::all(diagnosis);
    if hints.is_empty() {
        page.paragraph("nothing: all is well");
    }
    for hint in hints {
        page.paragraph(&hint);
    }
    page.0
}

struct Page(String);

impl Page {
    fn section(&mut self, title: &str) {
        let _ = writeln!(self.0, "\n{title}");
    }

    fn row(&mut self, name: &str, text: &str) {
        for (i, line) in wrap(text, WIDTH).iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            let _ = writeln!(self.0, "  {name:<COLUMN$}{line}");
        }
    }

    fn paragraph(&mut self, text: &str) {
        for (i, line) in wrap(text, COLUMN + WIDTH - 2).iter().enumerate() {
            let mark = if i == 0 { '*' } else { ' ' };
            let _ = writeln!(self.0, "  {mark} {line}");
        }
    }
}

fn system(page: &mut Page, machine: &Machine) {
    page.section("System");
    page.row("kernel", &machine.system());
    page.row("processors", &machine.processors());
    page.row("RLIMIT_MEMLOCK", &limit(machine.locked_memory, bytes));
    page.row("RLIMIT_NOFILE", &limit(machine.open_files, grouped));
    page.row(
        "io_uring_disabled",
        &match machine.io_uring_disabled {
            Some(0) => "0: everybody may use io_uring".to_owned(),
            Some(1) => {
                "1: privileged processes, and the group of sysctl kernel.io_uring_group".to_owned()
            }
            Some(2) => "2: nobody may use io_uring".to_owned(),
            Some(other) => other.to_string(),
            None => {
                "there is no such sysctl (kernels before 6.6): nothing is switched off".to_owned()
            }
        },
    );
    page.row(
        "seccomp",
        &match machine.seccomp {
            None => "not known".to_owned(),
            Some(seccomp) => match (seccomp.mode, seccomp.filters) {
                (0, _) => "not active".to_owned(),
                (1, _) => "strict mode".to_owned(),
                (_, Some(n)) => format!("active, {n} filter{}", if n == 1 { "" } else { "s" }),
                (_, None) => "active".to_owned(),
            },
        },
    );
}

fn limit(limit: Option<Limit>, show: impl Fn(u64) -> String) -> String {
    let show = |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), &show);
    match limit {
        None => "not known".to_owned(),
        Some(Limit { soft, hard }) if soft == hard => show(soft),
        Some(Limit { soft, hard }) => format!("{} (can be raised to {})", show(soft), show(hard)),
    }
}

fn trials(page: &mut Page, trials: &[(DriverKind, Result<String, BuildError>)]) {
    page.section("Drivers, best first");
    for (kind, trial) in trials {
        match trial {
            Ok(details) => page.row(kind.name(), &format!("works: {details}")),
            Err(error) => {
                for (_, rejected) in error.rejected() {
                    page.row(kind.name(), &format!("refused: {rejected}"));
                }
            }
        }
    }
}

fn ring(page: &mut Page, ring: &Facts) {
    page.section("What the io_uring driver needs of the kernel");
    match &ring.refused {
        Some(why) => page.row("not to be seen", why),
        None => {
            page.row("features", &facts(&ring.features));
            page.row("operations", &facts(&ring.operations));
        }
    }
}

fn facts(facts: &[Fact]) -> String {
    let names = |there: bool| -> Vec<&str> {
        let those = facts.iter().filter(|fact| fact.there == there);
        those.map(|fact| fact.name).collect()
    };
    match (names(true), names(false)) {
        (there, missing) if missing.is_empty() => format!("all there: {}", there.join(" ")),
        (there, missing) => format!("MISSING: {}; there: {}", missing.join(" "), there.join(" ")),
    }
}

fn chosen(page: &mut Page, chosen: &Result<Chosen, BuildError>) {
    page.section("A runtime here");
    match chosen {
        Err(error) => page.row("cannot be had", &error.to_string()),
        Ok(Chosen { report, check }) => {
            let details = drivers::details(report);
            page.row("uses", &format!("{} ({details})", report.chosen()));
            match check {
                Ok(checked) => {
                    let took = checked.took.as_secs_f64() * 1e6;
                    let text = format!(
                        "opened {}, read {CHECK_LEN} bytes, all right ({took:.0} µs)",
                        checked.file
                    );
                    page.row("tried", &text);
                }
                Err(error) => page.row("tried", &format!("FAILED: {error}")),
            }
        }
    }
}
