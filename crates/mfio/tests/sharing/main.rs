//! One backend, many drivers: threads in `block_on`, tasks of any executor, foreign loops.
#![cfg(any(unix, windows))]

#[path = "../common/asleep.rs"]
mod asleep;
#[cfg(unix)]
#[path = "../common/bell.rs"]
mod bell;
#[cfg(windows)]
#[path = "../common/event.rs"]
mod bell;
#[cfg(unix)]
mod busy_handle;
#[cfg(unix)]
mod coalescing;
mod drivers;
mod fairness;
#[cfg(all(unix, not(mfio_loom)))]
mod fallback;
mod fixture;
#[cfg(unix)]
mod left_behind;
#[cfg(unix)]
mod reactors;
#[cfg(unix)]
mod registrations;
mod together;
#[cfg(unix)]
mod waits;
