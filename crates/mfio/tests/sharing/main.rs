//! One backend, many drivers: threads in `block_on`, tasks of any executor, foreign loops.

#[path = "../common/asleep.rs"]
mod asleep;
mod drivers;
mod fairness;
mod fallback;
mod fixture;
mod reactors;
mod reviewed;
mod together;
