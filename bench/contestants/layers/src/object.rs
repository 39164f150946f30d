//! W10 on anything that can be read.

use harness_common::memory::{self, LEN, Positions, byte_at};
use harness_common::{Args, Outcome, micro};
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::io::{IoObject, PacketIo, Read};
use mfio::packet::{Packet, View};
use std::future::Future;
use std::hint::black_box;

/// How long the reads of `split` are.
const BLOCK: usize = 4096;

/// Runs `--op` on `io`: `packet` is that of w9, a batch of `--qd` packets of one byte; `split`
/// reads blocks of 4 KiB, one at a time, and counts them.
pub(crate) fn run<Io: PacketIo<Read> + IoBackend>(a: &Args, io: &Io) -> Option<Outcome> {
    let n = |default: u64| if a.n == 0 { default } else { a.n };
    Some(match a.op.as_str() {
        "packet" => {
            io.block_on(packets(io, a.qd, 1024, true));
            micro::timed(n(400_000), |n| io.block_on(packets(io, a.qd, n, false)))
        }
        "split" => {
            io.block_on(blocks(io, 1024, true));
            micro::timed(n(100_000), |n| io.block_on(blocks(io, n, false)))
        }
        _ => return None,
    })
}

fn packets<Io: PacketIo<Read>>(
    io: &Io,
    batch: usize,
    n: u64,
    check: bool,
) -> impl Future<Output = ()> {
    let mut idle: Vec<_> = (0..batch).map(|_| Packet::new([0u8; 1])).collect();
    let mut flying = Vec::with_capacity(batch);
    async move {
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
    }
}

async fn blocks<Io: PacketIo<Read>>(io: &Io, n: u64, check: bool) {
    let mut packet = Packet::new(vec![0u8; BLOCK]);
    for block in 0..n {
        let pos = block % (LEN / BLOCK) as u64 * BLOCK as u64;
        let (in_flight, view) = packet.start::<Read>();
        io.send_io(pos, view);
        let ended = in_flight.await;
        assert!(ended.outcome.is_success());
        packet = ended.packet;
        assert!(!check || (0..BLOCK).all(|i| packet.buffer()[i] == byte_at(pos as usize + i)));
        black_box(packet.buffer());
    }
}

/// Ends every request at once, so that nothing but packets and layers takes time.
pub(crate) struct Sink;

impl IoObject for Sink {}

impl PacketIo<Read> for Sink {
    #[inline(never)]
    fn send_io(&self, _: u64, view: View<Read>) {
        view.done();
    }
}

/// `split` on something that ends at once.
pub(crate) fn run_inline(a: &Args, io: &dyn PacketIo<Read>) -> Option<Outcome> {
    let n = if a.n == 0 { 200_000 } else { a.n };
    let mut packet = Some(Packet::new(vec![0u8; BLOCK]));
    (a.op == "split").then(|| {
        micro::timed(n, |n| {
            for _ in 0..n {
                let (in_flight, view) = packet.take().expect("it came back").start::<Read>();
                black_box(io).send_io(0, view);
                packet = in_flight.try_end().ok().map(|ended| ended.packet);
            }
        })
    })
}

/// The object of w9.
pub(crate) fn memory() -> std::sync::Arc<mfio::memory::Memory> {
    std::sync::Arc::new(mfio::memory::Memory::new(memory::contents()))
}
