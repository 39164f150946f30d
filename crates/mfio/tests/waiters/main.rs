//! Tasks that wait for a backend: how they join, how they are woken, and that they stand in
//! nobody's way.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod joining;
mod object;
mod panicking;
mod waking;
