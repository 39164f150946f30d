//! Seeks to the end that were given up, over layers whose length comes from below: the same seek,
//! later, has the length of then.

use mfio::cursor::{Cursor, SeekFrom};
use mfio::error::Error;
use mfio::io::{IoObject, PacketIo, Read};
use mfio::packet::View;
use mfio::traits::HasLen;
use mfio_layers::{Cache, Mirror, Offset, Stripe, Trace, Window};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// Knows its length, and says it at the second poll of a question, as of the first one.
struct Growing(AtomicU64);

impl Growing {
    fn new(len: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(len)))
    }

    fn len(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl IoObject for Growing {
    fn len_now(&self) -> Option<u64> {
        Some(self.len())
    }
}

impl PacketIo<Read> for Growing {
    fn send_io(&self, _: u64, view: View<Read>) {
        drop(view);
    }
}

impl HasLen for Growing {
    type Len = Asked;

    fn io_len(&self) -> Asked {
        Asked(self.len(), true)
    }
}

struct Asked(u64, bool);

impl Future for Asked {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::take(&mut self.1) {
            true => Poll::Pending,
            false => Poll::Ready(Ok(self.0)),
        }
    }
}

/// The result of a seek to the end that was given up when the object had 100 bytes, and is made
/// again when it has 200.
fn sought(io: impl PacketIo<Read> + HasLen, below: &Growing) -> u64 {
    let mut cursor = Cursor::new(io);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(cursor.poll_seek(&mut cx, SeekFrom::End(0)).is_pending());
    below.0.store(200, Ordering::Relaxed);
    match cursor.poll_seek(&mut cx, SeekFrom::End(0)) {
        Poll::Ready(pos) => pos.unwrap(),
        Poll::Pending => panic!("it is told at the second poll"),
    }
}

#[test]
fn an_abandoned_seek_to_the_end_uses_the_current_length_through_every_layer() {
    let below = || Growing::new(100);
    let io = below();
    assert_eq!(sought(io.clone(), &io), 200);
    let io = below();
    assert_eq!(sought(Trace::new(io.clone()), &io), 200);
    let io = below();
    assert_eq!(sought(Cache::new(io.clone(), 64, 8).unwrap(), &io), 200);
    let io = below();
    assert_eq!(sought(Offset::new(io.clone(), 30), &io), 170);
    let io = below();
    assert_eq!(sought(Window::new(io.clone(), 30, 160), &io), 160);
    let (io, short) = (below(), Growing::new(50));
    let mirror = Mirror::<_>::new([short.clone(), io.clone()]).unwrap();
    assert_eq!(sought(mirror, &io), 200);
    let io = below();
    let stripe = Stripe::new([io.clone(), io.clone()], 10).unwrap();
    assert_eq!(sought(stripe, &io), 400);
}
