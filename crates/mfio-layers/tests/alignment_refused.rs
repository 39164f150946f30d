//! Layers over objects that take whole blocks only: what could not be aligned is refused when it is
//! built, in words, and all else works with requests that keep to the alignment that the layer
//! reports.

#[path = "../../mfio-rt/tests/common/mod.rs"]
#[cfg(target_os = "linux")]
mod native;

#[path = "common/objects.rs"]
mod objects;

use mfio::error::{Error, ErrorKind};
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::View;
use mfio::traits::{Chunks, IoRead, IoWrite};
use mfio_layers::{Cache, Concat, Mirror, Offset, Overlay, Remap, Stripe, Window};
use objects::{Bytes, failures, read, write};

/// As a disk past the page cache: it refuses what is not in whole blocks.
#[derive(Clone, Debug)]
struct Blocks(Bytes, usize);

impl Blocks {
    fn new(len: usize, block: usize) -> Self {
        let bytes: Vec<_> = (0..len).map(|n| n as u8).collect();
        Self(Bytes::new(bytes), block)
    }

    fn suits(&self, pos: u64, len: usize) -> bool {
        pos.is_multiple_of(self.1 as u64) && len.is_multiple_of(self.1)
    }
}

impl IoObject for Blocks {
    fn alignment(&self, _: Operation) -> Alignment {
        Alignment::new(1, self.1)
    }
}

impl PacketIo<Read> for Blocks {
    fn send_io(&self, pos: u64, view: View<Read>) {
        match self.suits(pos, view.len()) {
            true => self.0.send_io(pos, view),
            false => view.fail(ErrorKind::InvalidInput),
        }
    }
}

impl PacketIo<Write> for Blocks {
    fn send_io(&self, pos: u64, view: View<Write>) {
        match self.suits(pos, view.len()) {
            true => self.0.send_io(pos, view),
            false => view.fail(ErrorKind::InvalidInput),
        }
    }
}

/// Four blocks and a bit, of 64 bytes.
fn disk() -> Blocks {
    Blocks::new(300, 64)
}

fn refused<T>(result: Result<T, Error>, advice: &str) {
    let Err(error) = result else {
        panic!("it was built, and could not be aligned: {advice}");
    };
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let help = error.get_help().expect("it says what to do");
    assert!(help.contains("whole blocks only"), "{help}");
    assert!(help.contains(advice), "{help}");
}

#[test]
fn layers_that_cannot_be_aligned_are_refused_when_built() {
    refused(Cache::new(disk(), 1024, 32), "a block of the cache must be");
    let overlay = |len, granule| Overlay::<_, _>::new(disk(), disk(), len, granule);
    refused(overlay(256, 32), "a granule must be");
    refused(overlay(300, 64), "round the length up");
    refused(overlay(300, 128), "round the length up");
    let base = Overlay::<_, _>::new(disk(), Bytes::new([0; 300]), 300, 64);
    refused(base, "round the length up");
    let top = Overlay::<_, _>::new(Bytes::new([0; 300]), disk(), 320, 32);
    refused(top, "a granule must be");
    for unit in [1, 32, 96] {
        refused(Stripe::new([disk(), disk()], unit), "a unit must be");
    }
    refused(
        Stripe::new([Blocks::new(300, 1), disk()], 32),
        "largest block",
    );
    refused(
        Concat::new([(disk(), 100), (disk(), 64)]),
        "the length of each",
    );
    refused(
        Concat::new([(disk(), 64), (disk(), 300)]),
        "round that of the last one up",
    );
    refused(Window::aligned(disk(), 32, 64), "multiples of the block");
    refused(Window::aligned(disk(), 64, 100), "multiples of the block");
    refused(Offset::aligned(disk(), 100), "multiples of the block");
    let mut remap = Remap::<_, u64, u64>::new(disk());
    for (range, target) in [(10..64, 0), (0..100, 0), (0..64, 32)] {
        refused(remap.map_aligned(range, target), "map whole blocks");
    }
    assert_eq!(remap.mappings().count(), 0);
}

#[test]
fn a_part_that_cannot_be_aligned_says_why_its_requests_fail() {
    let memory = Memory::new([]);
    let mut remap = Remap::<_, u64, u64>::new(disk());
    remap.map(0..100, 64).unwrap();
    let objects: [(&dyn PacketIo<Read>, &str); 4] = [
        (&Offset::new(disk(), 100), "`aligned`"),
        (&Window::new(disk(), 32, 64), "`aligned`"),
        (
            &Window::new(Window::new(disk(), 64, 100), 0, 128),
            "`aligned`",
        ),
        (&remap, "`map_aligned`"),
    ];
    use mfio::backend::IoBackendExt;
    for (io, advice) in objects {
        let error = memory
            .block_on(io.read_exact_at(&mut [0; 128], 0))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.get_help().unwrap().contains(advice), "{error}");
    }
}

