//! Cursors over layers: they seek to the end, and that is where reads end.

mod common;

use common::{memory, noise};
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::cursor::{self, BlockingCursor, Cursor};
use mfio::error::{Error, ErrorKind};
use mfio::io::{IoObject, PacketIo, Read};
use mfio::memory::Memory;
use mfio::traits::{HasLen, IoRead};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, BackendSet, Cache, Concat, Fault, Limit, Limits, Mirror, Offset, Overlay, Retry,
    RetryPolicy, Stripe, Timeout, Trace, Window,
};
use std::future::poll_fn;
use std::io::{Read as _, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Below all layers.
const LEN: usize = 1000;

/// `io` holds these bytes, for who reads at positions, and who seeks.
fn holds(io: impl PacketIo<Read> + HasLen + IoBackend, bytes: &[u8]) {
    let end = bytes.len() as u64;
    assert_eq!(io.block_on(io.read_vec_at(0, 2 * LEN)).unwrap(), bytes);
    assert_eq!(io.io_len_blocking().unwrap(), end);

    let mut cursor = BlockingCursor::new(io);
    let mut tail = Vec::new();
    assert_eq!(cursor.seek(SeekFrom::End(-3)).unwrap(), end - 3);
    cursor.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, bytes[bytes.len() - 3..]);

    let mut front = [0; 5];
    assert_eq!(cursor.seek(SeekFrom::Start(2)).unwrap(), 2);
    cursor.read_exact(&mut front).unwrap();
    assert_eq!(front, bytes[2..7]);
    assert_eq!(cursor.seek(SeekFrom::End(0)).unwrap(), end);
    assert_eq!(cursor.read(&mut front).unwrap(), 0);
}

/// A layer over many objects, and what drives it.
fn driven<Io>(
    io: Io,
    objects: impl IntoIterator<Item = Arc<Memory>>,
) -> AttachBackend<Io, impl mfio::backend::LinksIoBackend> {
    AttachBackend::new(io, BackendSet::new(objects).unwrap())
}

#[test]
fn layers_over_one_object_end_where_it_ends() {
    let (below, bytes) = (memory(LEN, 1), noise(LEN, 1));
    let limits = Limits {
        bytes: 64,
        ..Limits::default()
    };
    let (timeout, clock) = (Duration::from_secs(1), ManualClock::new());
    holds(Trace::new(below.clone()), &bytes);
    holds(Cache::new(below.clone(), 512, 64).unwrap(), &bytes);
    holds(Retry::<_>::new(below.clone(), RetryPolicy::new(2)), &bytes);
    holds(Limit::<_>::new(below.clone(), limits), &bytes);
    holds(Timeout::new(below.clone(), timeout, clock), &bytes);
    holds(Fault::<_>::new(below, []), &bytes);
}

#[test]
fn parts_end_where_they_do_or_the_object_does() {
    let (below, bytes) = (memory(LEN, 2), noise(LEN, 2));
    holds(Offset::new(below.clone(), 300), &bytes[300..]);
    holds(Window::new(below.clone(), 300, 50), &bytes[300..350]);
    holds(Window::new(below.clone(), 990, 50), &bytes[990..]);
    holds(Window::new(below.clone(), 990, u64::MAX), &bytes[990..]);

    let beyond = Offset::new(below.clone(), 1001);
    assert_eq!(beyond.io_len_blocking().unwrap(), 0);
    let beyond = Window::new(below, u64::MAX, 5);
    assert_eq!(beyond.io_len_blocking().unwrap(), 0);
}

#[test]
fn objects_built_with_a_length_end_there() {
    let objects = [memory(LEN, 3), memory(LEN, 4)];
    let lens = [400, 500];
    let concat = Concat::new(objects.clone().into_iter().zip(lens)).unwrap();
    let bytes = [&noise(LEN, 3)[..400], &noise(LEN, 4)[..500]].concat();
    holds(driven(concat, objects.clone()), &bytes);

    let [base, top] = objects.clone();
    // The last granule is in the top, as far as there is one.
    let present = [0..128, 896..900];
    let overlay = Overlay::<_, _>::with_present(base, top, 900, 64, present).unwrap();
    let (base, top) = (noise(LEN, 3), noise(LEN, 4));
    let bytes = [&top[..128], &base[128..896], &top[896..900]].concat();
    holds(driven(overlay, objects), &bytes);
}

