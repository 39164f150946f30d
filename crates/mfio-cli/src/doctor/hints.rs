//! Advice that follows from the findings.

use mfio_rt::native::DriverKind;

use super::diagnosis::Diagnosis;
use crate::machine::Machine;
use crate::output;

/// A ring of the default depth needs about this much; kernels before 5.12 count it against the
/// limit.
const MEMLOCK_WANTED: u64 = 1 << 20;
/// Fewer open files than this are soon used up.
const FILES_WANTED: u64 = 1024;

const ENOSYS: i32 = 38;
const EPERM: i32 = 1;
const EACCES: i32 = 13;

/// Everything worth doing, most useful first; empty when all is well.
pub(super) fn all(diagnosis: &Diagnosis) -> Vec<String> {
    let machine = &diagnosis.machine;
    let mut hints = Vec::new();
    if let Err(error) = diagnosis.trial(DriverKind::IoUring) {
        let errno = error
            .rejected()
            .find_map(|(_, rejected)| rejected.cause().errno());
        hints.extend(about_io_uring(machine, errno));
    }
    hints.extend(about_limits(machine));
    hints
}

#[cfg(target_os = "linux")]
fn about_io_uring(machine: &Machine, errno: Option<i32>) -> Option<String> {
    let denied = matches!(errno, Some(EPERM | EACCES));
    let filtered = machine.seccomp.is_some_and(|seccomp| seccomp.mode == 2);
    let hint = match (denied, machine.io_uring_disabled) {
        (true, Some(2)) => {
            "to allow io_uring on this system: sysctl -w kernel.io_uring_disabled=0 (as root)"
        }
        (true, Some(1)) => {
            "to allow io_uring to everybody: sysctl -w kernel.io_uring_disabled=0 (as root), or \
            put the user into the group \
             of sysctl kernel.io_uring_group"
        }
        (true, _) if filtered => {
            "to allow io_uring in a container, use a seccomp profile that admits io_uring_setup, \
            io_uring_enter and \
             io_uring_register (Docker: --security-opt seccomp=PROFILE.json; Podman the same; \
             Kubernetes: seccompProfile)"
        }
        (true, _) => {
            "ask whoever administers the security module (SELinux, AppArmor) to allow io_uring"
        }
        (false, _) if errno == Some(ENOSYS) => {
            "use a kernel with io_uring (Linux 5.13 or later), or a container runtime that does \
            not hide it (gVisor does)"
        }
        (false, _) => return None,
    };
    Some(hint.to_owned())
}

#[cfg(not(target_os = "linux"))]
fn about_io_uring(_: &Machine, _: Option<i32>) -> Option<String> {
    None
}

fn about_limits(machine: &Machine) -> Vec<String> {
    let mut hints = Vec::new();
    let soft = |limit: Option<crate::machine::Limit>| limit.and_then(|limit| limit.soft);
    if let Some(files) = soft(machine.open_files).filter(|files| *files < FILES_WANTED) {
        hints.push(format!(
            "only {files} files may be open at a time: raise it with `ulimit -n {FILES_WANTED}` \
            before it is used up"
        ));
    }
    if let Some(memory) = soft(machine.locked_memory).filter(|memory| *memory < MEMLOCK_WANTED) {
        hints.push(format!(
            "only {} may be locked in memory: old kernels (before 5.12) count rings against that, \
            and then the queue depth \
             is reduced; raise it with `ulimit -l {}`",
            output::bytes(memory),
            MEMLOCK_WANTED >> 10,
        ));
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::{EPERM, about_io_uring, about_limits};
    use crate::machine::{Limit, Machine, Seccomp};

    fn machine() -> Machine {
        Machine {
            kernel: None,
            cpus: 1,
            cpu_model: None,
            locked_memory: None,
            open_files: None,
            file_size: None,
            io_uring_disabled: Some(0),
            seccomp: Some(Seccomp {
                mode: 0,
                filters: None,
            }),
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_hint_fits_the_cause() {
        let hint = |machine: &Machine, errno| about_io_uring(machine, errno).unwrap_or_default();
        let mut machine = machine();
        assert!(hint(&machine, Some(EPERM)).contains("security module"));
        machine.seccomp = Some(Seccomp {
            mode: 2,
            filters: Some(1),
        });
        assert!(hint(&machine, Some(EPERM)).contains("seccomp profile"));
        machine.io_uring_disabled = Some(2);
        assert!(hint(&machine, Some(EPERM)).contains("io_uring_disabled=0"));
        machine.io_uring_disabled = Some(1);
        assert!(hint(&machine, Some(EPERM)).contains("io_uring_group"));
        assert!(hint(&machine, Some(super::ENOSYS)).contains("kernel with io_uring"));
        assert!(about_io_uring(&machine, None).is_none());
    }

    #[test]
    fn low_limits_are_pointed_out_and_high_ones_are_not() {
        let mut machine = machine();
        let limit = |soft| Some(Limit { soft, hard: None });
        (machine.open_files, machine.locked_memory) = (limit(Some(1024)), limit(None));
        assert!(about_limits(&machine).is_empty());
        (machine.open_files, machine.locked_memory) = (limit(Some(256)), limit(Some(65_536)));
        let hints = about_limits(&machine);
        assert_eq!(hints.len(), 2);
        assert!(
            hints[0].contains("256 files") && hints[1].contains("64 KiB"),
            "{hints:?}"
        );
    }
}
