//! [`LinksIoBackend`]: values with an object in them, for futures that own their object.

use super::io_backend::IoBackend;
use core::fmt;

/// A value that contains an [`IoBackend`], or is one.
pub trait LinksIoBackend {
    /// The type of the object.
    type Link: IoBackend + ?Sized;

    /// Returns the object.
    fn get_mut(&self) -> &Self::Link;
}

impl<T: IoBackend> LinksIoBackend for T {
    type Link = T;

    fn get_mut(&self) -> &T {
        self
    }
}

/// A borrowed object, as a link.
pub struct RefLink<'a, T: ?Sized>(&'a T);

impl<'a, T: ?Sized> RefLink<'a, T> {
    /// Creates a link to `object`.
    pub const fn new(object: &'a T) -> Self {
        Self(object)
    }

    pub(crate) const fn object(self) -> &'a T {
        self.0
    }
}

impl<'a, T: ?Sized> From<&'a T> for RefLink<'a, T> {
    fn from(object: &'a T) -> Self {
        Self(object)
    }
}

impl<'a, T: ?Sized> From<&'a mut T> for RefLink<'a, T> {
    fn from(object: &'a mut T) -> Self {
        Self(object)
    }
}

impl<T: IoBackend + ?Sized> LinksIoBackend for RefLink<'_, T> {
    type Link = T;

    fn get_mut(&self) -> &T {
        self.0
    }
}

impl<T: ?Sized> Clone for RefLink<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for RefLink<'_, T> {}

impl<T: ?Sized> fmt::Debug for RefLink<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefLink").finish_non_exhaustive()
    }
}
