//! [`Recallable`]: the buffer of a relay that its layer may recall.
//!
//! Invariant
//! 1. Of the parts, those of the buffer are the first field, and used as its own packet would use
//!    them; the recall is only read, through shared references, until the parts are turned back.
#![allow(unsafe_code)]

use super::{Buffer, ReadBuffer, WriteBuffer};
use crate::contain::contained;

/// A hint that a relay is not wanted any more, for a [`Recallable`].
pub trait Recalled: Send + Sync + 'static {
    /// Returns whether the relay is not wanted any more. A hint.
    ///
    /// Objects call it on any thread, and may hold a lock of theirs meanwhile. So it must be quick,
    /// send and end no view, and take no lock that is held while a view is sent or ended. With std
    /// a panic is reported, and taken for `false`.
    fn is_recalled(&self) -> bool;
}

/// A buffer of a [`Relay`](crate::packet::Relay) that can be recalled: its views are abandoned
/// then.
///
/// A relay whose buffer is a view is [abandoned](crate::packet::View::is_abandoned) when that view
/// is. A relay with memory of its layer is abandoned when the layer recalls it. That is a hint,
/// like a dropped future: an object may stop early, and the relay ends all the same. It has no
/// effect in a packet with a future.
///
/// ```
/// use mfio::io::Read;
/// use mfio::packet::{OnEnd, Outcome, Recallable, Recalled, Relay};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
///
/// #[derive(Clone, Default)]
/// struct GivenUp(Arc<AtomicBool>);
///
/// impl Recalled for GivenUp {
///     fn is_recalled(&self) -> bool {
///         self.0.load(Relaxed)
///     }
/// }
///
/// struct Layer;
///
/// impl OnEnd<Recallable<Vec<u8>, GivenUp>> for Layer {
///     fn on_end(relay: Relay<Recallable<Vec<u8>, GivenUp>, Self>, _: Outcome) {
///         assert!(relay.recall().is_recalled());
///     }
/// }
///
/// let given_up = GivenUp::default();
/// let buffer = Recallable::new(vec![0; 64], given_up.clone());
/// let view = Relay::new(buffer, Layer).start::<Read>();
/// assert!(!view.is_abandoned());
/// given_up.0.store(true, Relaxed);
/// assert!(view.is_abandoned());
/// ```
#[derive(Debug)]
pub struct Recallable<B, R> {
    buffer: B,
    recall: R,
}

impl<B, R> Recallable<B, R> {
    /// Creates a buffer that is wanted until `recall` says otherwise.
    pub fn new(buffer: B, recall: R) -> Self {
        Self { buffer, recall }
    }

    /// Returns the buffer and the recall.
    pub fn into_parts(self) -> (B, R) {
        (self.buffer, self.recall)
    }
}

// SAFETY: the contract holds for the parts of the buffer, which are used as it demands (invariant
// 1); the recall is not part of the region.
unsafe impl<B: Buffer, R: Recalled> Buffer for Recallable<B, R> {
    type Parts = (B::Parts, R);

    #[inline]
    fn into_parts(self) -> Self::Parts {
        (self.buffer.into_parts(), self.recall)
    }

    #[inline]
    unsafe fn from_parts((buffer, recall): Self::Parts) -> Self {
        // SAFETY: they came from `into_parts`, and the region is not used any more.
        let buffer = unsafe { B::from_parts(buffer) };
        Self { buffer, recall }
    }

    #[inline]
    unsafe fn region(parts: *mut Self::Parts) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid, and so is that to the field.
        unsafe { B::region(&raw mut (*parts).0) }
    }

    unsafe fn has_only_capacity(parts: *const Self::Parts) -> bool {
        // SAFETY: the caller's pointer is valid, and so is that to the field.
        unsafe { B::has_only_capacity(&raw const (*parts).0) }
    }

    unsafe fn is_unwanted(parts: *const Self::Parts) -> bool {
        // SAFETY: the caller's pointer is valid; the recall is `Sync` and only read (invariant 1).
        let recall = unsafe { &(*parts).1 };
        let mut recalled = false;
        contained(|| recalled = recall.is_recalled());
        // SAFETY: the pointer to the field is valid.
        recalled || unsafe { B::is_unwanted(&raw const (*parts).0) }
    }
}
// SAFETY: the region is the buffer's.
unsafe impl<B: ReadBuffer, R: Recalled> ReadBuffer for Recallable<B, R> {}
// SAFETY: the region is the buffer's.
unsafe impl<B: WriteBuffer, R: Recalled> WriteBuffer for Recallable<B, R> {}
