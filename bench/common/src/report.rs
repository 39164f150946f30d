use crate::{Args, CpuTime, cpu_time};
use std::time::Instant;

/// Wall clock and CPU clock, started together.
pub struct Meter {
    pub start: Instant,
    cpu: CpuTime,
}

impl Meter {
    pub fn start() -> Self {
        Self {
            cpu: cpu_time(),
            start: Instant::now(),
        }
    }

    pub fn finish(&self, ops: u64, bytes: u64) -> Outcome {
        let secs = self.start.elapsed().as_secs_f64();
        let now = cpu_time();
        Outcome {
            ops,
            bytes,
            secs,
            user_ns: now.user_ns - self.cpu.user_ns,
            sys_ns: now.sys_ns - self.cpu.sys_ns,
            extra: Vec::new(),
        }
    }
}

pub struct Outcome {
    pub ops: u64,
    pub bytes: u64,
    pub secs: f64,
    pub user_ns: u64,
    pub sys_ns: u64,
    /// Workload-specific figures.
    pub extra: Vec<(&'static str, f64)>,
}

impl Outcome {
    pub fn with(mut self, k: &'static str, v: f64) -> Self {
        self.extra.push((k, v));
        self
    }

    pub fn json(&self, contestant: &str, a: &Args) -> String {
        let cpu = (self.user_ns + self.sys_ns) as f64;
        let ops = self.ops.max(1) as f64;
        let mut s = format!(
            "{{\"contestant\":\"{contestant}\",\"variant\":\"{}\",\"workload\":\"{}\",\
             \"op\":\"{}\",\"qd\":{},\"bs\":{},\
             \"ops\":{},\"secs\":{:.4},\"ops_per_s\":{:.1},\"gb_per_s\":{:.4},\
             \"ns_per_op\":{:.1},\"cpu_ns_per_op\":{:.1},\"user_ns_per_op\":{:.1},\
             \"sys_ns_per_op\":{:.1}",
            a.variant,
            a.workload,
            a.op,
            a.qd,
            a.bs,
            self.ops,
            self.secs,
            self.ops as f64 / self.secs,
            self.bytes as f64 / self.secs / 1e9,
            self.secs * 1e9 / ops,
            cpu / ops,
            self.user_ns as f64 / ops,
            self.sys_ns as f64 / ops,
        );
        for (k, v) in &self.extra {
            s += &format!(",\"{k}\":{v:.3}");
        }
        s + "}"
    }
}
