//! W10: memory with one layer on top.

use crate::object::{self, Sink, memory};
use harness_common::memory::LEN;
use harness_common::{Args, Outcome};
use mfio::backend::RefLink;
use mfio::io::{PacketIo, Read};
use mfio::memory::Memory;
use mfio_layers::clock::ThreadClock;
use mfio_layers::{
    AttachBackend, Cache, Concat, Fault, Limit, Limits, Mirror, Offset, Overlay, Remap, Retry,
    RetryPolicy, Rule, Stripe, Timeout, Trace, Window,
};
use std::sync::Arc;
use std::time::Duration;

/// Of `split`: 64 parts of a block.
const UNIT: u64 = 64;

pub(crate) fn run(a: &Args) -> Option<Outcome> {
    let io = memory();
    let below = io.clone();
    match a.variant.as_str() {
        "sink" => object::run_inline(a, &Sink),
        "sink-stripe" => object::run_inline(
            a,
            &Stripe::new([Sink, Sink], UNIT).expect("members and a unit"),
        ),
        "memory" => object::run(a, &*io),
        "offset" => driven(a, &io, Offset::new(below, 0)),
        "window" => driven(a, &io, Window::new(below, 0, LEN as u64)),
        "concat" => driven(
            a,
            &io,
            Concat::new([(below, LEN as u64)]).expect("a length"),
        ),
        "remap" => driven(a, &io, mapped(below)),
        "stripe" => {
            let (io, stripe) = striped();
            driven(a, &io, stripe)
        }
        "mirror" => driven(
            a,
            &io,
            Mirror::new([below.clone(), below]).expect("replicas"),
        ),
        "retry" => driven(a, &io, Retry::new(below, RetryPolicy::new(3))),
        "limit" => driven(
            a,
            &io,
            Limit::new(
                below,
                Limits {
                    operations: 1024,
                    bytes: 1 << 30,
                    ..Limits::default()
                },
            ),
        ),
        "trace" => driven(a, &io, Trace::new(below)),
        "exact" => driven(a, &io, Trace::exact(below)),
        // All that it does but read the clock.
        "count" => driven(a, &io, Trace::with_now(below, || Duration::ZERO)),
        // A script that never matches.
        "fault" => driven(a, &io, Fault::new(below, [Rule::short(0).writes()])),
        "timeout" => {
            let clock = ThreadClock::new().expect("a thread");
            driven(a, &io, Timeout::new(below, Duration::from_secs(60), clock))
        }
        "overlay" => {
            let top = Arc::new(Memory::new(vec![0; LEN]));
            driven(
                a,
                &io,
                Overlay::new(below, top, LEN as u64, 4096).expect("a granule"),
            )
        }
        "cache" => driven(a, &io, Cache::new(below, 2 * LEN, 4096).expect("a block")),
        _ => None,
    }
}

/// All of them are driven in the same way, whatever they could do by themselves.
fn driven(a: &Args, memory: &Memory, layer: impl PacketIo<Read>) -> Option<Outcome> {
    object::run(a, &AttachBackend::new(layer, RefLink::new(memory)))
}

/// A thousand mappings, none of which continues another, which are the identity on what is read.
fn mapped(io: Arc<Memory>) -> Remap<Arc<Memory>> {
    let mut remap = Remap::new(io);
    remap
        .map(0..LEN as u64, 0)
        .expect("there are such addresses");
    for n in 0..1000 {
        let at = LEN as u64 + n * 64;
        remap.map(at..at + 64, 0).expect("there are such addresses");
    }
    remap
}

/// Two members in one object, dealt out in units, so that what is read is what the object of the
/// others has.
fn striped() -> (Arc<Memory>, Stripe<Offset<Arc<Memory>>>) {
    let plain = harness_common::memory::contents();
    let units = |member: usize| {
        plain
            .chunks(UNIT as usize)
            .skip(member)
            .step_by(2)
            .flatten()
    };
    let io = Arc::new(Memory::new(
        units(0).chain(units(1)).copied().collect::<Vec<_>>(),
    ));
    let members = [0, LEN as u64 / 2].map(|base| Offset::new(io.clone(), base));
    (io, Stripe::new(members, UNIT).expect("members and a unit"))
}
