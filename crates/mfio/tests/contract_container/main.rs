//! Containers and their handles: rules 1 to 3 of the backend's contract (one holder, the order of a
//! round, backends that end).
#![cfg(any(unix, windows))]

#[path = "../common/mod.rs"]
mod common;
mod dead_backends;
mod layers;
mod one_holder;
