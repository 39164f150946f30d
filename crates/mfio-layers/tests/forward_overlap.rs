//! Copies within one object, through layers that move its positions, are as those of `memmove`.

use mfio::backend::IoBackendExt;
use mfio::io::{PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::traits::{Chunks, forward};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    Cache, Fault, Limit, Limits, Offset, Retry, RetryPolicy, Stripe, Timeout, Trace, Window,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

trait Object: PacketIo<Read> + PacketIo<Write> + Send + Sync {}
impl<Io: PacketIo<Read> + PacketIo<Write> + Send + Sync> Object for Io {}
type Shared = Arc<dyn Object>;

const LEN: usize = 200;

/// An object that shows `below` from byte `base` on, by one layer or another.
fn shown(layer: usize, below: Shared, base: u64) -> Shared {
    match layer {
        0 => Arc::new(Offset::new(below, base)),
        1 => Arc::new(Window::new(below, base, LEN as u64)),
        2 => Arc::new(Offset::new(Trace::new(below), base)),
        3 => Arc::new(Offset::new(Cache::new(below, 64, 8).unwrap(), base)),
        4 => Arc::new(Limit::<_>::new(Offset::new(below, base), Limits::default())),
        5 => Arc::new(Retry::<_>::new(
            Window::new(below, base, u64::MAX),
            RetryPolicy::new(1),
        )),
        6 => Arc::new(Offset::new(Fault::<_>::new(below, []), base)),
        _ => {
            let clock = ManualClock::new();
            Arc::new(Offset::new(
                Timeout::new(below, Duration::from_secs(1), clock),
                base,
            ))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(600)
    })]

    #[test]
    fn ranges_that_overlap_below_are_copied_as_memmove_does(
        places in (
            0..LEN,
            0..LEN,
            0..=LEN,
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
        ),
        layers in (0..8usize, 0..8usize),
        size in 0..70usize,
        window in 0..10usize,
    ) {
        let (from, to, len, from_base, to_base) = places;
        let len = len.min(LEN - from.max(to));
        // Where the layers begin has nothing to do with which range comes first.
        let (from_base, to_base) = (from_base.index(from + 1), to_base.index(to + 1));
        let mut expected: Vec<_> = (0..LEN).map(|n| n as u8).collect();
        let memory = Arc::new(Memory::new(expected.clone()));
        let source = shown(layers.0, memory.clone(), from_base as u64);
        let target = shown(layers.1, memory.clone(), to_base as u64);
        let (pos, to_pos) = ((from - from_base) as u64, (to - to_base) as u64);
        let op = forward(&source, pos, &target, to_pos, len as u64).chunks(Chunks { size, window });
        prop_assert_eq!(memory.block_on(op).unwrap(), len as u64);
        expected.copy_within(from..from + len, to);
        prop_assert_eq!(memory.to_vec(), expected);
    }
}

#[test]
fn ranges_of_one_stripe_that_overlap() {
    let memory = Arc::new(Memory::new(vec![0; 100]));
    let members = [0, 50].map(|base| Window::new(memory.clone(), base, 50));
    let io = Arc::new(Stripe::new(members, 8).unwrap());
    let bytes: Vec<_> = (0..100).collect();
    memory.block_on(async {
        use mfio::traits::{IoRead, IoWrite};
        io.write_all_at(&bytes[..96], 0).await.unwrap();
        let small = Chunks {
            size: 16,
            window: 4,
        };
        forward(&io, 0, &io.clone(), 5, 90)
            .chunks(small)
            .await
            .unwrap();
        let moved = io.read_vec_at(5, 90).await.unwrap();
        assert_eq!(moved, bytes[..90]);
    });
}
