use std::path::PathBuf;
use std::time::Duration;

/// The command line, the same for every contestant. See the README for the workload names.
#[derive(Clone, Debug)]
pub struct Args {
    pub workload: String,
    /// Which flavour of the contestant to run ("default" when not given).
    pub variant: String,
    /// Operations kept in flight (files), packets a batch (`w9`).
    pub qd: usize,
    pub seconds: f64,
    pub file: PathBuf,
    /// Destination of a copy.
    pub out: PathBuf,
    /// Block size in bytes.
    pub bs: usize,
    /// Bytes of `file` that are used; 0 is all of it.
    pub bytes: u64,
    /// Open the file with O_DIRECT.
    pub direct: bool,
    /// CPUs the whole process is pinned to.
    pub cpus: Option<Vec<usize>>,
    /// CPU of the thread that wakes the measured one (`w6`).
    pub helper_cpu: usize,
    /// Micro-benchmark.
    pub op: String,
    /// Iterations of a micro-benchmark; 0 is its own default.
    pub n: u64,
}

impl Args {
    /// Reads the command line; an option it does not know ends the process with a message.
    pub fn parse() -> Self {
        let mut a = Args {
            workload: String::new(),
            variant: "default".into(),
            qd: 1,
            seconds: 1.0,
            file: PathBuf::new(),
            out: PathBuf::new(),
            bs: 4096,
            bytes: 0,
            direct: false,
            cpus: None,
            helper_cpu: 1,
            op: String::new(),
            n: 0,
        };
        let mut it = std::env::args().skip(1);
        while let Some(k) = it.next() {
            if k == "--direct" {
                a.direct = true;
                continue;
            }
            let v = it.next().unwrap_or_else(|| panic!("{k} needs a value"));
            match k.as_str() {
                "--workload" => a.workload = v,
                "--variant" => a.variant = v,
                "--qd" => a.qd = num(&v) as usize,
                "--seconds" => a.seconds = v.parse().expect("seconds"),
                "--file" => a.file = v.into(),
                "--out" => a.out = v.into(),
                "--bs" => a.bs = num(&v) as usize,
                "--bytes" => a.bytes = num(&v),
                "--cpus" => a.cpus = Some(v.split(',').map(|c| c.parse().expect("cpu")).collect()),
                "--helper-cpu" => a.helper_cpu = num(&v) as usize,
                "--op" => a.op = v,
                "--n" => a.n = num(&v),
                _ => panic!("unknown option {k}"),
            }
        }
        a.direct |= a.workload == "w2";
        if a.bytes == 0 {
            a.bytes = std::fs::metadata(&a.file).map_or(0, |m| m.len());
        }
        a
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// A number with an optional k/m/g (1024-based) suffix.
fn num(s: &str) -> u64 {
    let (digits, mul) = match s.as_bytes().last() {
        Some(b'k' | b'K') => (&s[..s.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&s[..s.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&s[..s.len() - 1], 1 << 30),
        _ => (s, 1),
    };
    digits.parse::<u64>().expect("a number") * mul
}
