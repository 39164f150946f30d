//! Driver selection's probe of io_uring: sets a ring up, or explains why that failed.

use std::io;

use io_uring::opcode;

use super::ring::{BATCH, Ring};
use super::sqe;
use crate::native::report::Rejected;
use crate::native::sys::{Resource, limit};
use mfio::error::{Cause, ErrorKind};

/// The smallest depth that is tried.
const MIN_DEPTH: u32 = 8;

/// A ring that works.
pub(super) struct Probed {
    pub(super) ring: Ring,
    /// The number of operations that the kernel may have at a time.
    pub(super) depth: u32,
}

/// Sets a ring up, at a smaller depth if memory is limited, and checks what the driver needs of it.
pub(super) fn probe(wanted: u32) -> Result<Probed, Rejected> {
    let mut depth = wanted.max(1);
    let ring = loop {
        match Ring::new(entries(depth), completions(depth)) {
            Ok(ring) => break ring,
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && depth > MIN_DEPTH => {
                depth /= 2
            }
            Err(error) => return Err(explain_setup(&error, depth)),
        }
    };
    check_features(&ring)?;
    check_opcodes(&ring)?;
    check_nop(&ring)?;
    Ok(Probed { ring, depth })
}

/// Returns the number of submission entries: a batch, because more would only cost memory.
fn entries(depth: u32) -> u32 {
    depth.next_power_of_two().clamp(8, 512)
}

/// Returns the number of completion entries: one for each operation, and some for wake-ups and the
/// results of cancel requests.
fn completions(depth: u32) -> u32 {
    (depth * 2 + 64).next_power_of_two().max(entries(depth) * 2)
}

fn check_features(ring: &Ring) -> Result<(), Rejected> {
    let params = ring.params();
    let needed = [
        (params.is_feature_nodrop(), "NODROP (Linux 5.5)"),
        (
            params.is_feature_submit_stable(),
            "SUBMIT_STABLE (Linux 5.5)",
        ),
        (params.is_feature_ext_arg(), "EXT_ARG (Linux 5.11)"),
        (
            params.is_feature_resource_tagging(),
            "RSRC_TAGS (Linux 5.13)",
        ),
    ];
    match needed.iter().find(|(there, _)| !there) {
        None => Ok(()),
        Some((_, name)) => Err(Rejected::new(
            "features",
            ErrorKind::NotSupported,
            format!("the kernel is too old: it lacks {name}"),
        )),
    }
}

fn check_opcodes(ring: &Ring) -> Result<(), Rejected> {
    let probe = ring.probe().map_err(|error| {
        Rejected::new(
            "IORING_REGISTER_PROBE",
            Cause::from(&error),
            "the kernel does not tell which operations it knows",
        )
    })?;
    let missing: Vec<_> = sqe::NEEDED
        .iter()
        .filter(|(code, _)| !probe.is_supported(*code))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("the kernel lacks the operations {}", missing.join(", "));
    Err(Rejected::new("operations", ErrorKind::NotSupported, why))
}

/// Carries out a NOP: a seccomp filter may allow the setup and refuse `io_uring_enter`.
fn check_nop(ring: &Ring) -> Result<(), Rejected> {
    const PROBE: u64 = 0x6d66_696f;
    let nop = opcode::Nop::new().build().user_data(PROBE);
    let refused = |error: &io::Error| {
        Rejected::new("io_uring_enter", Cause::from(error), explain_denied(error))
    };
    submit_nop(ring, &nop).map_err(|error| refused(&error))?;
    loop {
        match ring.wait(Some(std::time::Duration::from_secs(5))) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refused(&error)),
        }
    }
    let mut room = [const { std::mem::MaybeUninit::uninit() }; BATCH];
    let mut done = ring.completions(&mut room);
    match done.next() {
        Some(completion) if completion.user_data == PROBE && completion.result == 0 => Ok(()),
        _ => Err(Rejected::new(
            "NOP",
            ErrorKind::Other,
            "a request that does nothing was not answered as it should be",
        )),
    }
}

#[allow(unsafe_code)]
fn submit_nop(ring: &Ring, nop: &io_uring::squeue::Entry) -> io::Result<()> {
    let mut entries = ring.entries();
    // SAFETY: the entry points to nothing (ring.rs, 2).
    unsafe { entries.push(nop) };
    loop {
        match entries.submit() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn explain_setup(error: &io::Error, depth: u32) -> Rejected {
    let why = match error.raw_os_error() {
        Some(libc::ENOMEM) => explain_memory(depth),
        Some(libc::EMFILE) => explain_files(),
        Some(libc::ENFILE) => {
            "the system's limit of open files is reached (sysctl fs.file-max)".into()
        }
        Some(libc::ENOSYS) => {
            "the kernel has no io_uring (it needs Linux 5.13), or a filter hides it".into()
        }
        _ => explain_denied(error),
    };
    Rejected::new("io_uring_setup", Cause::from(error), why)
}

fn explain_memory(depth: u32) -> String {
    let needed = u64::from(entries(depth)) * 64 + u64::from(completions(depth)) * 16 + 8192;
    match limit(Resource::LockedMemory) {
        Some((soft, _)) => format!(
            "memory for the rings is limited: RLIMIT_MEMLOCK is {soft} bytes, and a depth of \
             {depth} needs {needed} beside what other rings of this user have; raise it \
             (`ulimit -l`), or lower the queue depth"
        ),
        None => format!("memory is missing: a depth of {depth} needs {needed} bytes"),
    }
}

fn explain_files() -> String {
    match limit(Resource::OpenFiles) {
        Some((soft, hard)) => format!(
            "this process may not open more files: RLIMIT_NOFILE is {soft} (hard limit {hard}), \
             and a ring needs 2 descriptors; raise it (`ulimit -n`), or close files"
        ),
        None => "this process may not open more files".into(),
    }
}

fn explain_denied(error: &io::Error) -> String {
    let denied = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
    let disabled =
        std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match (denied, disabled.trim()) {
        (true, "2") => "switched off on this system: sysctl kernel.io_uring_disabled is 2".into(),
        (true, "1") => "reserved on this system: sysctl kernel.io_uring_disabled is 1, which \
             admits only privileged processes and the group of sysctl kernel.io_uring_group"
            .into(),
        (true, _) if is_filtered() => "a seccomp filter of this process refuses it (container \
             runtimes install such filters; Docker: --security-opt seccomp=...)"
            .into(),
        (true, _) => "the system refuses it (a security module?)".into(),
        (false, _) => "the system call failed".into(),
    }
}

/// Whether a seccomp filter is in force.
fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| {
        line.strip_prefix("Seccomp:")
            .is_some_and(|mode| mode.trim() == "2")
    })
}
