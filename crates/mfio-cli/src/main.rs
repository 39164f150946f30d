//! The `mfio` command (in progress).
fn main() {}
