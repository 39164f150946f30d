//! [`ControlOp`]: the operations.

use super::span::Span;
use core::fmt;

/// A control operation with its parameters.
///
/// Layers translate its range ([`span`](Self::span), [`with_span`](Self::with_span)) and pass it
/// on; an object answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlOp {
    /// Makes the data of the writes that have ended durable, with the metadata that is needed to
    /// find it. Writes in flight may or may not be covered.
    SyncData,
    /// As [`SyncData`](Self::SyncData), with all metadata.
    SyncAll,
    /// Tells that the bytes of a range are no longer needed. Their values are undefined afterwards;
    /// the length stays. What is beyond the end is ignored.
    Discard(Span),
    /// Sets the bytes of a range to zero, as a write of zeros would: also beyond the end, if a
    /// write may go there.
    WriteZeroes(Span, Unmap),
    /// Reserves storage for a range, so that writes to it do not fail for lack of space. Bytes and
    /// length stay.
    Allocate(Span),
    /// Changes the length. Bytes that are added are zero.
    SetLen(u64),
    /// Asks for the length.
    Len,
    /// Asks which parts of a range hold data, and which are holes.
    Extents(Span),
    /// Tells that reads of a range will follow. An object may read ahead, or do nothing.
    Prefetch(Span),
    /// Ends the stream that is written: its reader finds the end after the bytes written before.
    Shutdown,
}

/// Whether an object may give up the storage of bytes that are set to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unmap {
    /// The range may become a hole. Writes to it may then fail for lack of space.
    Allowed,
    /// The range keeps its storage, or gets some.
    Forbidden,
}

/// Lists the kinds once: name and name in errors.
macro_rules! kinds {
    ($($name:ident, $text:literal;)*) => {
        /// The kind of a [`ControlOp`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum ControlKind {
            $(#[doc = concat!("[`ControlOp::", stringify!($name), "`].")] $name,)*
        }

        impl ControlKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the name of the operation in errors.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    SyncData, "data sync";
    SyncAll, "sync";
    Discard, "discard";
    WriteZeroes, "zero write";
    Allocate, "allocation";
    SetLen, "resize";
    Len, "length";
    Extents, "extents";
    Prefetch, "prefetch";
    Shutdown, "shutdown";
}

impl ControlOp {
    /// Returns the kind.
    pub const fn kind(self) -> ControlKind {
        match self {
            Self::SyncData => ControlKind::SyncData,
            Self::SyncAll => ControlKind::SyncAll,
            Self::Discard(_) => ControlKind::Discard,
            Self::WriteZeroes(..) => ControlKind::WriteZeroes,
            Self::Allocate(_) => ControlKind::Allocate,
            Self::SetLen(_) => ControlKind::SetLen,
            Self::Len => ControlKind::Len,
            Self::Extents(_) => ControlKind::Extents,
            Self::Prefetch(_) => ControlKind::Prefetch,
            Self::Shutdown => ControlKind::Shutdown,
        }
    }

    /// Returns the range, if the operation has one.
    pub const fn span(self) -> Option<Span> {
        match self {
            Self::Discard(span)
            | Self::WriteZeroes(span, _)
            | Self::Allocate(span)
            | Self::Extents(span)
            | Self::Prefetch(span) => Some(span),
            _ => None,
        }
    }

    /// Returns the operation on another range. One without a range stays as it is.
    #[must_use]
    pub const fn with_span(self, span: Span) -> Self {
        match self {
            Self::Discard(_) => Self::Discard(span),
            Self::WriteZeroes(_, unmap) => Self::WriteZeroes(span, unmap),
            Self::Allocate(_) => Self::Allocate(span),
            Self::Extents(_) => Self::Extents(span),
            Self::Prefetch(_) => Self::Prefetch(span),
            other => other,
        }
    }

    /// Whether the answer has more than one byte.
    pub(crate) const fn has_answer(self) -> bool {
        matches!(self, Self::Len | Self::Extents(_))
    }

    /// Whether the operation has a range without bytes, so that there is nothing to do.
    pub const fn is_empty(self) -> bool {
        matches!(self.span(), Some(span) if span.is_empty())
    }
}

impl fmt::Display for ControlKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_replaced_and_nothing_else() {
        let (here, there) = (Span::from(0..4), Span::from(8..12));
        let zeroes = ControlOp::WriteZeroes(here, Unmap::Forbidden);
        assert_eq!(
            zeroes.with_span(there),
            ControlOp::WriteZeroes(there, Unmap::Forbidden)
        );
        assert_eq!(ControlOp::SetLen(7).with_span(there), ControlOp::SetLen(7));
        assert!(ControlOp::Discard(Span::default()).is_empty());
        assert!(!ControlOp::SyncAll.is_empty() && !zeroes.is_empty());
        assert!(size_of::<ControlOp>() <= 24);
    }
}
