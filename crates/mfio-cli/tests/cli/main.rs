//! The command as its users run it: what it prints, how it fails, what it leaves behind.
//!
//! A test that cannot run here says `skipped: ` and why.

#![cfg(unix)]

mod bench;
mod doctor;
mod errors;
mod signals;
mod support;
