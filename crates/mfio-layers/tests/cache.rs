//! Hazards of a `Cache`, each with a test named after it.

mod later;

use later::{Later, bytes_of, failures_of, read, write};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::traits::{BlockingIo, IoRead};
use mfio_layers::{Cache, CacheStats};
use std::sync::Arc;

/// Eight blocks of 16 bytes over 100 bytes of zeroes.
fn cache(blocks: usize) -> (Arc<Later>, Cache<Arc<Later>>) {
    let inner = Later::new(vec![0; 100]);
    let cache = Cache::new(inner.clone(), blocks * 16, 16).unwrap();
    (inner, cache)
}

#[test]
fn a_fetch_that_began_before_a_write_keeps_no_old_bytes() {
    let (inner, cache) = cache(8);
    let early = read(&cache, 0, 4);
    inner.step(0); // The old bytes are read, but nobody knows yet.
    let new = write(&cache, 0, &[1; 4]);
    inner.step(1);
    inner.step(1);
    assert_eq!(failures_of(new), []);
    inner.finish();
    assert_eq!(bytes_of(early), [0; 4], "it began before the write ended");
    let late = read(&cache, 0, 4);
    inner.finish();
    assert_eq!(bytes_of(late), [1; 4]);
}

#[test]
fn a_read_after_a_write_joining_a_fetch_from_before_it() {
    let (inner, cache) = cache(8);
    let early = read(&cache, 0, 4);
    inner.step(0);
    let new = write(&cache, 0, &[1; 4]);
    inner.step(1);
    inner.step(1);
    assert_eq!(failures_of(new), []);
    let late = read(&cache, 0, 4);
    inner.finish();
    assert_eq!(bytes_of(late), [1; 4]);
    assert_eq!(bytes_of(early), [0; 4]);
}

#[test]
fn a_write_that_fails_leaves_no_bytes_that_may_be_old() {
    let (inner, cache) = cache(8);
    let warm = read(&cache, 0, 16);
    inner.finish();
    bytes_of(warm);
    inner.fail_next(2..4);
    let new = write(&cache, 0, &[1; 4]);
    inner.finish();
    assert_eq!(failures_of(new), [(2..4, ErrorKind::TimedOut)]);
    let late = read(&cache, 0, 4);
    inner.finish();
    assert_eq!(bytes_of(late), [1, 1, 0, 0]);
}

#[test]
fn a_miss_that_many_wait_for_is_fetched_once() {
    let (inner, cache) = cache(8);
    let waiting: Vec<_> = (0..16).map(|n| read(&cache, n, 16 - n as usize)).collect();
    assert_eq!(inner.counts(), (1, 0));
    inner.finish();
    for (n, read) in waiting.into_iter().enumerate() {
        assert_eq!(bytes_of(read).len(), 16 - n);
    }
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.coalesced, stats.hits), (1, 15, 0));
}

#[test]
fn a_block_that_is_waited_for_is_not_evicted() {
    let (inner, cache) = cache(1);
    let first = read(&cache, 0, 4);
    let joined = read(&cache, 8, 4);
    // There is no room for another one.
    let second = read(&cache, 16, 4);
    assert_eq!(cache.stats().bypassed, 1);
    inner.step(1);
    inner.step(1);
    assert_eq!(bytes_of(second), [0; 4]);
    inner.finish();
    assert_eq!(bytes_of(first), [0; 4]);
    assert_eq!(bytes_of(joined), [0; 4]);
    assert_eq!(cache.ready(), 1);
}

#[test]
fn an_abandoned_read_leaves_the_block_to_others() {
    let (inner, cache) = cache(8);
    let first = read(&cache, 0, 4);
    let second = read(&cache, 0, 4);
    drop(first);
    inner.finish();
    assert_eq!(bytes_of(second), [0; 4]);
    assert_eq!(cache.ready(), 1);
    let _never_polled = read(&cache, 32, 4);
    inner.finish();
    assert_eq!(cache.ready(), 2);
}

