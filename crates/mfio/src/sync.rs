//! The atomics shim: all synchronisation goes through these types, so that loom can replace them.
//!
//! `--cfg mfio_loom` swaps in loom's types (its own cfg name, because dependencies react to
//! `loom`).

#[cfg(not(mfio_loom))]
mod imp {
    pub(crate) use core::cell::UnsafeCell;
    pub(crate) use core::sync::atomic;
}

#[cfg(mfio_loom)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic;
}

pub(crate) use imp::*;
