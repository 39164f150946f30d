//! [`Place`]: where a byte is kept.

/// Where a byte is kept: in which storage, and at which number there. Two places with the same storage and the same number
/// are one byte, through whatever handles and layers they were found.
///
/// ```
/// use mfio::io::{PacketIo, Place, Read};
/// use mfio::memory::Memory;
/// use std::sync::Arc;
///
/// let one = Arc::new(Memory::new([0; 8]));
/// let place = |io: &dyn PacketIo<Read>| io.locate(3);
/// assert_eq!(place(&one), place(&one.clone()), "pointers to the same object");
/// assert!(!place(&one).shares_storage(&place(&Memory::new([0; 8]))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    storage: Storage,
    at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    /// An object of this program, by its address.
    Object(usize),
    /// Something outside, by a name that all its handles know.
    Named([u64; 2]),
}

impl Place {
    /// Byte `at` of an object that is a storage itself: what `object` borrows tells it from all others.
    pub fn of<T: ?Sized>(object: &T, at: u64) -> Self {
        let address = core::ptr::from_ref(object).cast::<()>().addr();
        Self {
            storage: Storage::Object(address),
            at,
        }
    }

    /// Byte `at` of a storage with this name, as the device and the number of a file.
    pub const fn named(name: [u64; 2], at: u64) -> Self {
        Self {
            storage: Storage::Named(name),
            at,
        }
    }

    /// The number of the byte in its storage.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Whether both are in one storage.
    pub fn shares_storage(&self, other: &Self) -> bool {
        self.storage == other.storage
    }

    /// Whether `len` bytes from `target` on begin within the `len` bytes from here on, behind the first: copied in order,
    /// the copy would overwrite bytes that are still to be read.
    pub(crate) fn is_overtaken_by(&self, target: &Self, len: u64) -> bool {
        let ahead = target.at.checked_sub(self.at);
        self.shares_storage(target) && ahead.is_some_and(|ahead| ahead > 0 && ahead < len)
    }
}
