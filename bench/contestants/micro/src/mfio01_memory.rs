//! An object of bytes in memory on mfio 0.1's public interface: a queue, and a backend future that
//! empties it. As every round of `block_on` polls the backend, sending needs no wake-up.

#![allow(unsafe_code)]

use harness_common::memory::{self, Positions, byte_at};
use harness_common::micro::{self, BlockOn};
use harness_common::{Args, Outcome};
use mfio01::backend::{
    BackendContainer, BackendHandle, DynBackend, IoBackend, IoBackendExt, PollingHandle,
};
use mfio01::io::{BoundPacketView, Packet, PacketIo, PacketView, Splittable, Write};
use mfio01::locks::Mutex;
use mfio01::traits::IoRead;
use mfio01::{mferr, tarc::BaseArc};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::mem::swap;
use std::sync::Arc;
use std::task::Poll;

pub(crate) fn run(a: &Args) -> Option<Outcome> {
    let mut memory = Memory::new(memory::contents());
    match a.workload.as_str() {
        "w6" => micro::run(a, &mut memory),
        _ => memory::run(a, &mut memory),
    }
}

type Queue = Mutex<Vec<(u64, BoundPacketView<Write>)>>;

struct Memory {
    queue: Arc<Queue>,
    backend: BackendContainer<DynBackend>,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Self {
        let queue = Arc::new(Queue::default());
        Self {
            queue: queue.clone(),
            backend: BackendContainer::new_dyn(serve(bytes, queue)),
        }
    }
}

async fn serve(bytes: Vec<u8>, queue: Arc<Queue>) {
    let mut taken = Vec::new();
    poll_fn(|_| {
        swap(&mut taken, &mut *queue.lock());
        for (pos, view) in taken.drain(..) {
            fill(&bytes, pos, view);
        }
        Poll::<()>::Pending
    })
    .await
}

/// Ends a view: what lies within the object is copied, the rest fails.
fn fill(bytes: &[u8], pos: u64, view: BoundPacketView<Write>) {
    let source = bytes.get(pos as usize..).unwrap_or(&[]);
    let view = if view.len() > source.len() as u64 {
        let (inside, outside) = view.split_at(source.len() as u64);
        mfio01::io::Errorable::error(outside, mferr!(Memory, Outside, Backend));
        inside
    } else {
        view
    };
    // SAFETY: `source` has at least as many bytes as the view.
    drop(unsafe { view.transfer_data(source.as_ptr().cast()) });
}

impl PacketIo<Write, u64> for Memory {
    fn send_io(&self, pos: u64, view: BoundPacketView<Write>) {
        self.queue.lock().push((pos, view));
    }
}

impl IoBackend for Memory {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        None
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.backend.acquire(None)
    }
}

impl BlockOn for Memory {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        IoBackendExt::block_on(self, f)
    }
}

impl memory::Reads for Memory {
    fn packets(&mut self, batch: usize, n: u64, check: bool) {
        let packets: Vec<BaseArc<Packet<Write>>> = (0..batch).map(|_| Packet::new_buf(1)).collect();
        let io = &*self;
        io.block_on(async {
            let mut sent = Positions::default();
            let mut read = Positions::default();
            for _ in 0..n / batch as u64 {
                for packet in &packets {
                    let view = PacketView::from_arc_ref(packet, 0);
                    // SAFETY: a counted packet without an output: everything is 'static.
                    io.send_io(sent.next(), unsafe { view.bind(None) });
                }
                for packet in &packets {
                    (&**packet).await;
                    let byte = packet.simple_contiguous_slice().unwrap()[0];
                    let pos = read.next();
                    assert!(!check || byte == byte_at(pos as usize));
                    black_box(byte);
                }
            }
        });
    }

    fn typed(&mut self, n: u64, check: bool) {
        let io = &*self;
        io.block_on(async {
            let mut positions = Positions::default();
            for _ in 0..n {
                let pos = positions.next();
                let value: u64 = io.read(pos).await.unwrap();
                let first = value.to_ne_bytes()[0];
                assert!(!check || first == byte_at(pos as usize));
                black_box(value);
            }
        });
    }

    fn blocks(&mut self, n: u64, check: bool) {
        let io = &*self;
        let mut buf = vec![0; 4096];
        io.block_on(async {
            let mut positions = Positions::default();
            for _ in 0..n {
                let pos = positions.next();
                io.read_all(pos, &mut buf[..]).await.unwrap();
                assert!(!check || (0..4096).all(|i| buf[i] == byte_at(pos as usize + i)));
                black_box(&mut buf);
            }
        });
    }
}