#[test]
fn a_mirror_ends_with_the_longest_replica_that_is_read_from() {
    let bytes = noise(LEN, 5);
    let replicas = [700, 1000, 900].map(|len| Arc::new(Memory::new(bytes[..len].to_vec())));
    let mirror = || Mirror::<_>::new(replicas.clone()).unwrap();
    holds(driven(mirror(), replicas.clone()), &bytes);

    let stale = mirror();
    assert!(stale.mark_stale(1));
    holds(driven(stale, replicas.clone()), &bytes[..900]);
}

#[test]
fn a_stripe_ends_with_the_first_byte_that_is_missing() {
    // All ways in which three members can end within their first rows, the units being of 4 bytes.
    for lens in (0..10 * 10 * 10).step_by(if cfg!(miri) { 37 } else { 1 }) {
        let lens = [lens % 10, lens / 10 % 10, lens / 100];
        let members = lens.map(|len| memory(len, len as u64));
        let io = driven(Stripe::new(members.clone(), 4).unwrap(), members);
        let read = io.block_on(io.read_vec_at(0, 100)).unwrap();
        assert_eq!(io.io_len_blocking().unwrap(), read.len() as u64, "{lens:?}");
    }
    let only = [memory(LEN, 6)];
    let stripe = Stripe::new(only.clone(), 7).unwrap();
    holds(driven(stripe, only), &noise(LEN, 6));
}

#[test]
fn layers_nest() {
    let replicas = [memory(LEN, 7), memory(LEN, 7)];
    let mirror = Mirror::<_>::new(replicas.clone()).unwrap();
    let window = Window::new(Retry::<_>::new(mirror, RetryPolicy::new(2)), 100, 800);
    let io = Cache::new(driven(Trace::new(window), replicas), 512, 64).unwrap();
    holds(io, &noise(LEN, 7)[100..900]);
}

#[test]
fn tasks_seek_too() {
    let members = [memory(500, 8), memory(500, 9)];
    let stripe = Stripe::new(members.clone(), 10).unwrap();
    let io = Arc::new(driven(stripe, members));
    let mut cursor = Cursor::new(io.clone());
    io.block_on(async {
        let mut tail = [0; 16];
        for (to, pos) in [
            (cursor::SeekFrom::End(-10), LEN as u64 - 10),
            (cursor::SeekFrom::Start(LEN as u64 - 10), LEN as u64 - 10),
        ] {
            let sought = poll_fn(|cx| cursor.poll_seek(cx, to)).await.unwrap();
            assert_eq!(sought, pos);
            let read = poll_fn(|cx| cursor.poll_read(cx, &mut tail)).await.unwrap();
            assert_eq!(tail[..read], noise(500, 9)[490..]);
        }
    });
}

/// Its length is known when it is asked for the third time, or never.
struct Slow {
    fails: bool,
}

/// Nobody reads it.
impl IoObject for Slow {}

impl PacketIo<Read> for Slow {
    fn send_io(&self, _: u64, view: mfio::packet::View<Read>) {
        drop(view);
    }
}

struct SlowLen {
    left: u32,
    fails: bool,
}

impl HasLen for Slow {
    type Len = SlowLen;

    fn io_len(&self) -> SlowLen {
        SlowLen {
            left: 2,
            fails: self.fails,
        }
    }
}

impl Future for SlowLen {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Pending
            }
            None if self.fails => Poll::Ready(Err(Error::new(ErrorKind::Other, "length"))),
            None => Poll::Ready(Ok(64)),
        }
    }
}

#[test]
fn the_question_outlives_the_layer_and_fails_as_the_object_says() {
    fn third<Io: HasLen>(io: Io) -> Result<u64, ErrorKind> {
        let mut question = io.io_len();
        drop(io);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(Pin::new(&mut question).poll(&mut cx).is_pending());
        }
        match Pin::new(&mut question).poll(&mut cx) {
            Poll::Ready(len) => len.map_err(|error| error.kind()),
            Poll::Pending => panic!("all have answered"),
        }
    }
    let pair = |fails: [bool; 2]| fails.map(|fails| Slow { fails });
    assert_eq!(third(Window::new(Slow { fails: false }, 60, 60)), Ok(4));
    assert_eq!(
        third(Window::new(Slow { fails: true }, 60, 60)),
        Err(ErrorKind::Other)
    );
    assert_eq!(
        third(Mirror::<_>::new(pair([true, false])).unwrap()),
        Ok(64)
    );
    assert_eq!(
        third(Stripe::new(pair([false, false]), 8).unwrap()),
        Ok(128)
    );
    assert_eq!(
        third(Stripe::new(pair([false, true]), 8).unwrap()),
        Err(ErrorKind::Other)
    );
}
