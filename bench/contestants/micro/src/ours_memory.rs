//! The same object on ours: `mfio::memory::Memory`.

use harness_common::memory::{self, Positions, byte_at};
use harness_common::micro::{self, BlockOn};
use harness_common::{Args, Outcome};
use mfio::backend::IoBackendExt;
use mfio::io::{PacketIo, Read};
use mfio::memory::Memory;
use mfio::packet::Packet;
use mfio::traits::IoRead;
use std::future::Future;
use std::hint::black_box;

pub(crate) fn run(a: &Args) -> Option<Outcome> {
    let mut object = Object(Memory::new(memory::contents()));
    match a.workload.as_str() {
        "w6" => micro::run(a, &mut object),
        _ => memory::run(a, &mut object),
    }
}

struct Object(Memory);

impl BlockOn for Object {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        self.0.block_on(f)
    }
}

impl memory::Reads for Object {
    fn packets(&mut self, batch: usize, n: u64, check: bool) {
        let io = &self.0;
        let mut idle: Vec<_> = (0..batch).map(|_| Packet::new([0u8; 1])).collect();
        let mut flying = Vec::with_capacity(batch);
        io.block_on(async {
            let mut sent = Positions::default();
            let mut read = Positions::default();
            for _ in 0..n / batch as u64 {
                for packet in idle.drain(..) {
                    let (in_flight, view) = packet.start::<Read>();
                    io.send_io(sent.next(), view);
                    flying.push(in_flight);
                }
                for in_flight in flying.drain(..) {
                    let ended = in_flight.await;
                    assert!(ended.outcome.is_success());
                    let byte = ended.packet.buffer()[0];
                    let pos = read.next();
                    assert!(!check || byte == byte_at(pos as usize));
                    black_box(byte);
                    idle.push(ended.packet);
                }
            }
        });
    }

    fn typed(&mut self, n: u64, check: bool) {
        let io = &self.0;
        io.block_on(async {
            let mut positions = Positions::default();
            for _ in 0..n {
                let pos = positions.next();
                let value: u64 = io.read_value_at(pos).await.unwrap();
                let first = value.to_ne_bytes()[0];
                assert!(!check || first == byte_at(pos as usize));
                black_box(value);
            }
        });
    }

    fn blocks(&mut self, n: u64, check: bool) {
        let io = &self.0;
        let mut buf = vec![0; 4096];
        io.block_on(async {
            let mut positions = Positions::default();
            for _ in 0..n {
                let pos = positions.next();
                io.read_exact_at(&mut buf[..], pos).await.unwrap();
                assert!(!check || (0..4096).all(|i| buf[i] == byte_at(pos as usize + i)));
                black_box(&mut buf);
            }
        });
    }
}
