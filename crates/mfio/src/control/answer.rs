//! [`Answer`]: writes the answer of an operation.

use super::extent::{Extent, ExtentKind, RECORD, encode, records};
use super::span::Span;
use crate::error::{Cause, ErrorKind};
use crate::io::Read;
use crate::packet::View;

/// The bytes of a packet, to which an object writes the answer of an operation.
///
/// ```
/// use mfio::control::{Answer, Extent, ExtentKind};
///
/// let mut bytes = [0; 64];
/// Answer::new(&mut bytes).extents(0..100, [(60, ExtentKind::Data), (40, ExtentKind::Hole)])?;
/// let answer: Vec<_> = Answer::new(&mut bytes).read_extents(0..100).collect();
/// assert_eq!(answer[1], Extent { span: (60..100).into(), kind: ExtentKind::Hole });
/// # Ok::<_, mfio::error::Cause>(())
/// ```
#[derive(Debug)]
pub struct Answer<'a>(&'a mut [u8]);

impl<'a> Answer<'a> {
    /// Number of bytes of an answer that is a length.
    pub const LEN: usize = 8;
    /// Number of bytes that one extent takes.
    pub const EXTENT: usize = RECORD;

    /// Creates an answer in these bytes.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the number of extents that there is room for.
    pub fn room(&self) -> usize {
        self.0.len() / RECORD
    }

    /// Writes a length: the answer of [`Len`](super::ControlOp::Len).
    ///
    /// # Errors
    /// `InvalidInput` if there are fewer bytes than [`LEN`](Self::LEN).
    pub fn len(&mut self, len: u64) -> Result<(), Cause> {
        let place = self.0.get_mut(..Self::LEN);
        place
            .ok_or(ErrorKind::InvalidInput)?
            .copy_from_slice(&len.to_ne_bytes());
        Ok(())
    }

    /// Returns the length that was written.
    pub fn read_len(&self) -> Option<u64> {
        let bytes = self.0.first_chunk::<{ Answer::LEN }>()?;
        Some(u64::from_ne_bytes(*bytes))
    }

    /// Writes runs of bytes, each with its length, from the start of the range on: the answer of
    /// [`Extents`](super::ControlOp::Extents).
    ///
    /// Runs end with the range, with the object, or when there is no room for more; the caller asks
    /// for the rest. Runs without bytes are left out.
    ///
    /// # Errors
    /// `InvalidInput` if there is no room for one run.
    pub fn extents(
        &mut self,
        span: impl Into<Span>,
        runs: impl IntoIterator<Item = (u64, ExtentKind)>,
    ) -> Result<(), Cause> {
        let span = span.into();
        let (places, _) = self.0.as_chunks_mut::<RECORD>();
        if places.is_empty() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut left = span.len();
        let mut places = places.iter_mut();
        for (len, kind) in runs {
            let len = len.min(left);
            if len == 0 {
                continue;
            }
            left -= len;
            let Some(place) = places.next() else {
                return Ok(());
            };
            encode(place, len, kind);
        }
        places.for_each(|place| place.fill(0));
        Ok(())
    }

    /// Returns the runs that were written, for the same range.
    pub fn read_extents(&self, span: impl Into<Span>) -> impl Iterator<Item = Extent> + '_ {
        records(self.0, span.into().start())
    }
}

/// Ends the view of an operation by a function that writes its answer: the common form of
/// [`send_control`](super::ControlIo::send_control) for an object that answers at once.
///
/// The view ends after `write` has returned, so `write` may hold a lock of the object.
pub fn answer_with(mut view: View<Read>, write: impl FnOnce(&mut Answer<'_>) -> Result<(), Cause>) {
    match write(&mut Answer::new(view.bytes_mut())) {
        Ok(()) => view.done(),
        Err(cause) => view.fail(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn runs_end_with_the_range_and_with_the_room() {
        let mut bytes = [0xff; 40];
        let mut answer = Answer::new(&mut bytes);
        let runs = [
            (0, ExtentKind::Hole),
            (10, ExtentKind::Data),
            (10, ExtentKind::Zero),
            (10, ExtentKind::Hole),
        ];
        let spans = |answer: &Answer<'_>| {
            let extents = answer.read_extents(5..u64::MAX);
            extents
                .map(|e| (e.span.start(), e.span.len()))
                .collect::<Vec<_>>()
        };
        answer.extents(5..u64::MAX, runs).unwrap();
        assert_eq!(spans(&answer), [(5, 10), (15, 10)]);
        answer.extents(5..12, runs).unwrap();
        assert_eq!(spans(&answer), [(5, 7)]);
        answer.extents(5..12, []).unwrap();
        assert_eq!(spans(&answer), []);
    }

    #[test]
    fn an_answer_without_room_is_an_error() {
        let mut answer = Answer::new(&mut []);
        assert_eq!(answer.len(1).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(answer.read_len(), None);
        let error = answer.extents(0..1, []).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
