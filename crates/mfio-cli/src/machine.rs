//! Facts about the system, from `/proc`, so that no system call is made here directly.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::json::Json;

/// The facts; `None` where they cannot be found out.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) kernel: Option<String>,
    pub(crate) cpus: usize,
    pub(crate) cpu_model: Option<String>,
    /// `RLIMIT_MEMLOCK`, bytes.
    pub(crate) locked_memory: Option<Limit>,
    /// `RLIMIT_NOFILE`.
    pub(crate) open_files: Option<Limit>,
    /// `RLIMIT_FSIZE`, bytes.
    pub(crate) file_size: Option<Limit>,
    /// sysctl `kernel.io_uring_disabled`; kernels before 6.6 have none.
    pub(crate) io_uring_disabled: Option<u64>,
    pub(crate) seccomp: Option<Seccomp>,
}

/// A resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) soft: Option<u64>,
    pub(crate) hard: Option<u64>,
}

/// The state of seccomp in `/proc/self/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seccomp {
    /// 0 off, 1 strict, 2 filters.
    pub(crate) mode: u64,
    pub(crate) filters: Option<u64>,
}

impl Machine {
    /// Asks.
    pub(crate) fn look() -> Self {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            kernel: line_of("/proc/sys/kernel/osrelease"),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cpu_model: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            locked_memory: limit(&limits, "Max locked memory"),
            open_files: limit(&limits, "Max open files"),
            file_size: limit(&limits, "Max file size"),
            io_uring_disabled: line_of("/proc/sys/kernel/io_uring_disabled")
                .and_then(|text| text.parse().ok()),
            seccomp: seccomp(&status),
        }
    }

    /// `x86_64 Linux 6.18.0`.
    pub(crate) fn system(&self) -> String {
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        match &self.kernel {
            Some(kernel) => format!("Linux {kernel}, {arch}"),
            None => format!("{os}, {arch}"),
        }
    }

    /// `2 CPUs (model)`.
    pub(crate) fn processors(&self) -> String {
        let plural = if self.cpus == 1 { "" } else { "s" };
        match &self.cpu_model {
            Some(model) => format!("{} CPU{plural} ({model})", self.cpus),
            None => format!("{} CPU{plural}", self.cpus),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        Json::Object(vec![
            ("os", std::env::consts::OS.into()),
            ("kernel", self.kernel.clone().into()),
            ("arch", std::env::consts::ARCH.into()),
            ("cpus", self.cpus.into()),
            ("cpu_model", self.cpu_model.clone().into()),
            (
                "rlimit_memlock",
                self.locked_memory.map(Limit::to_json).into(),
            ),
            ("rlimit_nofile", self.open_files.map(Limit::to_json).into()),
            ("rlimit_fsize", self.file_size.map(Limit::to_json).into()),
            ("io_uring_disabled", self.io_uring_disabled.into()),
            (
                "seccomp_mode",
                self.seccomp.map(|seccomp| seccomp.mode).into(),
            ),
            (
                "seccomp_filters",
                self.seccomp.and_then(|seccomp| seccomp.filters).into(),
            ),
        ])
    }
}

impl Limit {
    /// Unlimited is `null`.
    fn to_json(self) -> Json {
        Json::Object(vec![("soft", self.soft.into()), ("hard", self.hard.into())])
    }
}

/// The kind of file system that an open file is on (`ext4`, `tmpfs`).
pub(crate) fn filesystem(file: &fs::File) -> Option<String> {
    let device = file.metadata().ok()?.dev();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| kind_of(line, device))
}

/// A line of `mountinfo`: the third column is `major:minor`, and the kind comes after a lone
/// hyphen.
fn kind_of(line: &str, device: u64) -> Option<String> {
    let (major, minor) = line.split_whitespace().nth(2)?.split_once(':')?;
    let (major, minor): (u64, u64) = (major.parse().ok()?, minor.parse().ok()?);
    if device_number(major, minor) != device {
        return None;
    }
    let (_, kind) = line.split_once(" - ")?;
    kind.split_whitespace().next().map(str::to_owned)
}

/// Linux's encoding of a device number.
fn device_number(major: u64, minor: u64) -> u64 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
}

fn line_of(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim().to_owned())
}

/// A line of `/proc/self/limits`: the name, then soft limit, hard limit and unit in columns.
fn limit(limits: &str, name: &str) -> Option<Limit> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut columns = line.split_whitespace();
    let mut value = || match columns.next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(Limit {
        soft: value()?,
        hard: value()?,
    })
}

fn seccomp(status: &str) -> Option<Seccomp> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some(Seccomp {
        mode: field("Seccomp:")?,
        filters: field("Seccomp_filters:"),
    })
}

#[cfg(test)]
mod tests {
    use super::{Limit, Seccomp, cpu_model, kind_of, limit, seccomp};

    #[test]
    fn limits_are_found_by_name() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \
        \n\
                    Max file size             unlimited            unlimited            bytes     \
                    \n\
                    Max open files            1024                 524288               files     \
                    \n";
        let found = Limit {
            soft: Some(1024),
            hard: Some(524_288),
        };
        assert_eq!(limit(text, "Max open files"), Some(found));
        let unlimited = Limit {
            soft: None,
            hard: None,
        };
        assert_eq!(limit(text, "Max file size"), Some(unlimited));
        assert_eq!(limit(text, "Max locked memory"), None);
        assert_eq!(limit("Max open files", "Max open files"), None);
    }

    #[test]
    fn seccomp_is_reported_with_and_without_the_number_of_filters() {
        let with = Seccomp {
            mode: 2,
            filters: Some(1),
        };
        assert_eq!(
            seccomp("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"),
            Some(with)
        );
        let without = Seccomp {
            mode: 0,
            filters: None,
        };
        assert_eq!(seccomp("Seccomp:\t0\n"), Some(without));
        assert_eq!(seccomp(""), None);
    }

    #[test]
    fn the_processor_has_a_name_or_not() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: Fast CPU\n").as_deref(),
            Some("Fast CPU")
        );
        assert_eq!(cpu_model("Features\t: fp\n"), None);
    }

    #[test]
    fn the_file_system_is_found_by_its_device() {
        let line = "28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw";
        assert_eq!(kind_of(line, 0xfe00).as_deref(), Some("ext4"));
        assert_eq!(kind_of(line, 0xfe01), None);
        assert_eq!(kind_of("28 1 254", 0xfe00), None);
    }
}
