//! The effect of signals on the command.

#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets SIGINT and SIGTERM end the command, as they do where a terminal starts it. What ignores a
/// signal hands that on to whatever it starts, and so these tests may have it from `nohup`, or from
/// a shell that runs them in the background.
pub(crate) fn can_be_ended(command: &mut Command) -> &mut Command {
    // SAFETY: between `fork` and `exec` only what is async-signal-safe may be called, and nothing
    // be allocated: `by_default` calls signal(2), which is, and makes errors of numbers only.
    unsafe {
        command.pre_exec(|| {
            [libc::SIGINT, libc::SIGTERM]
                .into_iter()
                .try_for_each(by_default)
        })
    }
}

fn by_default(signal: libc::c_int) -> Result<()> {
    // SAFETY: no handler is installed.
    match unsafe { libc::signal(signal, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(Error::last_os_error()),
        _ => Ok(()),
    }
}
