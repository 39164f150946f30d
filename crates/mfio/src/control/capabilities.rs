//! [`Capabilities`]: the operations that an object supports.

use super::op::{ControlKind, ControlOp};
use core::fmt;

/// A set of kinds of control operations: those that an object supports.
///
/// ```
/// use mfio::control::{Capabilities, ControlKind, ControlOp};
///
/// const SYNC: Capabilities = Capabilities::NONE
///     .with(ControlKind::SyncData)
///     .with(ControlKind::SyncAll);
/// assert!(SYNC.supports(ControlOp::SyncAll));
/// assert!(!SYNC.supports(ControlOp::Shutdown));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u32);

impl Capabilities {
    /// No operation.
    pub const NONE: Self = Self(0);

    /// Returns the set with one more kind.
    #[must_use]
    pub const fn with(self, kind: ControlKind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// Returns the set without one kind.
    #[must_use]
    pub const fn without(self, kind: ControlKind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// Returns the kinds that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set has a kind.
    pub const fn contains(self, kind: ControlKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// Whether the set has the kind of an operation.
    pub const fn supports(self, op: ControlOp) -> bool {
        self.contains(op.kind())
    }

    /// Returns the kinds in the set.
    pub fn iter(self) -> impl Iterator<Item = ControlKind> {
        let all = ControlKind::ALL.iter().copied();
        all.filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<ControlKind> for Capabilities {
    fn from_iter<I: IntoIterator<Item = ControlKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_the_kinds_put_in_and_no_others() {
        let all: Capabilities = ControlKind::ALL.iter().copied().collect();
        for kind in ControlKind::ALL {
            let one = Capabilities::NONE.with(*kind);
            assert!(one.iter().eq([*kind]));
            assert_eq!(all.intersection(one), one);
            assert!(!all.without(*kind).contains(*kind));
        }
        let shown = alloc::format!("{:?}", Capabilities::NONE.with(ControlKind::Len));
        assert_eq!(shown, "{Len}");
    }
}
