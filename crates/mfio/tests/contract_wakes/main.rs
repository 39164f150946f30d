//! Wakes: rules 4 and 5 of the backend's contract (the wake flags, and that no wake is lost), seen
//! from outside, through real descriptors.
#![cfg(any(unix, windows))]

#[path = "../common/mod.rs"]
mod common;
mod lost_wakes;
mod wake_flags;

use common::Bell;

fn bells() -> [Bell; 2] {
    [Bell::eventfd(), Bell::socket_pair()]
}
