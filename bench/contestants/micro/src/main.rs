//! Contests that need no file: `block_on` of executors (w6), and packets over memory (w9).
//!
//! Variants of w6: `pollster`, `futures`, `async-io`, and `noop`, a hand-written poll loop that
//! never parks (the limit for `ready` and self-wakes). Of both: `mfio01` and `ours`, each on its
//! object of bytes in memory.

mod executors;
mod mfio01_memory;
mod ours_memory;

fn main() {
    harness_common::run("micro", |a| {
        match (a.workload.as_str(), a.variant.as_str()) {
            ("w6" | "w9", "mfio01") => mfio01_memory::run(a),
            ("w6" | "w9", "ours") => ours_memory::run(a),
            ("w6", _) => executors::run(a),
            _ => None,
        }
    });
}
