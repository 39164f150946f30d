#![allow(unsafe_code)]

use crate::Args;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

#[derive(Clone, Copy, Debug)]
pub struct CpuTime {
    pub user_ns: u64,
    pub sys_ns: u64,
}

/// CPU time of the whole process, kernel workers (io-wq) included.
pub fn cpu_time() -> CpuTime {
    // SAFETY: a C structure of integers, for which zeros are a value.
    let mut ru: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `ru` is ours to write.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut ru) };
    let ns = |t: libc::timeval| t.tv_sec as u64 * 1_000_000_000 + t.tv_usec as u64 * 1000;
    CpuTime {
        user_ns: ns(ru.ru_utime),
        sys_ns: ns(ru.ru_stime),
    }
}

/// Pins the calling thread; threads started later inherit it.
pub fn pin_to(cpus: &[usize]) {
    // SAFETY: the set is ours, of the size told to the call, and zeros are the empty set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &c in cpus {
            libc::CPU_SET(c, &mut set);
        }
        let r = libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
        assert_eq!(r, 0, "sched_setaffinity");
    }
}

/// Opens the workload's file: read-only for reads, read-write (created, never truncated) for
/// writes, with O_DIRECT where asked for.
pub fn open_file(a: &Args, path: &std::path::Path, write: bool) -> File {
    let mut o = std::fs::OpenOptions::new();
    o.read(true);
    if write {
        o.write(true).create(true);
    }
    if a.direct {
        o.custom_flags(libc::O_DIRECT);
    }
    o.open(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
