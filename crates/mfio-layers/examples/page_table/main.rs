//! The virtual memory of an x86-64 machine, over an image of its physical memory in a file.
//!
//! `PageTables` is a layer of this example, made as those of the library are: it takes views over,
//! reads tables with relays of its own, and forwards parts of the views to where the pages are. The
//! example builds an image with pages of all sizes, holes, pages that may not be written, and
//! tables that were made to do harm; reads and writes it through the layer; and compares every page
//! with a translation of that page alone.
//!
//! `cargo run -p mfio-layers --example page_table`

#[path = "../common/mod.rs"]
mod common;
mod entry;
mod image;
mod tables;
mod walks;

use common::{Scratch, runtime};
use entry::{PRESENT, WRITABLE, index};
use image::Image;
use mfio::backend::IoBackendExt;
use mfio::error::Result;
use mfio::io::{PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Batch, Outcome, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::Trace;
use mfio_rt::native::File;
use std::sync::Arc;
use tables::PageTables;

const MIB: u64 = 1 << 20;
const SIZE: usize = 12 << 20;
const PAGES: usize = 2048;

/// The address of 4 KiB pages, in runs of neighbours, with holes between them.
const SMALL: u64 = 0x7f00_0000_0000;
/// Two large pages, of which the second can only be read.
const LARGE_PAGES: u64 = 0x40_0000_0000;
/// A page of 1 GiB, of which the image has the beginning.
const HUGE: u64 = 0x80_0000_0000;
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// Tables that lead back to themselves, or nowhere.
const HOSTILE: u64 = 0x10_0000_0000;

fn image() -> Image {
    let mut image = Image::new(SIZE, 10 * MIB);
    for page in 0..PAGES as u64 {
        // Eight neighbours, in two runs of four that are elsewhere; every ninth page is missing.
        let physical = (page / 4).wrapping_mul(29) % 512 * 4 + page % 4;
        if page % 9 != 8 {
            let flags = if page % 5 == 0 { 0 } else { WRITABLE };
            image.map(SMALL + page * 4096, physical * 4096, 1, flags);
        }
    }
    image.map(LARGE_PAGES, 2 * MIB, 2, WRITABLE);
    image.map(LARGE_PAGES + 2 * MIB, 4 * MIB, 2, 0);
    image.map(HUGE, 0, 3, WRITABLE);
    image.map(KERNEL, 8 * MIB, 1, WRITABLE);
    image.map(u64::MAX - 4095, 8 * MIB + 4096, 1, WRITABLE);
    hostile(&mut image);
    image
}

/// A cycle, a table outside of the image, a large page that is not aligned, and a table full of
/// noise.
fn hostile(image: &mut Image) {
    let root = image.root;
    image.set_entry(root, index(HOSTILE, 4) + 8, root | PRESENT | WRITABLE);
    let third = image.table(HOSTILE, 3);
    image.set_entry(third, 511, third | PRESENT | WRITABLE);
    let second = image.table(HOSTILE, 2);
    image.set_entry(second, 1, 0x000f_ffff_ffff_f000 | PRESENT | WRITABLE);
    image.map(HOSTILE + 4 * MIB, 4096 * 3, 2, WRITABLE);
    let noise = image.new_table();
    for number in 0..512 {
        let word = (number as u64 + 1).wrapping_mul(0x5851_F42D_4C95_7F2D);
        image.set_entry(noise, number, word.rotate_left(17) | PRESENT);
    }
    image.set_entry(second, 3, noise | PRESENT);
    image.set_entry(second, 4, second | PRESENT);
}

/// Whether each page of a request is as its own translation says.
fn check(image: &Image, at: u64, outcome: &Outcome, bytes: Option<&[u8]>, writes: bool) {
    let mut failed = vec![None; outcome.len()];
    for range in outcome.failures() {
        failed[range.offset..range.offset + range.len].fill(Some(range.cause.kind()));
    }
    let mut n = 0;
    while n < failed.len() {
        let address = u128::from(at) + n as u128;
        let len = (4096 - address as usize % 4096).min(failed.len() - n);
        let expected = image.translate(address, writes);
        let all = failed[n..n + len].iter().all(|why| *why == expected.err());
        assert!(all, "{address:#x}: {:?}, not {expected:?}", &failed[n]);
        if let (Ok(place), Some(bytes)) = (expected, bytes) {
            let there = &image.bytes[place..place + len];
            assert!(bytes[n..n + len] == *there, "other bytes at {address:#x}");
        }
        n += len;
    }
}

async fn read_and_check(io: &impl PacketIo<Read>, image: &Image, at: u64, len: usize) -> usize {
    let ended = io.read_packet_at(Packet::new(vec![0; len]), at).await;
    check(
        image,
        at,
        &ended.outcome,
        Some(ended.packet.buffer()),
        false,
    );
    let failed: usize = ended.outcome.failures().map(|range| range.len).sum();
    len - failed
}

async fn write_and_check(io: &impl PacketIo<Write>, image: &mut Image, at: u64, len: usize) {
    let bytes: Vec<u8> = (0..len).map(|n| (n / 3) as u8).collect();
    let ended = io.write_packet_at(Packet::new(bytes), at).await;
    check(image, at, &ended.outcome, None, true);
    for n in 0..len {
        if let Ok(place) = image.translate(u128::from(at) + n as u128, true) {
            image.bytes[place] = (n / 3) as u8;
        }
    }
}

/// Shows that walks do not wait for each other: of an object that answers when it is driven, many
/// tables and pages are asked for at once.
fn side_by_side(image: &Image) {
    let memory = Arc::new(Memory::new(image.bytes.clone()));
    let io = PageTables::new(Trace::new(memory.clone()), image.root);
    let physical = io.physical();
    memory.block_on(read_and_check(&io, image, SMALL, PAGES * 4096));
    let seen = physical.snapshot();
    println!(
        "{PAGES} pages of memory as one read: {} reads below",
        seen.reads.operations
    );
    println!("  {} of them at once", seen.deepest);
    assert!(seen.deepest > 500, "all pages are read side by side");

    physical.reset();
    let places: Vec<_> = (0..200).map(|n| SMALL + n * 37 % 2048 * 4096 + n).collect();
    let batch: Batch<_> = places.iter().map(|at| (*at, [0u8; 8])).collect();
    let ended = memory.block_on(io.read_batch(batch));
    for (n, at) in places.iter().enumerate() {
        let bytes = ended.batch.bytes(n);
        check(image, *at, &ended.outcome_of(n), Some(bytes), false);
    }
    let seen = physical.snapshot();
    println!(
        "200 scattered reads as one batch: {} reads below",
        seen.reads.operations
    );
    println!("  {} of them at once", seen.deepest);
    assert!(seen.deepest >= 200, "all requests walk side by side");
}

pub(crate) fn main() -> Result<()> {
    let mut image = image();
    side_by_side(&image);
    let scratch = Scratch::new("page-table");
    let rt = runtime();
    rt.block_on(async {
        let file = scratch.file(&rt, "physical", &image.bytes).await?;
        run(file, &mut image).await
    })
}

async fn run(file: File, image: &mut Image) -> Result<()> {
    let io = PageTables::new(Trace::new(file), image.root);
    let physical = io.physical();

    let good = read_and_check(&io, image, SMALL, PAGES * 4096).await;
    println!(
        "{PAGES} pages of 4 KiB as one read: {} KiB of {} are mapped",
        good >> 10,
        PAGES * 4
    );
    println!("  {} reads of the file", reads(physical));

    physical.reset();
    for (name, at, len) in [
        (
            "across two large pages",
            LARGE_PAGES + 2 * MIB - 5000,
            10_000,
        ),
        ("to the end of the second", LARGE_PAGES + 3 * MIB, 2 << 20),
        (
            "of a page of 1 GiB, beyond the image",
            HUGE + 11 * MIB,
            3 << 20,
        ),
        ("in the upper half", KERNEL - 100, 8192),
        ("at the last address", u64::MAX - 9999, 20_000),
        ("across the hole between the halves", (1 << 47) - 4096, 8192),
    ] {
        let good = read_and_check(&io, image, at, len).await;
        println!("{len:>9} bytes {name}: {good} are there");
    }
    for (at, len) in [
        (HOSTILE, 12 << 20),
        (HOSTILE + (8 << 39), 4 << 20),
        (HOSTILE + (511 << 30), 4 << 20),
        (HOSTILE + (8 << 39) + (8 << 30), 4 << 20),
    ] {
        let good = read_and_check(&io, image, at, len).await;
        println!("{len:>9} bytes below hostile tables: {good} are there");
    }

    write_and_check(&io, image, SMALL + 100, 50 * 4096).await;
    write_and_check(&io, image, LARGE_PAGES + 2 * MIB - 300, 600).await;
    let good = read_and_check(&io, image, SMALL, 60 * 4096).await;
    println!("written where that is allowed, and read again: {good} bytes");
    println!(
        "\nThe file, for the last requests:\n{}",
        physical.snapshot()
    );
    Ok(())
}

fn reads<Io, N>(trace: &Trace<Io, N>) -> u64 {
    trace.snapshot().reads.operations
}
