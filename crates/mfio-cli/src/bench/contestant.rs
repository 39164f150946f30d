//! The contestants: their names, and which of them have a depth.

/// A way to read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    /// `FileExt::read_exact_at` on one thread: the baseline.
    StdPread,
    /// The blocking form on one thread.
    Blocking,
    /// `seek` and `read_exact`, one task with a handle of its own for each read in flight.
    TokioFs,
    /// One future with all the reads, under `block_on`, without any executor.
    BlockOn,
    /// One task for each read in flight on multi-threaded tokio, and one that drives.
    Tokio,
    /// The same on smol, with one thread.
    Smol,
}

impl Contestant {
    pub(super) const ALL: &'static [Self] = &[
        Self::StdPread,
        Self::Blocking,
        Self::TokioFs,
        Self::BlockOn,
        Self::Tokio,
        Self::Smol,
    ];

    /// Name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StdPread => "std pread",
            Self::Blocking => "mfio, blocking",
            Self::TokioFs => "tokio::fs",
            Self::BlockOn => "mfio, block_on",
            Self::Tokio => "mfio, tokio",
            Self::Smol => "mfio, smol",
        }
    }

    /// Name in JSON.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::StdPread => "std-pread",
            Self::Blocking => "mfio-blocking",
            Self::TokioFs => "tokio-fs",
            Self::BlockOn => "mfio-block_on",
            Self::Tokio => "mfio-tokio",
            Self::Smol => "mfio-smol",
        }
    }

    /// Whether it can have more than one read in flight.
    pub(super) fn has_depth(self) -> bool {
        !matches!(self, Self::StdPread | Self::Blocking)
    }
}
