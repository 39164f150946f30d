//! Operations that are answered at once leave the executor its turn.

use mfio::cursor::{ByteStream, Cursor};
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::memory::pipe;
use mfio::packet::{Batch, Packet, View};
use mfio::pipeline::Window;
use mfio::traits::{HasLen, IoRead, IoWrite};
use std::future::{Future, Ready, ready};
use std::pin::pin;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Operations after which the executor must have had its thread back.
const MANY: usize = 10_000;

/// Polls a loop of operations: it gives its thread back, having woken itself, and goes on when
/// polled again.
#[track_caller]
fn yields<F: Future<Output = ()>>(operations: F) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let mut operations = pin!(operations);
    let mut polls = 1;
    while operations.as_mut().poll(&mut cx) == Poll::Pending {
        let woken = wakes.0.load(Ordering::Relaxed);
        assert!(woken >= polls, "pending without having woken itself");
        polls += 1;
    }
    assert!(polls > MANY / 1000, "{polls} polls for {MANY} operations");
}

/// Bytes that are read and written where a request is sent.
struct Immediate(Mutex<Vec<u8>>);

impl IoObject for Immediate {}

impl PacketIo<Read> for Immediate {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        let (bytes, at, len) = (self.0.lock().unwrap(), pos as usize, view.len());
        view.bytes_mut().copy_from_slice(&bytes[at..][..len]);
        view.done();
    }
}

impl PacketIo<Write> for Immediate {
    fn send_io(&self, pos: u64, view: View<Write>) {
        let (mut bytes, at) = (self.0.lock().unwrap(), pos as usize);
        bytes[at..][..view.len()].copy_from_slice(view.bytes());
        view.done();
    }
}

impl HasLen for Immediate {
    type Len = Ready<mfio::error::Result<u64>>;

    fn io_len(&self) -> Self::Len {
        ready(Ok(4096))
    }
}

fn immediate() -> Immediate {
    Immediate(Mutex::new(vec![7; 4096]))
}

#[test]
fn reads_yield() {
    let object = immediate();
    yields(async {
        for _ in 0..MANY {
            assert_eq!(object.read_value_at::<u8>(3).await, Ok(7));
        }
    });
    yields(async {
        for _ in 0..MANY {
            object.read_exact_at(&mut [0; 8], 0).await.unwrap();
        }
    });
    yields(async {
        let mut buffer = vec![0; 8];
        for _ in 0..MANY {
            let (result, back) = object.read_exact_buf_at(buffer, 0).await;
            result.unwrap();
            buffer = back;
        }
    });
    yields(async {
        let mut packet = Packet::new([0u8; 8]);
        for _ in 0..MANY {
            packet = object.read_packet_at(packet, 0).await.packet;
        }
    });
}

#[test]
fn writes_yield() {
    let object = immediate();
    yields(async {
        for _ in 0..MANY {
            object.write_all_at(b"bytes", 0).await.unwrap();
        }
    });
}

#[test]
fn batches_and_ranges_yield() {
    let object = immediate();
    yields(async {
        for _ in 0..MANY {
            let batch: Batch<_> = (0..2).map(|n| (n * 8, vec![0; 8])).collect();
            let ended = object.read_batch(batch).await;
            assert!(ended.results().all(|result| result.is_ok()));
        }
    });
    yields(async {
        for _ in 0..MANY {
            let ranges = object.read_ranges([0..4, 8..12]).await;
            assert!(ranges.iter().all(|range| range.is_ok()));
        }
    });
}

#[test]
fn flows_yield() {
    let object = immediate();
    yields(async {
        for _ in 0..MANY {
            object.read_with_at(0, 64, |_| ()).await.unwrap();
        }
    });
}

#[test]
fn pipelines_yield() {
    let object = immediate();
    yields(async {
        let mut pipeline = object.read_pipeline(Window::new(4));
        for _ in 0..MANY {
            assert!(pipeline.try_push((0u64, vec![0; 8])).is_ok());
            assert!(pipeline.next().await.unwrap().result.is_ok());
        }
    });
}

#[test]
fn cursors_yield() {
    let mut cursor = Cursor::new(immediate());
    yields(async {
        for _ in 0..MANY {
            cursor.rewind().await.unwrap();
            let read = AsyncReadExt::read(&mut cursor, &mut [0; 8]).await;
            assert_eq!(read.unwrap(), 8);
        }
    });
    let mut cursor = Cursor::new(immediate());
    yields(async {
        for _ in 0..MANY {
            cursor.rewind().await.unwrap();
            let written = AsyncWriteExt::write(&mut cursor, b"bytes").await;
            assert_eq!(written.unwrap(), 5);
        }
    });
    let (reader, writer) = pipe(1 << 10);
    let (mut writer, mut reader) = (ByteStream::new(writer), ByteStream::new(reader));
    yields(async {
        for _ in 0..MANY {
            writer.write_all(b"bytes").await.unwrap();
            reader.read_exact(&mut [0; 5]).await.unwrap();
        }
    });
}
