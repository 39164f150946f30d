//! Entries of x86-64 page tables, as the manuals of AMD and Intel describe them.

use mfio::error::{Cause, ErrorKind};

pub(crate) const PRESENT: u64 = 1;
pub(crate) const WRITABLE: u64 = 1 << 1;
/// The entry of a table of level 2 or 3 is a page of 2 MiB or 1 GiB, not a table.
pub(crate) const LARGE: u64 = 1 << 7;
/// In an entry of a large page, where its address begins: not a part of that.
const LARGE_PAT: u64 = 1 << 12;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// How many entries a table has.
pub(crate) const ENTRIES: usize = 512;
pub(crate) const ENTRY: usize = 8;

/// Tables of level 4 have tables of level 3, and so on; tables of level 1 have pages.
pub(crate) type Level = u8;

/// How many bytes an entry stands for.
pub(crate) const fn span(level: Level) -> u64 {
    1 << (12 + 9 * (level as u32 - 1))
}

/// The number of the entry that an address has in its table.
pub(crate) const fn index(address: u64, level: Level) -> usize {
    (address / span(level)) as usize % ENTRIES
}

/// The target of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Page(u64),
    Table(u64),
}

/// Returns the target of an entry, or the cause that its bytes fail with.
pub(crate) fn decode(entry: u64, level: Level, writes: bool) -> Result<Target, Cause> {
    if entry & PRESENT == 0 {
        return Err(ErrorKind::NotFound.into());
    }
    if writes && entry & WRITABLE == 0 {
        return Err(ErrorKind::PermissionDenied.into());
    }
    let address = entry & ADDRESS;
    match (level, entry & LARGE != 0) {
        (1, _) => Ok(Target::Page(address)),
        (2 | 3, true) => {
            let address = address & !LARGE_PAT;
            // Bits below the size of the page are reserved.
            match address % span(level) {
                0 => Ok(Target::Page(address)),
                _ => Err(ErrorKind::InvalidData.into()),
            }
        }
        (_, true) => Err(ErrorKind::InvalidData.into()),
        (_, false) => Ok(Target::Table(address)),
    }
}
