//! Many threads on one object, each with bytes of its own that share blocks and granules with those
//! of others: whoever reads its bytes finds what it wrote last.

use mfio::backend::IoBackendExt;
use mfio::memory::Memory;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use mfio_layers::{AttachBackend, BackendSet, Cache, Overlay, Trace};
use std::sync::Arc;
use std::thread;

const THREADS: usize = 4;
const RECORD: usize = 24;
const RECORDS: usize = 64;
const SIZE: usize = THREADS * RECORD * RECORDS;

#[test]
fn a_read_returns_the_tasks_own_writes() {
    let (base, top) = (
        Arc::new(Memory::new(vec![0; SIZE])),
        Arc::new(Memory::new(vec![9; SIZE])),
    );
    // The cache is below the overlay and above it, so that both see everything, in different sizes.
    let below = Cache::new(base.clone(), 1024, 64).unwrap();
    let overlay = Overlay::<_, _>::new(below, top.clone(), SIZE as u64, 32).unwrap();
    let cache = Cache::new(Trace::new(overlay), 2048, 128).unwrap();
    let io = AttachBackend::new(cache, BackendSet::new([base, top]).unwrap());
    let io = &io;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut written = [0u8; RECORDS];
                for round in 0..if cfg!(miri) { 20 } else { 3000usize } {
                    let record = round * 7 % RECORDS;
                    let at = ((record * THREADS + thread) * RECORD) as u64;
                    let mut bytes = [0; RECORD];
                    if round % 2 == 0 {
                        io.blocking().read_exact_at(&mut bytes, at).unwrap();
                    } else {
                        io.block_on(io.read_exact_at(&mut bytes, at)).unwrap();
                    }
                    assert_eq!(bytes, [written[record]; RECORD], "round {round}");
                    written[record] = written[record].wrapping_add(1);
                    let bytes = [written[record]; RECORD];
                    if round % 3 == 0 {
                        io.blocking().write_all_at(&bytes, at).unwrap();
                    } else {
                        io.block_on(io.write_all_at(&bytes, at)).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(io.inner().inner().snapshot().depth, 0);
}
