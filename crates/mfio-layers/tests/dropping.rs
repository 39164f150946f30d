//! A layer that is dropped keeps nothing alive, and leaves nobody waiting.

mod later;

use later::{failures_of, read, write};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio_layers::{Cache, Overlay, Trace};
use std::sync::{Arc, Weak};

/// Memory whose requests wait as long as nobody drives it, and what tells whether it is still
/// there.
fn object() -> (Arc<Memory>, Weak<Memory>) {
    let object = Arc::new(Memory::new(vec![0; 100]));
    let seen = Arc::downgrade(&object);
    (object, seen)
}

const DROPPED: ErrorKind = ErrorKind::Dropped;

#[test]
fn a_layer_kept_alive_by_the_requests_that_it_has_below() {
    let (object, seen) = object();
    let io = Cache::new(object, 64, 16).unwrap();
    let requests = [read(&io, 0, 20), read(&io, 8, 4)];
    let change = write(&io, 0, &[1; 20]);
    drop(io);
    assert!(seen.upgrade().is_none());
    for (request, len) in requests.into_iter().zip([20, 4]) {
        assert_eq!(failures_of(request), [(0..len, DROPPED)]);
    }
    assert_eq!(failures_of(change), [(0..20, DROPPED)]);

    let (object, seen) = self::object();
    let io = Trace::new(object);
    let request = read(&io, 0, 20);
    drop(write(&io, 0, &[1; 20]));
    drop(io);
    assert!(seen.upgrade().is_none());
    assert_eq!(failures_of(request), [(0..20, DROPPED)]);
}

#[test]
fn an_overlay_kept_alive_by_the_copies_that_it_has_below() {
    let ((base, one), (top, other)) = (object(), object());
    let io = Overlay::<_, _>::new(base, top, 100, 2).unwrap();
    // More than can be copied at a time; some wait for a granule, and some for a buffer.
    let changes: Vec<_> = (0..50).map(|n| write(&io, n * 2 + 1, &[1])).collect();
    let waiting: Vec<_> = (0..50).map(|n| write(&io, n * 2, &[1])).collect();
    drop(io);
    assert!(one.upgrade().is_none() && other.upgrade().is_none());
    for change in changes.into_iter().chain(waiting) {
        assert_eq!(failures_of(change), [(0..1, DROPPED)]);
    }
}
