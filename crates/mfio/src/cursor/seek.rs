//! [`SeekFrom`]: the target of a seek.

use crate::error::{Cause, ErrorKind};

/// The target of a seek, relative to the start, the position, or the end: as `std::io::SeekFrom`,
/// which needs std.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// Number of bytes from the start.
    Start(u64),
    /// Number of bytes from the end, negative for those before it.
    End(i64),
    /// Number of bytes from the position.
    Current(i64),
}

impl SeekFrom {
    /// Returns the target position; `base` is the end or the current position.
    pub(super) fn target(self, base: u64) -> Result<u64, Cause> {
        let target = match self {
            Self::Start(pos) => Some(pos),
            Self::End(by) | Self::Current(by) => base.checked_add_signed(by),
        };
        target.ok_or(Cause::new(ErrorKind::InvalidInput))
    }
}

macro_rules! conversions {
    ($($feature:literal: $other:path),*) => {$(
        #[cfg(feature = $feature)]
        impl From<$other> for SeekFrom {
            fn from(from: $other) -> Self {
                use $other as From;
                match from {
                    From::Start(n) => Self::Start(n),
                    From::End(n) => Self::End(n),
                    From::Current(n) => Self::Current(n),
                }
            }
        }
    )*};
}
conversions!("std": std::io::SeekFrom, "embedded-io-async": embedded_io_async::SeekFrom);
