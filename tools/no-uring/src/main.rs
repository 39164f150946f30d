//! `no-uring COMMAND [ARGUMENT]...`: runs a command as if the administrator had forbidden io_uring.
//!
//! Container runtimes answer EPERM to `io_uring_setup`, `io_uring_enter` and `io_uring_register`.
//! This program installs such a filter on itself and then becomes the command; children inherit the
//! filter and cannot lift it.
//!
//! Exit status: the command's own; 125 if the filter could not be installed, 127 if the command
//! could not be run, 2 without a command (the convention of `env` and `nohup`).

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod filter;

/// The filter could not be installed.
const EXIT_FILTER: u8 = 125;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let Some(command) = args.next() else {
        eprintln!("usage: no-uring COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    run(command, args)
}

#[cfg(target_os = "linux")]
fn run(command: std::ffi::OsString, args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    use std::os::unix::process::CommandExt;

    if let Err(e) = filter::install() {
        eprintln!("no-uring: cannot install the seccomp filter: {e}");
        return ExitCode::from(EXIT_FILTER);
    }
    if let Err(e) = filter::check() {
        eprintln!("no-uring: {e}");
        return ExitCode::from(EXIT_FILTER);
    }
    let error = std::process::Command::new(&command).args(args).exec();
    eprintln!("no-uring: cannot run {}: {error}", command.display());
    ExitCode::from(127)
}

#[cfg(not(target_os = "linux"))]
fn run(_: std::ffi::OsString, _: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    eprintln!("no-uring: seccomp filters exist on Linux only");
    ExitCode::from(EXIT_FILTER)
}
