//! The end of the address space is an end: nothing wraps around to its beginning, whatever the type
//! of positions is.

use mfio::backend::{IoBackend, IoBackendExt};
use mfio::cursor::BlockingCursor;
use mfio::error::ErrorKind;
use mfio::io::{Address, IoObject, PacketIo, Position, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Batch, Packet, View};
use mfio::traits::{BlockingIo, HasLen, IoRead, IoWrite};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, Cache, Concat, Fault, Limit, Limits, Mirror, Offset, Overlay, Remap, Retry,
    RetryPolicy, Stripe, Timeout, TimeoutLimits, Trace, Window,
};
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A type of positions that ends within every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Byte(u8);

impl Position for Byte {
    fn advance(self, bytes: usize) -> Option<Self> {
        Some(Self(self.0.checked_add(bytes.try_into().ok()?)?))
    }

    fn offset(self) -> Option<u64> {
        Some(self.0.into())
    }
}

impl Address for Byte {
    fn to_u64(self) -> u64 {
        self.0.into()
    }

    fn from_u64(number: u64) -> Option<Self> {
        Some(Self(number.try_into().ok()?))
    }
}

/// The address that many before the last one.
fn top<P: Address>(before: u64) -> P {
    let last = [
        u64::MAX,
        u64::from(u32::MAX),
        u64::from(u16::MAX),
        u8::MAX.into(),
    ];
    let last = last.into_iter().find(|last| P::from_u64(*last).is_some());
    P::from_u64(last.unwrap() - before).unwrap()
}

fn byte_at(at: u64) -> u8 {
    (at % 251) as u8
}

/// All bytes that have addresses. What was written is kept, by address.
#[derive(Clone, Default)]
struct Full {
    written: Arc<Mutex<BTreeMap<u64, u8>>>,
    /// Answers blocking calls without a packet.
    short_cut: bool,
}

impl Full {
    fn room<P: Address>(pos: P, len: usize) -> usize {
        let left = top::<P>(0).to_u64() - pos.to_u64();
        usize::try_from(left).map_or(len, |left| len.min(left.saturating_add(1)))
    }

    fn get<P: Address>(&self, pos: P, bytes: &mut [u8]) -> usize {
        let good = Self::room(pos, bytes.len());
        let written = self.written.lock().unwrap();
        for (at, byte) in (pos.to_u64()..=u64::MAX).zip(&mut bytes[..good]) {
            *byte = written.get(&at).copied().unwrap_or(byte_at(at));
        }
        good
    }

    fn put<P: Address>(&self, pos: P, bytes: &[u8]) -> usize {
        let good = Self::room(pos, bytes.len());
        let mut written = self.written.lock().unwrap();
        written.extend((pos.to_u64()..=u64::MAX).zip(bytes[..good].iter().copied()));
        good
    }
}

impl IoObject for Full {}

impl<P: Address> PacketIo<Read, P> for Full {
    fn send_io(&self, pos: P, mut view: View<Read>) {
        let good = self.get(pos, view.bytes_mut());
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }

    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &mut [u8],
    ) -> Option<Result<usize, mfio::error::Cause>> {
        self.short_cut.then(|| Ok(self.get(pos, bytes)))
    }
}

impl<P: Address> PacketIo<Write, P> for Full {
    fn send_io(&self, pos: P, view: View<Write>) {
        let good = self.put(pos, view.bytes());
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }

    fn transfer_blocking(&self, pos: P, bytes: &[u8]) -> Option<Result<usize, mfio::error::Cause>> {
        self.short_cut.then(|| Ok(self.put(pos, bytes)))
    }
}

impl HasLen for Full {
    type Len = Ready<mfio::error::Result<u64>>;

    fn io_len(&self) -> Self::Len {
        ready(Ok(u64::MAX))
    }
}

/// Six bytes are left, and ten are asked for.
const LEFT: usize = 6;
const ASKED: usize = 10;

fn expected<P: Address>() -> Vec<u8> {
    (0..LEFT as u64)
        .rev()
        .map(|n| byte_at(top::<P>(n).to_u64()))
        .collect()
}

/// The result of a request of ten bytes: how many from the start succeeded, and the kind of the
/// rest.
fn cut(outcome: &mfio::packet::Outcome, name: &str) {
    let failed: Vec<_> = outcome
        .failures()
        .map(|range| (range.offset, range.len, range.cause.kind()))
        .collect();
    assert_eq!(
        failed,
        [(LEFT, ASKED - LEFT, ErrorKind::UnexpectedEof)],
        "{name}"
    );
}

