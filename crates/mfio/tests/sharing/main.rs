//! One backend, many drivers: threads in `block_on`, tasks of any executor, foreign loops.

#[path = "../common/asleep.rs"]
mod asleep;
mod busy_handle;
mod drivers;
mod fairness;
#[cfg(not(mfio_loom))]
mod fallback;
mod fixture;
mod reactors;
mod reviewed;
mod together;
