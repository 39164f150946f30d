//! An overlay that is longer than its base: behind the base there are zeros, and every write works.

#[path = "../../mfio-rt/tests/common/mod.rs"]
#[cfg(target_os = "linux")]
mod native;

mod later;

use later::{Later, bytes_of, failures_of, read, write};
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::cursor::BlockingCursor;
use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::Batch;
use mfio::traits::{BlockingIo, HasLen, IoRead, IoWrite};
use mfio_layers::{AttachBackend, BackendSet, Overlay, Stripe};
use std::io::{Read as _, Seek, SeekFrom, Write as _};
use std::sync::Arc;

type Io = Overlay<Arc<Later>, Arc<Later>>;

/// Lets everything below happen and end.
fn finish(objects: &[&Later]) {
    while objects.iter().any(|object| object.waiting() > 0) {
        objects.iter().for_each(|object| object.finish());
    }
}

/// 64 bytes in granules of 16 over a base of 20 ones; the top is full of nines.
fn overlay() -> (Arc<Later>, Arc<Later>, Io) {
    let (base, top) = (Later::new(vec![1; 20]), Later::new(vec![9; 64]));
    let io = Io::new(base.clone(), top.clone(), 64, 16).unwrap();
    (base, top, io)
}

fn all(base: &Later, top: &Later, io: &Io) -> Vec<u8> {
    let all = read(io, 0, 64);
    finish(&[base, top]);
    bytes_of(all)
}

#[test]
fn behind_the_end_of_a_base_are_zeros_and_every_write_works() {
    let (base, top, io) = overlay();
    let mut expected = [vec![1; 20], vec![0; 44]].concat();
    assert_eq!(all(&base, &top, &io), expected);
    let (before, across, behind) = (
        write(&io, 17, &[2; 2]),
        write(&io, 19, &[3; 4]),
        write(&io, 36, &[4; 3]),
    );
    finish(&[&base, &top]);
    for write in [before, across, behind] {
        assert_eq!(failures_of(write), []);
    }
    expected[17..19].fill(2);
    expected[19..23].fill(3);
    expected[36..39].fill(4);
    assert_eq!(all(&base, &top, &io), expected);
    assert_eq!(top.to_vec()[16..48], expected[16..48]);
    let beyond = read(&io, 60, 8);
    finish(&[&base, &top]);
    assert_eq!(failures_of(beyond), [(4..8, ErrorKind::UnexpectedEof)]);
}

#[test]
fn a_failure_of_the_base_that_is_no_end_of_data_is_not_made_zeros() {
    for (pos, len) in [(0, 64), (16, 16)] {
        let (base, top, io) = overlay();
        base.break_bytes([18]);
        let broken = read(&io, pos, len);
        finish(&[&base, &top]);
        let at = 18 - pos as usize;
        assert_eq!(failures_of(broken), [(at..at + 1, ErrorKind::Other)]);
        // The rest of the granule must come from the base, and one byte of it does not.
        let part = write(&io, 24, &[2; 4]);
        finish(&[&base, &top]);
        assert_eq!(failures_of(part), [(0..4, ErrorKind::Other)]);
        assert_eq!(io.present_len(), 0);
    }
    let (base, top, io) = overlay();
    base.fail_next(0..16);
    let part = write(&io, 18, &[2; 4]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(part), [(0..4, ErrorKind::TimedOut)]);
    base.fail_next(0..64);
    let failed = read(&io, 0, 64);
    finish(&[&base, &top]);
    assert_eq!(failures_of(failed), [(0..20, ErrorKind::TimedOut)]);
}

#[test]
fn bytes_that_a_base_lacks_within_its_data_are_not_made_zeros() {
    // Of twelve bytes in units of four, those of the third unit are missing: the first member ends
    // too early.
    let members = [(1, 4), (2, 8)].map(|(value, len)| Later::new(vec![value; len]));
    let top = Later::new(vec![9; 32]);
    let stripe = Stripe::new(members.clone(), 4).unwrap();
    let io = Overlay::<_, _>::new(stripe, top.clone(), 32, 16).unwrap();
    let finish = || finish(&[&members[0], &members[1], &top]);
    let seen = read(&io, 0, 32);
    let part = write(&io, 1, &[3; 2]);
    finish();
    assert_eq!(failures_of(part), [(0..2, ErrorKind::UnexpectedEof)]);
    let ended = seen.try_end().unwrap();
    let failed: Vec<_> = ended
        .outcome
        .failures()
        .map(|f| (f.offset, f.len))
        .collect();
    assert_eq!(failed, [(8, 4)]);
    assert_eq!(
        ended.packet.buffer()[12..],
        [[2; 4], [0; 4], [0; 4], [0; 4], [0; 4]].concat()
    );
    // Once the data is known to go on behind them, they fail by themselves too.
    let hole = read(&io, 8, 4);
    finish();
    assert_eq!(failures_of(hole), [(0..4, ErrorKind::UnexpectedEof)]);
}

