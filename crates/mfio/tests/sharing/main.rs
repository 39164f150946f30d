//! One backend, many drivers: threads in `block_on`, tasks of any executor, foreign loops.

mod drivers;
mod fairness;
mod fixture;
mod reactors;
mod reviewed;
mod together;
