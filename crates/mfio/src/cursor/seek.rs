//! Where to seek to.

use crate::error::{Cause, ErrorKind};

/// Where a seek goes, relative to the start, the position, or the end: `std::io::SeekFrom`, which needs std.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// So many bytes from the start.
    Start(u64),
    /// So many bytes from the end, most often a negative number.
    End(i64),
    /// So many bytes from the position.
    Current(i64),
}

impl SeekFrom {
    /// The position meant, where `base` is the end, or the current one.
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
