//! The limit: hand-written io_uring loops with no futures, wakers or allocation per operation.
//!
//! Variants are `+`-separated feature lists: `plain` (nothing), `coop` (COOP_TASKRUN), `defer`
//! (SINGLE_ISSUER + DEFER_TASKRUN), `reg` (registered file and buffers), `nosq` (NO_SQARRAY),
//! `sqpoll`; `best` is `defer+reg+nosq`. Beside those `mmap` (w1: what the page cache itself
//! allows).

mod file;
mod mmap;
mod ring;

fn main() {
    harness_common::run("raw", |a| match a.workload.as_str() {
        "w1" if a.variant == "mmap" => Some(mmap::run(a)),
        "w1" | "w2" => Some(file::rand_read(a)),
        "w3r" => Some(file::seq(a, false)),
        "w3w" => Some(file::seq(a, true)),
        "w3c" => Some(file::copy(a)),
        _ => None,
    });
}