fn reads_end<P, Io>(io: &Io, name: &str)
where
    P: Address,
    Io: PacketIo<Read, P> + IoBackend,
{
    let (at, expected) = (top::<P>(LEFT as u64 - 1), expected::<P>());
    // What is at the beginning is in the cache, if there is one; and in the second round what is at
    // the end.
    let mut front = [0; 8];
    io.block_on(io.read_exact_at(&mut front, P::from_u64(0).unwrap()))
        .unwrap();
    for _ in 0..2 {
        let ended = io.block_on(io.read_packet_at(Packet::new(vec![0; ASKED]), at));
        cut(&ended.outcome, name);
        assert_eq!(ended.packet.buffer()[..LEFT], expected, "{name}");

        let mut bytes = [0; ASKED];
        let some = io.block_on(io.read_at(&mut bytes, at)).unwrap();
        assert_eq!((some, &bytes[..LEFT]), (LEFT, &expected[..]), "{name}");

        let mut bytes = [0; ASKED];
        let some = io.blocking().read_at(&mut bytes, at).unwrap();
        assert!((1..=LEFT).contains(&some), "{name}: {some} bytes");
        assert_eq!(bytes[..some], expected[..some], "{name}");
        let all = io.blocking().read_exact_at(&mut bytes, at);
        assert_eq!(all.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{name}");
        io.blocking().read_exact_at(&mut bytes[..LEFT], at).unwrap();
        assert_eq!(bytes[..LEFT], expected, "{name}");

        let ranges = io.block_on(io.read_ranges([at..top(0), top(1)..top(0)]));
        assert_eq!(ranges.get(0).unwrap(), &expected[..LEFT - 1], "{name}");
        assert_eq!(
            ranges.get(1).unwrap(),
            &expected[LEFT - 2..LEFT - 1],
            "{name}"
        );

        let mut batch = Batch::new();
        batch.push(at, vec![0; ASKED]);
        batch.push(top(0), vec![0; 1]);
        let ended = io.block_on(io.read_batch(batch));
        cut(&ended.outcome_of(0), name);
        assert!(ended.outcome_of(1).is_success(), "{name}");
        assert_eq!(ended.batch.bytes(0)[..LEFT], expected, "{name}");
        assert_eq!(ended.batch.bytes(1), &expected[LEFT - 1..], "{name}");
    }
}

fn writes_end<P, Io>(io: &Io, below: &Full, name: &str)
where
    P: Address,
    Io: PacketIo<Write, P> + IoBackend,
{
    let at = top::<P>(LEFT as u64 - 1);
    let ended = io.block_on(io.write_packet_at(Packet::new(vec![1; ASKED]), at));
    cut(&ended.outcome, name);
    let all = io.blocking().write_all_at(&[2; ASKED], at);
    assert_eq!(all.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{name}");
    io.blocking().write_all_at(&[3; LEFT], at).unwrap();
    io.block_on(io.write_all_at(&[4], top(0))).unwrap();
    let mut batch = Batch::new();
    batch.push(at, vec![5; ASKED]);
    cut(&io.block_on(io.write_batch(batch)).outcome_of(0), name);

    let written = std::mem::take(&mut *below.written.lock().unwrap());
    let places = (0..LEFT as u64).rev().map(|n| top::<P>(n).to_u64());
    assert!(written.keys().copied().eq(places), "{name}: {written:?}");
}

fn ends<P, Io>(below: &Full, io: Io, name: &str)
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P>,
{
    let io = AttachBackend::new(io, Arc::new(Memory::new([])));
    reads_end::<P, _>(&io, name);
    writes_end::<P, _>(&io, below, name);
}

/// Layers that leave positions as they are.
fn all_layers_end<P: Address>() {
    for short_cut in [true, false] {
        let below = Full {
            short_cut,
            ..Full::default()
        };
        let io = || below.clone();
        ends::<P, _>(&below, Cache::new(io(), 1 << 16, 1 << 10).unwrap(), "Cache");
        ends::<P, _>(&below, Cache::new(io(), 64, 4).unwrap(), "Cache of words");
        ends::<P, _>(&below, Offset::new(io(), 0), "Offset");
        ends::<P, _>(&below, Stripe::new([io()], 4).unwrap(), "Stripe");
        ends::<P, _>(&below, Trace::new(io()), "Trace");
        ends::<P, _>(&below, Fault::<_, P>::new(io(), []), "Fault");
        ends::<P, _>(&below, Mirror::<_, P>::new([io(), io()]).unwrap(), "Mirror");
        ends::<P, _>(
            &below,
            Retry::<_, P>::new(io(), RetryPolicy::new(3)),
            "Retry",
        );
        let mut remap = Remap::<_, P, P>::new(io());
        remap.map(.., P::from_u64(0).unwrap()).unwrap();
        ends::<P, _>(&below, remap, "Remap");
        let limits = Limits {
            bytes: 4,
            ..Limits::default()
        };
        ends::<P, _>(&below, Limit::<_, P>::new(io(), limits), "Limit");
        let chunks = TimeoutLimits {
            chunk: 4,
            ..TimeoutLimits::default()
        };
        let timeout =
            Timeout::with_limits(io(), Duration::from_secs(9), ManualClock::new(), chunks);
        ends::<P, _>(&below, timeout, "Timeout");
    }
}

#[test]
fn nothing_wraps_around_at_the_last_address() {
    all_layers_end::<u64>();
    all_layers_end::<u32>();
    all_layers_end::<usize>();
    all_layers_end::<Byte>();
}

/// Layers with a length, which may end where the addresses do, or later. The last address of 64
/// bits is beyond all lengths.
fn lengths_end<P: Address>() {
    for short_cut in [true, false] {
        let below = Full {
            short_cut,
            ..Full::default()
        };
        let io = || below.clone();
        let all = u64::MAX;
        ends::<P, _>(&below, Window::new(io(), 0, all), "Window");
        ends::<P, _>(&below, Concat::new([(io(), all)]).unwrap(), "Concat");
        // What was written would be in the top, so what is there counts from the beginning.
        let present = Some(0..all);
        let overlay = Overlay::<_, _, P>::with_present(io(), io(), all, 1, present).unwrap();
        ends::<P, _>(&below, overlay, "Overlay");
        let overlay = Overlay::<_, _, P>::new(io(), io(), all, 1).unwrap();
        let io = AttachBackend::new(overlay, Arc::new(Memory::new([])));
        reads_end::<P, _>(&io, "Overlay, the base");
        writes_end::<P, _>(&io, &below, "Overlay, the base");
    }
}

#[test]
fn lengths_beyond_the_last_address_do_not_wrap_around() {
    lengths_end::<u32>();
    lengths_end::<Byte>();
}

#[test]
fn a_cache_reads_no_further_than_the_last_address() {
    let io = Cache::new(Full::default(), 1 << 12, 16).unwrap();
    let mut warm = [0; 32];
    for at in [0, u64::MAX - 31] {
        io.send_io(at, Packet::new(vec![0; 32]).start::<Read>().1);
    }
    let last = PacketIo::<Read, u64>::transfer_blocking(&io, u64::MAX - 3, &mut warm);
    assert_eq!(last, Some(Ok(4)), "block 0 is at the other end");

    // With 32 bits there is something behind, which has no address.
    let behind = u64::from(u32::MAX) + 1;
    for at in [behind - 16, behind] {
        io.send_io(at, Packet::new(vec![0; 16]).start::<Read>().1);
    }
    let last = PacketIo::<Read, u32>::transfer_blocking(&io, u32::MAX - 3, &mut warm);
    assert_eq!(last, Some(Ok(4)), "the rest has no address of 32 bits");
}

/// Keeps reads until they are told to go on.
#[derive(Default)]
struct Held(Mutex<Vec<(u64, View<Read>)>>);

impl IoObject for Held {}

impl<P: Address> PacketIo<Read, P> for Held {
    fn send_io(&self, pos: P, view: View<Read>) {
        self.0.lock().unwrap().push((pos.to_u64(), view));
    }
}

#[test]
fn a_block_that_is_cut_by_short_addresses_is_whole_for_long_ones() {
    let below = Arc::new(Held::default());
    let io = Cache::new(below.clone(), 1 << 12, 1 << 10).unwrap();
    let (short, view) = Packet::new(vec![0; ASKED]).start::<Read>();
    io.send_io(top::<Byte>(LEFT as u64 - 1), view);
    // It finds that block on its way, as far as the addresses of the other go.
    let (long, view) = Packet::new(vec![0; ASKED]).start::<Read>();
    io.send_io(254u64, view);
    let held = std::mem::take(&mut *below.0.lock().unwrap());
    for (at, view) in held {
        PacketIo::<Read, u64>::send_io(&Full::default(), at, view);
    }
    cut(&short.try_end().unwrap().outcome, "short");
    let long = long.try_end().unwrap();
    assert!(long.outcome.is_success());
    let bytes: Vec<u8> = (254..264).map(byte_at).collect();
    assert_eq!(long.packet.buffer(), &bytes[..]);
}

#[test]
fn a_cursor_over_a_cache_ends_at_the_last_address() {
    let cache = Cache::new(Full::default(), 1 << 12, 16).unwrap();
    let io = AttachBackend::new(cache, Arc::new(Memory::new([])));
    let mut front = [0; 8];
    io.blocking().read_exact_at(&mut front, 0u64).unwrap();
    let mut cursor = BlockingCursor::new(io);
    let at = top::<u64>(LEFT as u64 - 1);
    cursor.seek(SeekFrom::Start(at)).unwrap();
    for _ in 0..2 {
        let mut bytes = [0; ASKED];
        let n = cursor.read(&mut bytes).unwrap();
        assert!((1..=LEFT).contains(&n));
        assert_eq!(bytes[..n], expected::<u64>()[..n]);
        cursor.seek(SeekFrom::Start(at)).unwrap();
    }
    let n = cursor.write(&[1; ASKED]).unwrap();
    assert!((1..=LEFT).contains(&n));
}
