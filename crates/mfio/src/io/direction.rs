//! Directions of transfers.

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Read {}
    impl Sealed for super::Write {}
}

/// An operation on an object, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A transfer from the object, with the direction [`Read`].
    Read,
    /// A transfer to the object, with the direction [`Write`].
    Write,
    /// A control operation, see [`ControlIo`](crate::control::ControlIo).
    Control,
}

/// The direction of a transfer as the initiator sees it: [`Read`] or [`Write`].
pub trait Direction: sealed::Sealed + Sized + Send + Sync + Unpin + 'static {
    /// Borrowed memory of this direction: `&mut [u8]` to read into, `&[u8]` to write from.
    type Slice<'a>: Send;
    /// The verb in error messages.
    const VERB: &'static str;
    /// Whether bytes move to the initiator.
    const READS: bool;
    /// The transfer in this direction, as a value.
    const OPERATION: Operation;

    /// Returns the length of a slice, in bytes.
    fn size(slice: &Self::Slice<'_>) -> usize;

    /// Splits a slice at index `at`.
    ///
    /// # Panics
    /// If `at` is beyond the end.
    fn split_at(slice: Self::Slice<'_>, at: usize) -> (Self::Slice<'_>, Self::Slice<'_>);
}

/// The direction from the object into the initiator's memory.
#[derive(Debug)]
pub enum Read {}

/// The direction from the initiator's memory to the object.
#[derive(Debug)]
pub enum Write {}

impl Direction for Read {
    type Slice<'a> = &'a mut [u8];
    const VERB: &'static str = "read";
    const READS: bool = true;
    const OPERATION: Operation = Operation::Read;

    #[inline]
    fn size(slice: &&mut [u8]) -> usize {
        slice.len()
    }

    #[inline]
    fn split_at(slice: Self::Slice<'_>, at: usize) -> (Self::Slice<'_>, Self::Slice<'_>) {
        slice.split_at_mut(at)
    }
}

impl Direction for Write {
    type Slice<'a> = &'a [u8];
    const VERB: &'static str = "write";
    const READS: bool = false;
    const OPERATION: Operation = Operation::Write;

    #[inline]
    fn size(slice: &&[u8]) -> usize {
        slice.len()
    }

    #[inline]
    fn split_at(slice: Self::Slice<'_>, at: usize) -> (Self::Slice<'_>, Self::Slice<'_>) {
        slice.split_at(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_both_directions_come_apart() {
        let mut bytes = [1, 2, 3];
        assert_eq!(Read::size(&&mut bytes[..]), 3);
        let (head, tail) = Read::split_at(&mut bytes, 1);
        tail[0] = head[0];
        assert_eq!(Write::size(&&bytes[..]), 3);
        assert_eq!(Write::split_at(&bytes, 2), (&[1, 1][..], &[3][..]));
    }
}
