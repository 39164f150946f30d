//! Physical memory with page tables in it, and a slow translation to compare with.

use super::entry::{ENTRY, LARGE, Level, PRESENT, Target, WRITABLE, decode, index, span};
use mfio::error::ErrorKind;

const PAGE: u64 = 4096;

/// Physical memory: noise, in which tables are made.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) root: u64,
    next_table: u64,
}

impl Image {
    /// `size` bytes of noise; tables are made from `tables` on.
    pub(crate) fn new(size: usize, tables: u64) -> Self {
        let noise = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
        let mut image = Self {
            bytes: (0..size as u64).map(noise).collect(),
            root: tables,
            next_table: tables,
        };
        image.root = image.new_table();
        image
    }

    pub(crate) fn new_table(&mut self) -> u64 {
        let table = self.next_table;
        self.next_table += PAGE;
        self.bytes[table as usize..][..PAGE as usize].fill(0);
        table
    }

    pub(crate) fn entry(&self, table: u64, number: usize) -> Option<u64> {
        let at = usize::try_from(table).ok()? + number * ENTRY;
        let (entry, _) = self.bytes.get(at..)?.split_first_chunk()?;
        Some(u64::from_le_bytes(*entry))
    }

    pub(crate) fn set_entry(&mut self, table: u64, number: usize, entry: u64) {
        let at = table as usize + number * ENTRY;
        self.bytes[at..at + ENTRY].copy_from_slice(&entry.to_le_bytes());
    }

    /// The table of a level for an address; made where there is none.
    pub(crate) fn table(&mut self, address: u64, level: Level) -> u64 {
        let mut table = self.root;
        for above in (level + 1..=4).rev() {
            let number = index(address, above);
            let entry = self.entry(table, number).expect("tables are in the image");
            table = match decode(entry, above, false) {
                Ok(Target::Table(below)) => below,
                _ => {
                    let below = self.new_table();
                    self.set_entry(table, number, below | PRESENT | WRITABLE);
                    below
                }
            };
        }
        table
    }

    /// Maps one page: level 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB.
    pub(crate) fn map(&mut self, address: u64, physical: u64, level: Level, flags: u64) {
        let table = self.table(address, level);
        let large = if level > 1 { LARGE } else { 0 };
        self.set_entry(
            table,
            index(address, level),
            physical | flags | large | PRESENT,
        );
    }

    /// Translates the address of one byte by a walk of its own.
    pub(crate) fn translate(&self, address: u128, writes: bool) -> Result<usize, ErrorKind> {
        let address = u64::try_from(address).map_err(|_| ErrorKind::InvalidInput)?;
        let sign = address >> 47;
        if sign != 0 && sign != (1 << 17) - 1 {
            return Err(ErrorKind::InvalidInput);
        }
        let mut table = self.root;
        for level in (1..=4).rev() {
            let entry = self
                .entry(table, index(address, level))
                .ok_or(ErrorKind::UnexpectedEof)?;
            match decode(entry, level, writes) {
                Ok(Target::Table(below)) => table = below,
                Ok(Target::Page(page)) => {
                    let at = page + address % span(level);
                    let at = usize::try_from(at).ok();
                    return at
                        .filter(|at| *at < self.bytes.len())
                        .ok_or(ErrorKind::UnexpectedEof);
                }
                Err(cause) => return Err(cause.kind()),
            }
        }
        unreachable!("tables of level 1 have pages only")
    }
}
