//! In the steady state nothing is allocated: packets that are used again, and calls through a pool.
#![allow(unsafe_code)]

use mfio::backend::IoBackendExt;
use mfio::control::ControlOp;
use mfio::io::{IoObject, PacketIo, Read};
use mfio::memory::Memory;
use mfio::packet::{Packet, View};
use mfio::traits::{BlockingIo, IoControl, IoRead, IoWrite};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Waker};

thread_local! {
    /// The allocations of this thread so far; other threads (the harness) do not count.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `f` allocates once it is warm.
fn allocations(mut f: impl FnMut()) -> usize {
    (0..3).for_each(|_| f());
    let before = COUNT.get();
    (0..100).for_each(|_| f());
    COUNT.get() - before
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 100);
}

#[test]
fn a_reused_packet_allocates_nothing() {
    let mut packet = Some(Packet::new(vec![0u8; 100]));
    let count = allocations(|| {
        let (in_flight, view) = packet.take().unwrap().start::<Read>();
        let mut in_flight = pin!(in_flight);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(in_flight.as_mut().poll(&mut cx).is_pending());
        let (a, b) = view.split_at(10);
        let (c, d) = b.split_at(10);
        d.done();
        a.done();
        c.done();
        let std::task::Poll::Ready(ended) = in_flight.poll(&mut cx) else {
            panic!("all have ended");
        };
        packet = Some(ended.packet);
    });
    assert_eq!(count, 0);
}

#[test]
fn four_failed_ranges_are_recorded_without_allocating() {
    // What the initiator is shown of more than one range is allocated; what drivers record is not.
    let mut packet = Some(Packet::new([0u8; 8]));
    let count = allocations(|| {
        let (in_flight, view) = packet.take().unwrap().start::<Read>();
        let before = COUNT.get();
        let mut rest = view;
        for _ in 0..3 {
            let (bad, next) = rest.split_at(1);
            bad.fail(mfio::error::ErrorKind::Busy);
            let (good, next) = next.split_at(1);
            good.done();
            rest = next;
        }
        rest.fail(mfio::error::ErrorKind::NotFound);
        assert_eq!(COUNT.get(), before);
        packet = Some(in_flight.try_end().unwrap().packet);
    });
    assert!(count <= 200, "at most a vector and a box for each outcome");
}

#[test]
fn calls_through_the_pool_allocate_nothing() {
    let io = Memory::new(vec![1; 1 << 17]);
    let mut page = vec![0; 4096];
    let mut large = vec![0; 65_536];
    let count = allocations(|| {
        io.block_on(async {
            assert_eq!(
                io.read_value_at::<u64>(8).await.unwrap(),
                0x0101_0101_0101_0101
            );
            io.write_value_at(&0x0101_0101u32, 0).await.unwrap();
            io.read_exact_at(&mut page, 5).await.unwrap();
            io.write_all_at(&page, 5).await.unwrap();
            assert_eq!(io.read_at(&mut large, 1).await.unwrap(), 65_536);
        });
    });
    assert_eq!(count, 0);
}

