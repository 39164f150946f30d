//! Operations that allocate nothing once they have been done.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use super::ALLOCATIONS;
use mfio::control::ControlOp;
use mfio::io::{PacketIo, Read};
use mfio::packet::{AlignedBuf, InFlight, Packet};
use mfio::traits::{IoControl, IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt};

/// Allocations of the second half of `2 * n` calls: the first half is the warm-up.
async fn allocations(n: usize, mut call: impl AsyncFnMut()) -> usize {
    for _ in 0..n {
        call().await;
    }
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    for _ in 0..n {
        call().await;
    }
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

pub(super) async fn steady_states(rt: &NativeRt, path: &Path, driver: DriverKind) {
    let options = OpenOptions::new().read(true).write(true);
    let file = rt.open(path, &options).await.unwrap();

    let mut packet = Some(Packet::new([0; 64]));
    let read = async || {
        let ended = file
            .read_packet_at(packet.take().expect("it comes back"), 4096)
            .await;
        assert!(ended.outcome.is_success());
        packet = Some(ended.packet);
    };
    let reads = allocations(2000, read).await;
    assert_eq!(reads, 0, "{driver}: a reused packet, one at a time");

    let mut bytes = [0; 4096];
    let borrowed = allocations(2000, async || {
        file.read_exact_at(&mut bytes, 8192).await.unwrap()
    })
    .await;
    assert_eq!(borrowed, 0, "{driver}: borrowed memory, through the pool");

    let typed = allocations(2000, async || {
        assert_ne!(file.read_value_at::<u64>(8192).await.unwrap(), 0)
    })
    .await;
    assert_eq!(typed, 0, "{driver}: typed values, through the pool");

    let writes = allocations(2000, async || file.write_value_at(&7_u64, 0).await.unwrap()).await;
    assert_eq!(writes, 0, "{driver}: writes, through the pool");

    let sync = async || file.control(ControlOp::SyncData).await.unwrap();
    let syncs = allocations(100, sync).await;
    assert_eq!(syncs, 0, "{driver}: syncs as control operations");

    let mut batch = Batch::new(40);
    let together = allocations(200, async || batch.read(&file).await).await;
    assert_eq!(together, 0, "{driver}: reused packets, many together");

    let direct = OpenOptions::new().read(true).direct(true);
    if let Ok(file) = rt.open(path, &direct).await {
        let past = allocations(50, async || batch.read(&file).await).await;
        assert_eq!(past, 0, "{driver}: past the page cache");
    }
}

/// Packets that are in flight together.
struct Batch {
    idle: Vec<Packet<AlignedBuf>>,
    in_flight: Vec<InFlight<AlignedBuf, Read>>,
}

impl Batch {
    fn new(n: usize) -> Self {
        let idle = (0..n).map(|_| Packet::new(AlignedBuf::new(4096))).collect();
        Self {
            idle,
            in_flight: Vec::with_capacity(n),
        }
    }

    async fn read(&mut self, file: &File) {
        for (n, packet) in self.idle.drain(..).enumerate() {
            let (in_flight, view) = packet.start::<Read>();
            file.send_io(n as u64 * 4096, view);
            self.in_flight.push(in_flight);
        }
        for mut in_flight in self.in_flight.drain(..) {
            let ended = std::future::poll_fn(|cx| Pin::new(&mut in_flight).poll(cx)).await;
            assert!(
                ended.outcome.is_success(),
                "{:?}",
                ended.outcome.first_error()
            );
            self.idle.push(ended.packet);
        }
    }
}