/// Requests of whole blocks work wherever there are bytes; only those behind the end fail, as the
/// end of data.
fn keeps(io: &(impl PacketIo<Read> + PacketIo<Write>), len: usize) {
    let block = io.alignment(Operation::Read).block();
    assert_eq!(block, 64);
    for first in 0..6 {
        for last in first + 1..7 {
            let (pos, wanted) = (first * block, (last - first) * block);
            let there = len.saturating_sub(pos).min(wanted);
            let end = [(there, wanted - there, ErrorKind::UnexpectedEof)];
            let end = if there < wanted { &end[..] } else { &[] };
            assert_eq!(failures(&read(io, pos as u64, wanted)), end);
            if there == wanted {
                assert_eq!(failures(&write(io, pos as u64, &vec![1; wanted])), []);
            }
        }
    }
}

#[test]
fn requests_that_keep_to_the_alignment_of_a_layer_work() {
    keeps(&Window::aligned(disk(), 0, 256).unwrap(), 256);
    keeps(&Window::aligned(disk(), 64, u64::MAX).unwrap(), 236);
    keeps(&Window::aligned(disk(), 64, 640).unwrap(), 236);
    keeps(&Offset::aligned(disk(), 128).unwrap(), 172);
    keeps(
        &Concat::new([(disk(), 64), (disk(), 0), (disk(), 128)]).unwrap(),
        192,
    );
    keeps(&Concat::new([(disk(), 64), (disk(), 320)]).unwrap(), 364);
    let mixed = [Blocks::new(320, 16), disk(), Blocks::new(320, 1)];
    keeps(&Stripe::new(mixed.clone(), 64).unwrap(), 876);
    keeps(&Stripe::new([disk()], 3).unwrap(), 300);
    keeps(
        &Mirror::<_>::new([Blocks::new(300, 16), disk()]).unwrap(),
        300,
    );
    let mut remap = Remap::new(disk());
    remap.map_aligned(0u64..64, 128u64).unwrap();
    remap.map_aligned(64..512, 64).unwrap();
    keeps(&remap, 300);
    for granule in [64, 128, 256] {
        // The last granule is short, of whole blocks.
        let top = Blocks::new(448, 16);
        keeps(
            &Overlay::<_, _>::new(disk(), top, 320, granule).unwrap(),
            320,
        );
    }
}

#[test]
fn a_short_last_granule_is_copied_in_whole_blocks() {
    let (base, top) = (disk(), Blocks::new(320, 64));
    let io = Overlay::<_, _>::new(base, top.clone(), 320, 256).unwrap();
    assert_eq!(failures(&write(&io, 270, &[7; 40])), []);
    let mut expected: Vec<_> = (0..300).map(|n| n as u8).collect();
    expected.resize(320, 0);
    expected[270..310].fill(7);
    assert_eq!(read(&io, 256, 64).packet.buffer(), &expected[256..]);
    assert_eq!(top.0.to_vec()[256..], expected[256..]);
}

#[test]
#[cfg(target_os = "linux")]
fn layers_over_files_past_the_page_cache() {
    use mfio::backend::IoBackendExt;
    use mfio_rt::fs::OpenOptions;
    const LEN: usize = 50_000;
    for rt in native::runtimes() {
        let dir = native::Dir::new();
        let [base, top] = ["base", "top"].map(|name| dir.file(name, LEN));
        let direct = OpenOptions::new().read(true).write(true).direct(true);
        let Ok(base) = rt.block_on(rt.open(&base, &direct)) else {
            native::skip(rt.report().chosen(), "no files past the page cache here");
            continue;
        };
        let top = rt.block_on(rt.open(&top, &direct)).unwrap();
        let block = base.alignment(Operation::Read).block();
        refused(
            Overlay::<_, _>::new(base.clone(), top.clone(), LEN as u64, 4 * block),
            "round",
        );
        let len = LEN.next_multiple_of(block);
        let mut expected: Vec<u8> = (0..LEN as u64).map(native::byte_at).collect();
        expected.resize(len, 0);
        let io = Overlay::<_, _>::new(base, top, len as u64, 4 * block).unwrap();
        let io = Cache::new(io, 1 << 20, 4 * block).unwrap();
        rt.block_on(async {
            assert!(io.read_vec_at(0, 2 * LEN).await.unwrap() == expected);
            // Parts of granules that are not in the top.
            io.write_all_at(b"behind the end", 49_990).await.unwrap();
            expected[49_990..50_004].copy_from_slice(b"behind the end");
            io.write_all_at(b"within", 5).await.unwrap();
            expected[5..11].copy_from_slice(b"within");
            let mut seen = Vec::new();
            let all = io
                .inner()
                .read_with_at(0, u64::MAX, |bytes: &[u8]| seen.extend_from_slice(bytes));
            all.chunks(Chunks::default()).to_end().await.unwrap();
            assert!(seen == expected);
        });
    }
}
