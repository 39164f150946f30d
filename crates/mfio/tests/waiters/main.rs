//! Tasks that wait for a backend: how they join, how they are woken, and that they stand in
//! nobody's way.
#![cfg(any(unix, windows))]

#[path = "../common/mod.rs"]
mod common;
mod foreign;
#[cfg(unix)]
mod joining;
mod object;
mod panicking;
mod waking;
