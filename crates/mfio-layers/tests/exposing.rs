//! Layers forward the exposed memory of an object, and the alignment that it asks for.

use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::memory::{Frozen, Memory};
use mfio::packet::View;
use mfio_layers::{
    AttachBackend, Cache, Concat, Mirror, Offset, Overlay, Remap, Stripe, Trace, Window,
};
use std::sync::Arc;

static BYTES: &[u8] = b"abcdefghijklmnop";

fn frozen() -> Frozen {
    Frozen::new(BYTES)
}

/// The bytes that an object shows at a position, which lie where they always did.
fn shown(io: &dyn PacketIo<Read>, pos: u64, len: usize) -> Option<&'static [u8]> {
    let exposed = io.expose(pos, len)?;
    let at = exposed.as_ptr() as usize - BYTES.as_ptr() as usize;
    Some(&BYTES[at..at + exposed.len()])
}

#[test]
fn memory_is_exposed_where_it_is_as_far_as_it_is_in_one_piece() {
    let offset = Offset::new(frozen(), 3);
    assert_eq!(shown(&offset, 1, 2), Some(&b"ef"[..]));
    assert_eq!(shown(&offset, u64::MAX, 2), None);
    let window = Window::new(frozen(), 3, 4);
    assert_eq!(shown(&window, 1, 9), Some(&b"efg"[..]));
    assert_eq!(shown(&window, 4, 1), None);
    let concat = Concat::new([(frozen(), 2), (frozen(), 3)]).unwrap();
    assert_eq!(shown(&concat, 1, 9), Some(&b"b"[..]));
    assert_eq!(shown(&concat, 3, 9), Some(&b"bc"[..]));
    let mut remap = Remap::new(frozen());
    remap.map(100u64..110, 5u64).unwrap();
    assert_eq!(shown(&remap, 108, 9), Some(&b"no"[..]));
    assert_eq!(shown(&remap, 99, 9), None);
    let stripe = Stripe::new([frozen(), frozen()], 4).unwrap();
    assert_eq!(shown(&stripe, 9, 9), Some(&b"fgh"[..]));
    let mirror: Mirror<_> = Mirror::new([frozen(), frozen()]).unwrap();
    assert_eq!(shown(&mirror, 2, 3), Some(&b"cde"[..]));
    let top = Arc::new(Memory::new(vec![0; 16]));
    let overlay =
        Overlay::with_present(frozen(), top.clone(), 16, 4, std::iter::once(4..8)).unwrap();
    assert_eq!(
        shown(&overlay, 1, 9),
        Some(&b"bcd"[..]),
        "what is changed is not shown"
    );
    assert_eq!(shown(&overlay, 4, 1), None);
    assert_eq!(
        shown(&AttachBackend::new(frozen(), top), 7, 1),
        Some(&b"h"[..])
    );
}

/// Wants whole blocks in aligned memory.
#[derive(Clone, Copy)]
struct Strict(usize);

impl IoObject for Strict {
    fn alignment(&self, operation: Operation) -> Alignment {
        match operation {
            Operation::Read => Alignment::new(self.0, 2 * self.0),
            _ => Alignment::new(2 * self.0, self.0),
        }
    }
}

impl PacketIo<Read> for Strict {
    fn send_io(&self, _: u64, view: View<Read>) {
        view.done();
    }
}

impl PacketIo<Write> for Strict {
    fn send_io(&self, _: u64, view: View<Write>) {
        view.done();
    }
}

fn asked(io: &impl IoObject) -> [Alignment; 2] {
    [Operation::Read, Operation::Write].map(|operation| io.alignment(operation))
}

#[test]
fn the_alignment_of_requests_is_the_strictest_of_all() {
    let [read, write] = [Alignment::new(64, 128), Alignment::new(128, 64)];
    let strict = Strict(64);
    assert_eq!(asked(&Offset::new(strict, 0)), [read, write]);
    assert_eq!(asked(&Window::new(strict, 0, 1)), [read, write]);
    assert_eq!(asked(&Remap::<_, u64, u64>::new(strict)), [read, write]);
    assert_eq!(asked(&Trace::new(strict)), [read, write]);
    let mixed = [Strict(8), strict, Strict(16)];
    assert_eq!(asked(&Stripe::new(mixed, 128).unwrap()), [read, write]);
    assert_eq!(asked(&Mirror::<_>::new(mixed).unwrap()), [read, write]);
    let concat = Concat::new(mixed.map(|io| (io, 128))).unwrap();
    assert_eq!(asked(&concat), [read, write]);
    let overlay: Overlay<_, _> = Overlay::new(strict, Strict(32), 128, 128).unwrap();
    assert_eq!(asked(&overlay), [read, Alignment::new(64, 32)]);
    // What is read comes out of blocks, which are copied.
    let cache = Cache::new(strict, 1 << 12, 1 << 8).unwrap();
    assert_eq!(asked(&cache), [Alignment::NONE, write]);
}

#[test]
fn a_trace_exposes_memory_and_counts_no_request_for_it() {
    let io = Trace::new(frozen());
    assert_eq!(shown(&io, 2, 3), Some(&b"cde"[..]));
    assert_eq!(shown(&io, 20, 3), None);
    assert_eq!(io.snapshot().reads.operations, 0);
}
