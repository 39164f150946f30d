//! Objects that serve a request at once, or give up half-way.

use super::FULL;
use mfio::backend::{DynBackend, IoBackend, SharedBackend};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{IoObject, PacketIo, Read};
use mfio::memory::Memory;
use mfio::packet::View;
use mfio::traits::BlockingIo;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Reads of 1s that give up half way: the short cut moves some bytes, then has nothing to say; a
/// packet moves some more.
struct HalfWay {
    short_cuts: Mutex<VecDeque<usize>>,
    packets: Mutex<VecDeque<(usize, Cause)>>,
    memory: Memory,
    /// The positions that packets were sent to, and their lengths.
    sent: Mutex<Vec<(u64, usize)>>,
}

impl HalfWay {
    fn new(short_cuts: &[usize], good: usize) -> Self {
        Self {
            short_cuts: Mutex::new(short_cuts.iter().copied().collect()),
            packets: Mutex::new([(good, FULL)].into()),
            memory: Memory::new([]),
            sent: Mutex::default(),
        }
    }

    fn sent(self) -> Vec<(u64, usize)> {
        self.sent.into_inner().unwrap()
    }
}

impl IoObject for HalfWay {}

impl PacketIo<Read> for HalfWay {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        self.sent.lock().unwrap().push((pos, view.len()));
        let (good, cause) = self.packets.lock().unwrap().pop_front().unwrap();
        let shown = good.min(view.len());
        view.bytes_mut()[..shown].fill(1);
        view.done_prefix(good, cause);
    }

    fn transfer_blocking(&self, _: u64, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        let good = self.short_cuts.lock().unwrap().pop_front()?;
        bytes[..good].fill(1);
        Some(Ok(good))
    }
}

impl IoBackend for HalfWay {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        self.memory.shared()
    }
}

#[test]
fn a_short_cut_that_gives_up_half_way_loses_nothing() {
    // All of it: what the short cut moved, the packet goes on from.
    let io = HalfWay::new(&[3, 2], 3);
    let mut bytes = [0; 8];
    io.blocking().read_exact_at(&mut bytes, 16).unwrap();
    assert_eq!(bytes, [1; 8]);
    assert_eq!(io.sent(), [(21, 3)]);

    // Too little: the error is that of the whole request.
    let io = HalfWay::new(&[3, 2], 2);
    let error = io.blocking().read_exact_at(&mut bytes, 16).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read of 8 bytes at offset 16 failed: no space left"
    );
    assert_eq!(io.sent(), [(21, 3)]);

    // Something: what comes first counts, wherever it came from.
    let io = HalfWay::new(&[3], 2);
    assert_eq!(io.blocking().read_at(&mut bytes, 16).unwrap(), 3);
    assert_eq!(io.sent(), []);
    for (good, shown) in [(2, 2), (8, 8)] {
        let io = HalfWay::new(&[], good);
        assert_eq!(io.blocking().read_at(&mut bytes, 16).unwrap(), shown);
        assert_eq!(io.sent(), [(16, 8)]);
    }
    let error = HalfWay::new(&[], 0).blocking().read_at(&mut bytes, 16);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::StorageFull);

    // Where the positions end, the data does.
    let io = HalfWay::new(&[3], 0);
    let error = io.blocking().read_exact_at(&mut bytes, u64::MAX - 2);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(io.sent(), []);
}
