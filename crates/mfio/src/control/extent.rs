//! [`Extent`], and its form in a packet.
//!
//! A packet has a record of 16 bytes for each run: the length, then the kind. The runs follow each
//! other from the start of the range, so positions are not stored, and a layer that moves positions
//! passes an answer on as it is. A record with the length 0 ends the answer.

use super::span::Span;

/// A run of bytes of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Its range.
    pub span: Span,
    /// Its kind.
    pub kind: ExtentKind,
}

/// The kind of a run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u64)]
pub enum ExtentKind {
    /// Bytes that may have any value, zero included.
    Data,
    /// Bytes that have no storage, and read as zero.
    Hole,
    /// Bytes that have storage, and read as zero.
    Zero,
}

impl ExtentKind {
    /// An unknown kind is data: that is always true.
    const fn from_u64(number: u64) -> Self {
        match number {
            1 => Self::Hole,
            2 => Self::Zero,
            _ => Self::Data,
        }
    }
}

/// Length of a record, in bytes.
pub(super) const RECORD: usize = 16;

/// Encodes a run.
pub(super) fn encode(record: &mut [u8], len: u64, kind: ExtentKind) {
    record[..8].copy_from_slice(&len.to_ne_bytes());
    record[8..].copy_from_slice(&(kind as u64).to_ne_bytes());
}

/// Returns the runs of an answer for the range from `start` on, up to the first record that ends
/// it.
pub(super) fn records(bytes: &[u8], start: u64) -> impl Iterator<Item = Extent> + '_ {
    let (records, _) = bytes.as_chunks::<RECORD>();
    let mut pos = start;
    records.iter().map_while(move |record| {
        let half = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&record[at..at + 8]);
            u64::from_ne_bytes(number)
        };
        let span = Span::new(pos, half(0)).filter(|span| !span.is_empty())?;
        pos = span.end();
        Some(Extent {
            span,
            kind: ExtentKind::from_u64(half(8)),
        })
    })
}
