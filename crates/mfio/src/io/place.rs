//! [`Place`]: the storage location of a byte.

/// The storage location of a byte: a storage, and an index in it. Two equal places are the same
/// byte, through whatever handles and layers they were found.
///
/// ```
/// use mfio::io::IoObject;
/// use mfio::memory::Memory;
/// use std::sync::Arc;
///
/// let one = Arc::new(Memory::new([0; 8]));
/// let place = |io: &dyn IoObject| io.locate(3);
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
    /// A storage outside this program, by a name that all its handles know.
    Named([u64; 2]),
}

impl Place {
    /// Creates the place of byte `at` of an object that is itself the storage, identified by the
    /// address of `object`.
    pub fn of<T: ?Sized>(object: &T, at: u64) -> Self {
        let address = core::ptr::from_ref(object).cast::<()>().addr();
        Self {
            storage: Storage::Object(address),
            at,
        }
    }

    /// Creates the place of byte `at` of a storage with this name, such as the device and inode
    /// number of a file.
    pub const fn named(name: [u64; 2], at: u64) -> Self {
        Self {
            storage: Storage::Named(name),
            at,
        }
    }

    /// Returns the index of the byte in its storage.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Whether both places are in the same storage.
    pub fn shares_storage(&self, other: &Self) -> bool {
        self.storage == other.storage
    }

    /// Whether `len` bytes from `target` on begin within the `len` bytes from here on, behind the
    /// first: a copy from front to back would overwrite bytes that are still to be read.
    pub(crate) fn is_overtaken_by(&self, target: &Self, len: u64) -> bool {
        let ahead = target.at.checked_sub(self.at);
        self.shares_storage(target) && ahead.is_some_and(|ahead| ahead > 0 && ahead < len)
    }
}
