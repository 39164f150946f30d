//! The costs of layers.
//!
//! * w10: packets and whole blocks over memory, bare (`memory`) and through one layer each (the
//!   variant's name)
//! * w11: `cache` hits of `--bs` bytes beside a plain `copy` of as many, at random places of 64
//!   MiB, each after the one before, and beside `copies` that do not wait for each other
//! * w12: 10,000 scattered reads of 8 bytes of a cached file through `Remap`, as one batch of
//!   merged ranges (`ranges`), one by one in a batch (`batch`), and with one `pread` each
//!   (`scattered-pread`); `--op near` has them close together, `--op far` not

mod hits;
mod object;
mod scattered;
mod stacks;

fn main() {
    harness_common::run("layers", |a| match a.workload.as_str() {
        "w10" => stacks::run(a),
        "w11" => hits::run(a),
        "w12" => scattered::run(a),
        _ => None,
    });
}