#[test]
fn bytes_that_a_top_lacks_are_not_made_zeros() {
    let (base, top) = (Later::new(vec![1; 20]), Later::new(vec![9; 40]));
    let io = Io::with_present(base.clone(), top.clone(), 64, 16, std::iter::once(32..48)).unwrap();
    let seen = read(&io, 16, 48);
    finish(&[&base, &top]);
    assert_eq!(failures_of(seen), [(24..32, ErrorKind::UnexpectedEof)]);
}

#[test]
fn a_blocking_read_makes_zeros_of_no_byte_that_the_base_has() {
    // As above: of the units of the base the third one is missing, and the fourth is there.
    let members = [(1, 4), (2, 8)].map(|(value, len)| Arc::new(Memory::new(vec![value; len])));
    let top = Arc::new(Memory::new(vec![9; 32]));
    let objects = members.iter().chain([&top]).cloned();
    let together = BackendSet::new(objects.collect::<Vec<_>>()).unwrap();
    let stripe = Stripe::new(members, 4).unwrap();
    let io = AttachBackend::new(Overlay::<_, _>::new(stripe, top, 32, 16).unwrap(), together);
    let mut bytes = [7; 24];
    let failed = io.blocking().read_exact_at(&mut bytes, 8).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::UnexpectedEof);
    io.blocking().read_exact_at(&mut bytes[..20], 12).unwrap();
    assert_eq!(
        bytes[..20],
        [[2; 4], [0; 4], [0; 4], [0; 4], [0; 4]].concat()
    );
}

/// `io` has `LEN` bytes over a base of `BASE` fives, and is changed in every form.
fn every_form<Io>(io: Io)
where
    Io: PacketIo<Read> + PacketIo<Write> + HasLen + IoBackend,
{
    let mut model = [vec![5; BASE], vec![0; LEN - BASE]].concat();
    assert_eq!(io.block_on(io.read_vec_at(0, LEN + 10)).unwrap(), model);
    let mut bytes = vec![7; LEN - 4990];
    io.blocking().read_exact_at(&mut bytes, 4990).unwrap();
    assert_eq!(bytes, model[4990..]);
    let ended = io.block_on(io.read_batch((0..8).map(|n| (n * 4096, [7u8; 4096])).collect()));
    assert!(ended.outcome.is_success());
    (0..8).for_each(|n| assert_eq!(ended.batch.bytes(n), &model[n * 4096..][..4096]));

    io.block_on(io.write_all_at(b"async", 4990)).unwrap();
    model[4990..4995].copy_from_slice(b"async");
    io.blocking().write_all_at(b"blocking", 4998).unwrap();
    model[4998..5006].copy_from_slice(b"blocking");
    let batch: Batch<_> = [(9000, *b"one"), (12_287, *b"two")].into_iter().collect();
    assert!(io.block_on(io.write_batch(batch)).outcome.is_success());
    model[9000..9003].copy_from_slice(b"one");
    model[12_287..12_290].copy_from_slice(b"two");

    let mut cursor = BlockingCursor::new(io);
    cursor.seek(SeekFrom::End(-3)).unwrap();
    cursor.write_all(b"end").unwrap();
    cursor.flush().unwrap();
    model[LEN - 3..].copy_from_slice(b"end");
    let mut seen = Vec::new();
    cursor.rewind().unwrap();
    cursor.read_to_end(&mut seen).unwrap();
    assert!(seen == model);
}

const BASE: usize = 5000;
const LEN: usize = 32 << 10;

#[test]
fn zeros_behind_a_base_in_every_form() {
    let base = Arc::new(Memory::new(vec![5; BASE]));
    let top = Arc::new(Memory::new(vec![9; LEN]));
    let io = Overlay::<_, _>::new(base.clone(), top.clone(), LEN as u64, 4096).unwrap();
    every_form(AttachBackend::new(
        io,
        BackendSet::new([base, top]).unwrap(),
    ));
}

#[test]
#[cfg(target_os = "linux")]
fn zeros_behind_a_base_that_is_a_file_on_every_driver() {
    for rt in native::runtimes() {
        let dir = native::Dir::new();
        let [base, top] = ["base", "top"].map(|name| dir.path(name));
        std::fs::write(&base, [5; BASE]).unwrap();
        let base = rt.block_on(rt.open_read(&base)).unwrap();
        let top = rt.block_on(rt.create(&top)).unwrap();
        let io = Overlay::<_, _>::new(base, top, LEN as u64, 4096).unwrap();
        every_form(AttachBackend::new(io, rt.clone()));
    }
}