#[test]
fn failed_blocks_are_not_kept_and_fail_their_readers_only() {
    let (inner, cache) = cache(8);
    inner.break_bytes([5, 6, 9]);
    let all = read(&cache, 0, 16);
    let before = read(&cache, 0, 5);
    let between = read(&cache, 6, 4);
    inner.finish();
    let other = ErrorKind::Other;
    assert_eq!(failures_of(all), [(5..7, other), (9..10, other)]);
    assert_eq!(bytes_of(before), [0; 5]);
    assert_eq!(failures_of(between), [(0..1, other), (3..4, other)]);
    assert_eq!(cache.ready(), 0);
    inner.heal();
    let again = read(&cache, 0, 16);
    inner.finish();
    assert_eq!(bytes_of(again), [0; 16]);
}

#[test]
fn a_block_that_fails_at_its_end_is_not_taken_for_the_last_one() {
    let (inner, cache) = cache(8);
    inner.break_bytes(8..16);
    let whole = read(&cache, 0, 16);
    inner.finish();
    assert_eq!(failures_of(whole), [(8..16, ErrorKind::Other)]);
    assert_eq!(cache.ready(), 0);
}

#[test]
fn data_that_grows_behind_a_short_block_is_seen() {
    let (inner, cache) = cache(8);
    let end = read(&cache, 90, 20);
    inner.finish();
    assert_eq!(failures_of(end), [(10..20, ErrorKind::UnexpectedEof)]);
    let again = read(&cache, 90, 10);
    assert_eq!(bytes_of(again), [0; 10], "what there is is kept");
    inner.grow(&[7; 5]);
    let grown = read(&cache, 90, 20);
    inner.finish();
    assert_eq!(failures_of(grown), [(15..20, ErrorKind::UnexpectedEof)]);
}

#[test]
fn a_blocking_write_leaves_no_old_bytes() {
    let cache = Cache::new(Memory::new([0; 64]), 64, 16).unwrap();
    assert_eq!(cache.block_on(cache.read_value_at::<u8>(20)).unwrap(), 0);
    cache.blocking().write_value_at(&1u8, 20).unwrap();
    assert_eq!(cache.blocking().read_value_at::<u8>(20).unwrap(), 1);
    assert_eq!(cache.stats().misses, 2);
}

#[test]
fn the_block_that_was_not_used_for_longest_goes_first() {
    let cache = Cache::new(Memory::new([0; 64]), 32, 16).unwrap();
    let read = |at| cache.block_on(cache.read_value_at::<u8>(at)).unwrap();
    for at in [0, 16, 0, 32, 0, 16] {
        read(at);
    }
    let expected = CacheStats {
        hits: 2,
        misses: 4,
        evictions: 2,
        ..CacheStats::default()
    };
    assert_eq!(cache.stats(), expected);
}

#[test]
fn the_last_addresses_are_read_like_others() {
    struct Endless;
    impl mfio::io::IoObject for Endless {}

    impl mfio::io::PacketIo<mfio::io::Read> for Endless {
        fn send_io(&self, pos: u64, mut view: mfio::packet::View<mfio::io::Read>) {
            let len = view.len() as u64;
            assert!(pos.checked_add(len - 1).is_some(), "it reaches too far");
            view.bytes_mut().fill(3);
            view.done();
        }
    }
    let cache = Cache::new(Endless, 64, 16).unwrap();
    let last = read(&cache, u64::MAX - 3, 10);
    assert_eq!(failures_of(last), [(4..10, ErrorKind::UnexpectedEof)]);
    assert_eq!(bytes_of(read(&cache, u64::MAX - 20, 21)), [3; 21]);
    cache.invalidate(0..u64::MAX);
    assert_eq!(cache.ready(), 0);
}

#[test]
fn impossible_cache_sizes_are_errors() {
    for (capacity, block) in [(100, 0), (100, 1), (100, 48), (15, 16)] {
        let error = Cache::new(Memory::new([]), capacity, block).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_table_that_memory_does_not_hold_is_an_error() {
    let error = Cache::new(Memory::new([]), usize::MAX, 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}
