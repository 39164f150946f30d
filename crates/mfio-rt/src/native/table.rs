//! The in-flight table, which owns the operations that the kernel works on.
//!
//! An entry owns its operation, and with it buffer, view and descriptor, from submission to the
//! terminal completion. A [`Key`] names an entry: index and generation in one number, which the
//! kernel carries as user data. A used key names no entry, so a completion that comes twice, or
//! late, finds none.
//!
//! The table grows to its high-water mark and then allocates no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names an entry while it is in the table, and none afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// Names no entry.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// Returns the key as user data. The lower half is never `u32::MAX`, which is left for other
    /// uses.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// Returns the key in user data.
    #[inline]
    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    #[inline]
    fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    #[inline]
    fn index(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    #[inline]
    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A bounded slab with generations.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    /// The number of entries. Changed by the owner of the table only, so without read-modify-write.
    live: Arc<AtomicUsize>,
    limit: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    next_free: u32,
    value: Option<T>,
}

/// End of the free list.
const NONE: u32 = u32::MAX;

impl<T> Table<T> {
    /// Creates a table for at most `limit` entries (capped well below `u32::MAX`).
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            live: Arc::default(),
            limit: limit.min(NONE as usize / 2),
        }
    }

    /// Whether there is room for another entry.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.limit
    }

    /// Adds an entry, or returns it if the table is full.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Result<Key, T> {
        if !self.has_room() {
            return Err(value);
        }
        Ok(self.put_back(value))
    }

    /// Adds an entry that was in the table before, even if there is no room. Until it leaves, the
    /// table may be over its limit by the number of entries that are put back at the same time.
    #[inline]
    pub(crate) fn put_back(&mut self, value: T) -> Key {
        self.live.store(self.len() + 1, Ordering::Release);
        if self.free == NONE {
            let index = self.slots.len() as u32;
            self.slots.push(Slot {
                generation: 0,
                next_free: NONE,
                value: Some(value),
            });
            return Key::new(index, 0);
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next_free;
        slot.value = Some(value);
        Key::new(index, slot.generation)
    }

    /// Returns the entry of a key.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation() {
            return None;
        }
        slot.value.as_mut()
    }

    /// Takes the entry out; its key names none from now on.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation() {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = self.free;
        self.free = key.index() as u32;
        self.live.store(self.len() - 1, Ordering::Release);
        Some(value)
    }

    /// Returns the number of entries.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Returns the number of entries, for parties that read it without access to the table.
    pub(crate) fn shared_len(&self) -> &Arc<AtomicUsize> {
        &self.live
    }

    /// Returns the keys of all entries.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        let live = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.value.is_some());
        live.map(|(index, slot)| Key::new(index as u32, slot.generation))
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Table};

    #[test]
    fn a_used_key_names_nothing() {
        let mut table = Table::new(4);
        let first = table.insert('a').unwrap();
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert('b').unwrap();
        assert_ne!(first, second);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.get_mut(second), Some(&mut 'b'));
        assert_eq!(table.remove(Key::NONE), None);
    }

    #[test]
    fn full_is_full_and_room_comes_back() {
        let mut table = Table::new(2);
        let first = table.insert(1).unwrap();
        table.insert(2).unwrap();
        assert_eq!(table.insert(3), Err(3));
        assert_eq!(table.remove(first), Some(1));
        assert!(table.insert(3).is_ok());
        assert_eq!((table.len(), table.keys().count()), (2, 2));
    }

    #[test]
    fn an_entry_that_is_put_back_finds_room() {
        let mut table = Table::new(1);
        let first = table.insert(1).unwrap();
        assert_eq!(table.remove(first), Some(1));
        let second = table.insert(2).unwrap();
        let back = table.put_back(1);
        assert_eq!(table.insert(3), Err(3));
        assert_eq!(table.remove(back), Some(1));
        assert_eq!(table.insert(3), Err(3), "there is still one too many");
        assert_eq!(table.remove(second), Some(2));
        assert!(table.insert(3).is_ok());
    }

    #[test]
    fn the_generation_wraps_without_confusing_neighbours() {
        let mut table = Table::new(1);
        let key = table.insert(0).unwrap();
        table.slots[0].generation = u32::MAX;
        assert_eq!(table.remove(key), None);
        let last = table.keys().next().unwrap();
        assert_eq!(table.remove(last), Some(0));
        let wrapped = table.insert(1).unwrap();
        assert_eq!(table.remove(last), None);
        assert_eq!(table.remove(wrapped), Some(1));
    }
}