#[test]
fn control_operations_allocate_nothing() {
    let io = Memory::new(vec![1; 1000]);
    let ops = [ControlOp::SyncData, ControlOp::Discard((0..9).into())];
    let count = allocations(|| {
        io.block_on(async {
            io.sync_all().await.unwrap();
            io.control_batch(&ops).await.all().unwrap();
            assert_eq!(IoControl::len(&io).await.unwrap(), 1000);
            assert!(io.extent_at(7).await.unwrap().is_some());
        });
        io.blocking().sync_data().unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn many_calls_at_once_allocate_nothing() {
    let io = Memory::new(vec![1; 1000]);
    let packets = Cell::new(Some(
        (0..200).map(|_| Packet::new([0u8; 4])).collect::<Vec<_>>(),
    ));
    let mut running = Vec::with_capacity(200);
    let count = allocations(|| {
        let mut idle = packets.take().unwrap();
        running.extend(
            idle.drain(..)
                .map(|packet| Some(io.read_packet_at(packet, 0))),
        );
        io.block_on(std::future::poll_fn(|cx| {
            for slot in &mut running {
                if let Some(future) = slot
                    && let std::task::Poll::Ready(ended) = Pin::new(future).poll(cx)
                {
                    idle.push(ended.packet);
                    *slot = None;
                }
            }
            match idle.len() {
                200 => std::task::Poll::Ready(()),
                _ => std::task::Poll::Pending,
            }
        }));
        running.clear();
        packets.set(Some(idle));
    });
    assert_eq!(count, 0);
}

#[test]
fn blocking_calls_allocate_nothing() {
    let io = Memory::new(vec![1; 1000]);
    let mut bytes = [0; 100];
    assert_eq!(
        allocations(|| io.blocking().read_exact_at(&mut bytes, 3).unwrap()),
        0
    );
}

/// Memory without its short cut, so that blocking calls lend.
struct Long(Memory, Mutex<usize>);

impl IoObject for Long {
    fn pool(&self) -> Option<&mfio::packet::PacketPool> {
        self.0.pool()
    }
}

impl PacketIo<Read> for Long {
    fn send_io(&self, pos: u64, view: View<Read>) {
        *self.1.lock().unwrap() += 1;
        PacketIo::<Read>::send_io(&self.0, pos, view);
    }
}

impl mfio::backend::IoBackend for Long {
    type Backend = mfio::backend::DynBackend;

    fn shared(&self) -> Option<&mfio::backend::SharedBackend> {
        self.0.shared()
    }
}

#[test]
fn blocking_calls_that_lend_allocate_nothing() {
    let io = Long(Memory::new(vec![1; 1000]), Mutex::new(0));
    let mut bytes = [0; 100];
    let count = allocations(|| {
        bytes.fill(0);
        io.blocking().read_exact_at(&mut bytes, 3).unwrap();
        assert_eq!(bytes, [1; 100]);
    });
    assert_eq!(count, 0);
    assert_eq!(*io.1.lock().unwrap(), 103, "each went through a packet");
}

#[test]
fn cursors_allocate_nothing() {
    use std::io::{Read, Seek, Write};
    let io = Memory::new(vec![1; 100_000]);
    let mut cursor = mfio::cursor::Cursor::new(&io);
    let mut bytes = vec![0; 10_000];
    let count = allocations(|| {
        io.block_on(async {
            use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
            AsyncSeekExt::seek(&mut cursor, std::io::SeekFrom::Start(7))
                .await
                .unwrap();
            AsyncReadExt::read_exact(&mut cursor, &mut bytes)
                .await
                .unwrap();
            AsyncWriteExt::write_all(&mut cursor, &bytes).await.unwrap();
            AsyncWriteExt::flush(&mut cursor).await.unwrap();
            cursor.sync_data().await.unwrap();
        });
    });
    assert_eq!(count, 0);
    let mut cursor = cursor.into_blocking();
    let count = allocations(|| {
        cursor.rewind().unwrap();
        cursor.read_exact(&mut bytes).unwrap();
        cursor.write_all(&bytes).unwrap();
        cursor.sync_all().unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn streams_allocate_nothing() {
    use futures_util::{AsyncReadExt, AsyncWriteExt};
    let (reads, writes) = mfio::memory::pipe(4096);
    let mut reads = mfio::cursor::ByteStream::new(reads);
    let mut writes = mfio::cursor::ByteStream::new(writes);
    let mut bytes = vec![0; 4096];
    let count = allocations(|| {
        mfio::poller::block_on(async {
            writes.write_all(&bytes).await.unwrap();
            reads.read_exact(&mut bytes).await.unwrap();
            writes.flush().await.unwrap();
        });
    });
    assert_eq!(count, 0);
}

#[test]
fn ranges_used_again_allocate_nothing() {
    use mfio::ranges::{Merge, Ranges};
    let io = Memory::new(vec![1; 100_000]);
    for in_flight in [1000, 1 << 20] {
        let mut ranges = Some(Ranges::new(Merge {
            gap: 10,
            limit: 300,
            in_flight,
            memory: 1 << 20,
        }));
        let count = allocations(|| {
            let mut list = ranges.take().unwrap();
            list.extend((0..200).rev().map(|i| i * 400..i * 400 + i));
            let mut future = pin!(io.read_ranges(list));
            let ended = io.block_on(&mut future);
            assert!(ended.iter().all(|result| result.is_ok()));
            ranges = Some(ended.into_ranges());
        });
        assert_eq!(count, 0, "{in_flight} bytes on their way");
    }
}

#[test]
fn a_pipeline_that_runs_allocates_nothing() {
    use mfio::pipeline::Window;
    let io = Memory::new(vec![1; 100_000]);
    for window in [Window::new(16), Window::new(16).in_order()] {
        let mut pipeline = io.read_pipeline(window);
        let mut buffers: Vec<Vec<u8>> = (0..16).map(|_| vec![0; 100]).collect();
        let count = allocations(|| {
            for pos in 0..16 {
                pipeline.try_push((pos, buffers.pop().unwrap())).unwrap();
            }
            while let Some(ended) = io.block_on(pipeline.next()) {
                buffers.push(ended.into_buffer().unwrap());
            }
        });
        assert_eq!(count, 0);
    }
}

#[test]
fn bytes_that_go_by_allocate_nothing() {
    use mfio::memory::Frozen;
    use mfio::traits::forward;
    let io = Memory::new(vec![1; 1_000_000]);
    let mut sum = 0u64;
    let count = allocations(|| {
        let add = |bytes: &[u8]| sum += u64::from(bytes[0]);
        assert_eq!(
            io.block_on(io.read_with_at(3, 900_000, add)).unwrap(),
            900_000
        );
        let fill = |bytes: &mut [u8]| bytes.fill(1);
        assert_eq!(
            io.block_on(io.write_with_at(3, 900_000, fill)).unwrap(),
            900_000
        );
        assert_eq!(
            io.block_on(forward(&io, 3, &io, 500_000, 400_000)).unwrap(),
            400_000
        );
    });
    assert_eq!(count, 0);
    let frozen = Frozen::from(vec![1; 1_000_000]);
    let count = allocations(|| {
        let add = |bytes: &[u8]| sum += u64::from(bytes[0]);
        frozen
            .block_on(frozen.read_with_at(3, 900_000, add))
            .unwrap();
    });
    assert_eq!(count, 0);
}
