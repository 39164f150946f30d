//! The `mfio` command: what this machine can do (`doctor`), and how fast it is (`bench`).
//!
//! | module | what |
//! |---|---|
//! | `args` | the command line |
//! | `doctor` | what works here, what would be chosen, and why nothing better |
//! | `bench` | random reads through std, tokio and mfio, side by side |
//! | `machine`, `drivers` | what both tell about the system and about the ladder of drivers |
//! | `failure`, `json`, `output` | how the command speaks |

#[cfg(unix)]
mod args;
#[cfg(unix)]
mod bench;
#[cfg(unix)]
mod doctor;
#[cfg(unix)]
mod drivers;
#[cfg(unix)]
mod failure;
#[cfg(unix)]
mod json;
#[cfg(unix)]
mod machine;
#[cfg(unix)]
mod output;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    use clap::Parser;

    let result = match args::Args::parse().command {
        args::Command::Doctor(args) => doctor::run(&args),
        args::Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("mfio: the native runtime has no driver for this operating system yet");
    ExitCode::FAILURE
}
