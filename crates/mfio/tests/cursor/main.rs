//! Cursors: an object and a position, through every adapter.

mod adapters;
mod appending;
mod errno;
mod errors;
mod model;
mod object;
mod sharing;
mod stale;
mod stream_ends;
mod streams;
mod syncs;
