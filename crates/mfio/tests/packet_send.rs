//! Types that may be sent and shared are: asserted on types, and by spawning from generic code.

use mfio::backend::IoBackendExt;
use mfio::io::{Exposed, PacketIo, Read, Write};
use mfio::memory::{Frozen, Memory};
use mfio::packet::{AlignedBuf, Ended, InFlight, Outcome, Packet, PacketPool, View};
use mfio::pipeline::Pipeline;
use mfio::ranges::{EndedRanges, Ranges};
use mfio::scope::{Lent, LentShared};
use mfio::traits::{Blocking, IoRead, IoWrite, forward};
use std::sync::Arc;

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}

#[test]
fn types_are_send_and_sync() {
    send::<View<Read>>();
    sync::<View<Read>>();
    send::<View<Write>>();
    sync::<View<Write>>();
    send::<Packet<Vec<u8>>>();
    sync::<Packet<Vec<u8>>>();
    send::<InFlight<Vec<u8>, Read>>();
    sync::<InFlight<Vec<u8>, Read>>();
    send::<Ended<Box<[u8]>>>();
    sync::<Ended<Box<[u8]>>>();
    send::<Outcome>();
    sync::<Outcome>();
    send::<AlignedBuf>();
    sync::<AlignedBuf>();
    send::<PacketPool>();
    sync::<PacketPool>();
    send::<Memory>();
    sync::<Memory>();
    send::<Lent<'_, '_>>();
    send::<LentShared<'_, '_>>();
    send::<Blocking<'_, Memory>>();
    send::<mfio::error::Error>();
    sync::<mfio::error::Error>();
    send::<Frozen>();
    sync::<Frozen>();
    send::<Exposed>();
    sync::<Exposed>();
    send::<Ranges>();
    sync::<Ranges>();
    send::<EndedRanges>();
    sync::<EndedRanges>();
    send::<Pipeline<'_, Read, u64, Memory, Vec<u8>, u32>>();
    sync::<Pipeline<'_, Read, u64, Memory, Vec<u8>, u32>>();
    unpin::<InFlight<Vec<u8>, Read>>();
    unpin::<Packet<Vec<u8>>>();
}

/// The futures are `Send` for any object that is `Sync`, without naming it.
async fn all_forms<Io>(io: Arc<Io>) -> u64
where
    Io: PacketIo<Read> + PacketIo<Write> + Send + Sync,
{
    let mut bytes = [0; 8];
    io.write_value_at(&41u64, 0).await.unwrap();
    io.read_exact_at(&mut bytes, 0).await.unwrap();
    io.read_at(&mut bytes, 0).await.unwrap();
    io.read_ranges([0..3, 4..5]).await.get(0).unwrap();
    io.read_with_at(0, 8, |_: &[u8]| ()).await.unwrap();
    io.write_with_at(8, 8, |bytes: &mut [u8]| bytes.fill(0))
        .await
        .unwrap();
    forward(&*io, 0, &*io, 8, 8).await.unwrap();
    let mut results = io.read_pipeline(2).run([(0, [0u8; 8])]);
    results.next().await.unwrap().into_buffer().unwrap();
    io.write_all_at(&bytes, 8).await.unwrap();
    io.write_at(&bytes, 8).await.unwrap();
    let (result, buffer) = io.read_exact_buf_at(vec![0; 8], 0).await;
    result.unwrap();
    io.write_all_buf_at(buffer, 16).await.0.unwrap();
    io.read_buf_at([0; 8], 0).await.0.unwrap();
    io.write_buf_at([1, 0, 0, 0, 0, 0, 0, 0u8], 0)
        .await
        .0
        .unwrap();
    let ended = io.read_packet_at(Packet::new([0; 8]), 16).await;
    let ended = io.write_packet_at(ended.packet, 24).await;
    assert!(ended.outcome.is_success());
    assert_eq!(io.read_vec_at(0, 8).await.unwrap().len(), 8);
    io.read_value_at::<u64>(0).await.unwrap() + io.read_value_at::<u64>(24).await.unwrap()
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    std::thread::spawn(move || {
        // Driven by an executor that knows nothing of the object: the object's own task drives it.
        pollster::block_on(future)
    })
    .join()
    .unwrap()
}

fn spawn_generic<Io>(io: Arc<Io>) -> u64
where
    Io: PacketIo<Read> + PacketIo<Write> + Send + Sync + 'static,
{
    spawn(all_forms(io))
}

#[test]
fn futures_are_spawned_from_generic_code() {
    let io = Arc::new(Memory::new(vec![0; 32]));
    let drive = io.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let driver = std::thread::spawn(move || {
        drive.block_on(std::future::poll_fn(|cx| match stopped.try_recv() {
            Ok(()) => std::task::Poll::Ready(()),
            Err(_) => {
                cx.waker().wake_by_ref();
                std::thread::yield_now();
                std::task::Poll::Pending
            }
        }));
    });
    assert_eq!(spawn_generic(io), 42);
    stop.send(()).unwrap();
    driver.join().unwrap();
}
