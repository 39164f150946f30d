//! Files of the native runtime through layers: what holds for a file holds for what a layer makes
//! of it, on every driver that can be had, under every executor.
#![cfg(target_os = "linux")]

#[path = "../../mfio-rt/tests/common/mod.rs"]
mod native;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::{Batch, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::clock::ThreadClock;
use mfio_layers::{
    Blocks, Cache, Concat, Fault, Limit, Limits, Mirror, Offset, Overlay, Remap, Retry,
    RetryPolicy, Rule, Stripe, Timeout, Trace, Window,
};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt};
use native::*;

/// The content of every stack of layers: bytes that tell their position.
const LEN: usize = 300_000;

trait Object: PacketIo<Read> + PacketIo<Write> + Send + Sync {}
impl<Io: PacketIo<Read> + PacketIo<Write> + Send + Sync> Object for Io {}

/// Makes an object of [`LEN`] bytes.
type Stack = (&'static str, fn(&NativeRt, &Dir) -> Arc<dyn Object>);

const STACKS: &[Stack] = &[
    ("a file", |rt, dir| Arc::new(whole(rt, dir, "plain"))),
    ("Offset", |rt, dir| {
        let file = file(
            rt,
            dir,
            "offset",
            |n| byte_at((n as u64).wrapping_sub(7)),
            LEN + 7,
        );
        Arc::new(Offset::new(file, 7))
    }),
    ("Window", |rt, dir| {
        let file = file(
            rt,
            dir,
            "window",
            |n| byte_at((n as u64).wrapping_sub(7)),
            LEN + 100,
        );
        Arc::new(Window::new(file, 7, LEN as u64))
    }),
    ("Concat", |rt, dir| {
        let cut = 100_001;
        let front = file(rt, dir, "front", |n| byte_at(n as u64), cut);
        let back = file(rt, dir, "back", |n| byte_at((n + cut) as u64), LEN - cut);
        Arc::new(Concat::new([(front, cut as u64), (back, (LEN - cut) as u64)]).unwrap())
    }),
    ("Remap", |rt, dir| {
        // Halves that have changed places.
        let half = LEN / 2;
        let file = file(
            rt,
            dir,
            "remap",
            |n| byte_at(((n + half) % LEN) as u64),
            LEN,
        );
        let mut remap = Remap::new(file);
        remap.map(0..half as u64, half as u64).unwrap();
        remap.map(half as u64..LEN as u64, 0).unwrap();
        Arc::new(Window::new(remap, 0, LEN as u64))
    }),
    ("Stripe", |rt, dir| {
        let unit = 4096;
        let members: Vec<_> = (0..3)
            .map(|member| {
                let bytes: Vec<u8> = (0..LEN)
                    .filter(|n| n / unit % 3 == member)
                    .map(|n| byte_at(n as u64))
                    .collect();
                file(
                    rt,
                    dir,
                    &format!("stripe-{member}"),
                    |n| bytes[n],
                    bytes.len(),
                )
            })
            .collect();
        Arc::new(Stripe::new(members, unit as u64).unwrap())
    }),
    ("Mirror", |rt, dir| {
        let replicas = ["one", "two"].map(|name| whole(rt, dir, name));
        Arc::new(Mirror::new(replicas).unwrap())
    }),
    ("Retry", |rt, dir| {
        let failing = Fault::new(
            whole(rt, dir, "retry"),
            [Rule::fail(ErrorKind::Busy).every(3)],
        );
        Arc::new(Retry::new(failing, RetryPolicy::new(10)))
    }),
    ("Timeout", |rt, dir| {
        let clock = ThreadClock::new().unwrap();
        Arc::new(Timeout::new(
            whole(rt, dir, "timeout"),
            Duration::from_secs(60),
            clock,
        ))
    }),
    ("Limit", |rt, dir| {
        let limits = Limits {
            operations: 5,
            bytes: 10_000,
            queue: 10_000,
            ..Limits::default()
        };
        Arc::new(Limit::new(whole(rt, dir, "limit"), limits))
    }),
    ("Trace", |rt, dir| {
        Arc::new(Trace::new(whole(rt, dir, "trace")))
    }),
    ("Blocks", |rt, dir| {
        // The length is a multiple of it, so that the file does not grow by writes within.
        let file = whole(rt, dir, "blocks");
        Arc::new(Blocks::with_block(file, 32).unwrap())
    }),
    ("Overlay", |rt, dir| {
        let base = whole(rt, dir, "base");
        let top = file(rt, dir, "top", |_| 0, 0);
        Arc::new(Overlay::new(base, top, LEN as u64, 4096).unwrap())
    }),
    ("Cache", |rt, dir| {
        Arc::new(Cache::new(whole(rt, dir, "cache"), 1 << 17, 4096).unwrap())
    }),
    ("all of them", |rt, dir| {
        let disk = |n: usize| {
            let file = whole(rt, dir, &format!("disk-{n}"));
            Retry::new(
                Limit::new(
                    file,
                    Limits {
                        operations: 64,
                        ..Limits::default()
                    },
                ),
                RetryPolicy::new(2),
            )
        };
        let mirror: Mirror<_> = Mirror::new([disk(0), disk(1)]).unwrap();
        let top = file(rt, dir, "all-top", |_| 0, 0);
        let overlay = Overlay::new(mirror, top, LEN as u64, 4096).unwrap();
        Arc::new(Trace::new(Cache::new(overlay, 1 << 16, 4096).unwrap()))
    }),
];

fn file(rt: &NativeRt, dir: &Dir, name: &str, byte: impl Fn(usize) -> u8, len: usize) -> File {
    let path = dir.path(name);
    std::fs::write(&path, (0..len).map(byte).collect::<Vec<u8>>()).unwrap();
    let options = OpenOptions::new().read(true).write(true);
    mfio::backend::IoBackendExt::block_on(rt, rt.open(&path, &options)).unwrap()
}

/// A file of the bytes themselves.
fn whole(rt: &NativeRt, dir: &Dir, name: &str) -> File {
    file(rt, dir, name, |n| byte_at(n as u64), LEN)
}

fn run(kind: DriverKind, executor: Executor) {
    let Some(rt) = runtime(kind) else { return };
    for (name, stack) in STACKS {
        println!("{kind}, {executor:?}: {name}");
        let dir = Dir::new();
        let io = stack(&rt, &dir);
        executor.run(&rt, Box::pin(suite(io)));
    }
}

macro_rules! matrix {
    ($($name:ident: $kind:ident, $executor:ident;)*) => {$(
        #[test]
        fn $name() {
            run(DriverKind::$kind, Executor::$executor);
        }
    )*};
}

matrix! {
    uring_block_on: IoUring, BlockOn;
    uring_tokio_drive: IoUring, TokioDrive;
    uring_tokio_run_with: IoUring, TokioRunWith;
    uring_smol_drive: IoUring, SmolDrive;
    uring_smol_run_with: IoUring, SmolRunWith;
    threads_block_on: Threads, BlockOn;
    threads_tokio_drive: Threads, TokioDrive;
    threads_tokio_run_with: Threads, TokioRunWith;
    threads_smol_drive: Threads, SmolDrive;
    threads_smol_run_with: Threads, SmolRunWith;
}

async fn suite(io: Arc<dyn Object>) {
    reads_what_is_there(&*io).await;
    reads_many_at_once(&*io).await;
    reads_past_the_end(&*io).await;
    reads_nothing(&*io).await;
    reads_batches(&*io).await;
    gives_up_some(&*io).await;
    writes_and_reads_back(&*io).await;
    typed_values(&*io).await;
}

async fn reads_what_is_there(io: &dyn Object) {
    for (pos, len) in [(0, 1), (0, LEN), (LEN - 1, 1), (4095, 2), (12_345, 54_321)] {
        let mut bytes = vec![0; len];
        io.read_exact_at(&mut bytes, pos as u64).await.unwrap();
        assert_bytes(&bytes, pos as u64);
        let (result, bytes) = io.read_exact_buf_at(vec![0; len], pos as u64).await;
        result.unwrap();
        assert_bytes(&bytes, pos as u64);
    }
}

/// More than a queue takes at a time.
async fn reads_many_at_once(io: &dyn Object) {
    let mut numbers = Numbers::new(1);
    let mut reads: Vec<_> = (0..1500)
        .map(|_| {
            let pos = numbers.below(LEN as u64 - 100);
            (pos, io.read_exact_buf_at(vec![0; 100], pos))
        })
        .collect();
    std::future::poll_fn(move |cx| {
        reads.retain_mut(|(pos, read)| match Pin::new(read).poll(cx) {
            Poll::Pending => true,
            Poll::Ready((result, bytes)) => {
                result.unwrap();
                assert_bytes(&bytes, *pos);
                false
            }
        });
        match reads.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

async fn reads_past_the_end(io: &dyn Object) {
    let near = LEN as u64 - 300;
    let mut bytes = [0; 600];
    let error = io.read_exact_at(&mut bytes, near).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.get_offset(), Some(near));
    assert_eq!(io.read_at(&mut bytes, near).await.unwrap(), 300);
    assert_bytes(&bytes[..300], near);
    assert_eq!(io.read_at(&mut bytes, LEN as u64).await.unwrap(), 0);
    assert_eq!(io.read_at(&mut bytes, 1 << 40).await.unwrap(), 0);
    let ended = io.read_packet_at(Packet::new(vec![0; 1000]), near).await;
    let failures: Vec<_> = ended
        .outcome
        .failures()
        .map(|f| (f.offset, f.len))
        .collect();
    assert_eq!(failures, [(300, 700)]);
    assert_bytes(&ended.packet.buffer()[..300], near);
}

async fn reads_nothing(io: &dyn Object) {
    io.read_exact_at(&mut [], 0).await.unwrap();
    assert_eq!(io.read_at(&mut [], 5).await.unwrap(), 0);
    let ended = io.read_packet_at(Packet::new([0; 0]), 17).await;
    assert!(ended.outcome.is_success());
}

async fn reads_batches(io: &dyn Object) {
    let batch: Batch<_> = (0..40u64).map(|n| (n * 7001, [0u8; 600])).collect();
    let ended = io.read_batch(batch).limit(5000).await;
    assert!(ended.outcome.is_success(), "{:?}", ended.outcome);
    for n in 0..40 {
        assert_bytes(ended.batch.bytes(n), n as u64 * 7001);
    }
    let wanted: Vec<_> = (0..100u64).map(|n| n * 2900..n * 2900 + n).collect();
    let ended = io.read_ranges(wanted).await;
    for (n, bytes) in ended.iter().enumerate() {
        assert_bytes(bytes.unwrap(), n as u64 * 2900);
    }
}

/// A third is dropped after it was sent; the others are right, and so is what comes after.
async fn gives_up_some(io: &dyn Object) {
    let mut numbers = Numbers::new(2);
    for _ in 0..300 {
        let pos = numbers.below(LEN as u64 - 5000);
        let mut given_up = pin!(io.read_exact_buf_at(vec![0; 5000], pos));
        let polled = given_up
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if numbers.below(3) != 0 {
            let (result, bytes) = match polled {
                Poll::Ready(ended) => ended,
                Poll::Pending => given_up.await,
            };
            result.unwrap();
            assert_bytes(&bytes, pos);
        }
    }
}

async fn writes_and_reads_back(io: &dyn Object) {
    let mut model: Vec<u8> = (0..LEN as u64).map(byte_at).collect();
    let mut numbers = Numbers::new(3);
    for round in 0..60u8 {
        let pos = numbers.below(LEN as u64 - 1) as usize;
        let len = (numbers.below(20_000) as usize).min(LEN - pos);
        let bytes: Vec<u8> = (0..len)
            .map(|n| round.wrapping_mul(31).wrapping_add(n as u8))
            .collect();
        model[pos..pos + len].copy_from_slice(&bytes);
        if round % 2 == 0 {
            io.write_all_at(&bytes, pos as u64).await.unwrap();
        } else {
            io.write_all_buf_at(bytes, pos as u64).await.0.unwrap();
        }
        let mut back = vec![0; len];
        io.read_exact_at(&mut back, pos as u64).await.unwrap();
        assert!(back == model[pos..pos + len], "round {round}");
    }
    assert!(io.read_vec_at(0, LEN).await.unwrap() == model);
}

async fn typed_values(io: &dyn Object) {
    io.write_value_at(&0x0102_0304_u32, 8).await.unwrap();
    assert_eq!(io.read_value_at::<u32>(8).await.unwrap(), 0x0102_0304);
    let error = io
        .read_value_at::<[u64; 2]>(LEN as u64 - 8)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}
