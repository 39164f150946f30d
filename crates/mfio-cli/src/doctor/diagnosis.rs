//! Trying every driver for real.

use std::path::Path;
use std::time::{Duration, Instant};

use mfio::backend::IoBackendExt;
use mfio::traits::IoRead;
use mfio_rt::native::{BuildError, DriverKind, NativeRt, Report};

use super::ring;
use crate::drivers;
use crate::json::Json;
use crate::machine::Machine;
use crate::output;

/// The findings.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(super) machine: Machine,
    /// Every driver, best first, on its own: what it is like, or why it cannot be had.
    pub(super) trials: Vec<(DriverKind, Result<String, BuildError>)>,
    /// The runtime that default options lead to.
    pub(super) chosen: Result<Chosen, BuildError>,
    pub(super) ring: ring::Facts,
}

/// A runtime that could be built.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) report: Report,
    /// How long a read through it took, or why it failed.
    pub(super) check: Result<Checked, String>,
}

/// A read that came back with the right bytes.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) file: String,
    pub(super) took: Duration,
}

/// Bytes read by the check.
pub(super) const CHECK_LEN: usize = 4096;

impl Diagnosis {
    /// Tries everything.
    pub(super) fn make() -> Self {
        let trial = |kind| {
            let runtime = drivers::runtime(Some(kind))?;
            Ok(drivers::details(runtime.report()).to_owned())
        };
        Self {
            machine: Machine::look(),
            trials: DriverKind::ALL
                .iter()
                .map(|kind| (*kind, trial(*kind)))
                .collect(),
            chosen: drivers::runtime(None).map(|runtime| Chosen {
                check: check(&runtime),
                report: runtime.report().clone(),
            }),
            ring: ring::look(),
        }
    }

    /// Returns the outcome for this driver.
    pub(super) fn trial(&self, kind: DriverKind) -> Result<&str, &BuildError> {
        match self.trials.iter().find(|(tried, _)| *tried == kind) {
            Some((_, Ok(details))) => Ok(details),
            Some((_, Err(error))) => Err(error),
            None => unreachable!("every driver of the ladder is tried"),
        }
    }

    /// All of it with the advice that follows from it.
    pub(super) fn to_json(&self, hints: Vec<String>) -> Json {
        let trials = self.trials.iter().map(|(kind, trial)| {
            let mut fields = vec![
                ("name", kind.name().into()),
                ("works", trial.is_ok().into()),
            ];
            match trial {
                Ok(details) => fields.push(("details", details.as_str().into())),
                Err(error) => {
                    for (_, rejected) in error.rejected() {
                        fields.extend(drivers::rejection_fields(rejected));
                    }
                }
            }
            Json::Object(fields)
        });
        Json::Object(vec![
            ("mfio", env!("CARGO_PKG_VERSION").into()),
            ("machine", self.machine.to_json()),
            ("drivers", trials.collect()),
            ("io_uring", self.ring.to_json()),
            ("runtime", self.chosen_json()),
            ("hints", hints.into_iter().collect()),
        ])
    }

    fn chosen_json(&self) -> Json {
        let (works, fields) = match &self.chosen {
            Err(error) => (false, vec![("error", error.to_string().into())]),
            Ok(Chosen { report, check }) => (
                check.is_ok(),
                vec![
                    ("report", drivers::report_json(report)),
                    ("check", check_json(check)),
                ],
            ),
        };
        let mut all = vec![("works", works.into())];
        all.extend(fields);
        Json::Object(all)
    }
}

fn check_json(check: &Result<Checked, String>) -> Json {
    Json::Object(match check {
        Ok(checked) => vec![
            ("file", checked.file.as_str().into()),
            ("bytes", CHECK_LEN.into()),
            ("microseconds", (checked.took.as_secs_f64() * 1e6).into()),
        ],
        Err(error) => vec![("error", error.as_str().into())],
    })
}

/// Reads the start of this program through the runtime, and compares it with what the standard
/// library reads.
fn check(runtime: &NativeRt) -> Result<Checked, String> {
    let path =
        std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let expected = start_of(&path).map_err(|error| format!("{}: {error}", output::path(&path)))?;
    let start = Instant::now();
    let found = runtime
        .block_on(async {
            let file = runtime.open_read(&path).await?;
            file.read_vec_at(0, CHECK_LEN).await
        })
        .map_err(|error| error.to_string())?;
    let took = start.elapsed();
    if found == expected {
        let file = output::path(&path);
        Ok(Checked { file, took })
    } else {
        Err(format!("{} reads wrong", output::path(&path)))
    }
}

fn start_of(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;

    let mut bytes = Vec::with_capacity(CHECK_LEN);
    let file = std::fs::File::open(path)?;
    file.take(CHECK_LEN as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
