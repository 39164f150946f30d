//! A small FIFO without heap memory.

use super::chunks::Chunks;

/// A FIFO of at most [`Chunks::MOST`] items.
pub(super) struct Ring<T> {
    slots: [Option<T>; Chunks::MOST],
    head: usize,
    len: usize,
}

impl<T> Ring<T> {
    pub(super) fn new() -> Self {
        Self {
            slots: [const { None }; Chunks::MOST],
            head: 0,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends an item.
    ///
    /// # Panics
    /// If the ring is full; callers keep to their window.
    pub(super) fn push(&mut self, item: T) {
        assert!(self.len < Chunks::MOST, "a window has its limit");
        self.slots[(self.head + self.len) % Chunks::MOST] = Some(item);
        self.len += 1;
    }

    pub(super) fn front(&mut self) -> Option<&mut T> {
        self.slots[self.head].as_mut()
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.slots[self.head].take()?;
        self.head = (self.head + 1) % Chunks::MOST;
        self.len -= 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out_round_and_round() {
        let mut ring = Ring::new();
        let mut next = 0;
        for round in 0..30usize {
            (0..round % 4).for_each(|i| ring.push(round * 10 + i));
            for _ in 0..round % 4 {
                assert!(ring.front().is_some());
                let item = ring.pop().expect("it was put");
                assert!(item > next || item == 0);
                next = item;
            }
            assert!(ring.len() == 0 && ring.pop().is_none());
        }
    }
}
