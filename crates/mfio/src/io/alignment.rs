//! [`Alignment`]: requirements on positions, lengths and memory.

/// Requirements of an object on requests. A file that bypasses the page cache takes whole blocks
/// from aligned memory only; a file that is a pipe takes requests one after another.
///
/// All values are in bytes and powers of two; 1 means no requirement.
///
/// ```
/// use mfio::io::Alignment;
///
/// let direct = Alignment::new(512, 4096);
/// assert_eq!((direct.memory(), direct.block()), (512, 4096));
/// assert_eq!(Alignment::new(3, 0), Alignment::new(4, 1), "rounded up to a power of two");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment {
    memory: usize,
    block: usize,
    in_order: bool,
}

/// Largest alignment honoured: a larger one would make every chunk larger than the pools keep.
const MOST: usize = 1 << 20;

impl Alignment {
    /// No requirements.
    pub const NONE: Self = Self {
        memory: 1,
        block: 1,
        in_order: false,
    };

    /// Creates requirements: memory addresses are multiples of `memory`, positions and lengths
    /// multiples of `block`. Both are rounded up to a power of two, 1 MiB at most.
    pub const fn new(memory: usize, block: usize) -> Self {
        const fn power(n: usize) -> usize {
            if n >= MOST {
                MOST
            } else {
                n.next_power_of_two()
            }
        }
        Self {
            memory: power(memory),
            block: power(block),
            in_order: false,
        }
    }

    /// Adds the requirement that requests are sent one after another, each when the one before has
    /// ended: positions are ignored, and several requests in flight could be executed in any order.
    #[must_use]
    pub const fn in_order(self) -> Self {
        Self {
            in_order: true,
            ..self
        }
    }

    /// Whether requests must be sent one after another.
    pub const fn is_in_order(self) -> bool {
        self.in_order
    }

    /// Returns the alignment of memory addresses, in bytes.
    pub const fn memory(self) -> usize {
        self.memory
    }

    /// Returns the alignment of positions and lengths, in bytes.
    pub const fn block(self) -> usize {
        self.block
    }

    /// Returns the weakest requirements that satisfy both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            block: self.block.max(other.block),
            in_order: self.in_order || other.in_order,
        }
    }

    /// Returns the distance of a position from the start of its block, in bytes.
    pub fn excess(self, number: u64) -> usize {
        // Less than a block.
        (number & (self.block as u64 - 1)) as usize
    }

    /// Returns the length rounded up to whole blocks, or the length itself on overflow.
    pub fn round_up(self, len: usize) -> usize {
        len.checked_next_multiple_of(self.block).unwrap_or(len)
    }

    /// Returns the length rounded down to whole blocks.
    pub fn round_down(self, len: usize) -> usize {
        len - len % self.block
    }
}

impl Default for Alignment {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_makes_an_alignment() {
        assert_eq!(Alignment::new(0, usize::MAX).block(), MOST);
        assert_eq!(Alignment::new(0, 0), Alignment::NONE);
        assert_eq!(Alignment::new(1, 512).excess(513), 1);
        assert_eq!(Alignment::new(1, 512).excess(u64::MAX), 511);
        assert_eq!(Alignment::new(1, 512).round_up(513), 1024);
        assert_eq!(Alignment::new(1, 512).round_up(usize::MAX), usize::MAX);
        assert_eq!(Alignment::new(1, 512).round_down(511), 0);
        assert_eq!(Alignment::new(1, 512).round_down(1025), 1024);
        assert_eq!(Alignment::NONE.round_down(1025), 1025);
        let both = Alignment::new(512, 1).and(Alignment::new(1, 4096));
        assert_eq!(both, Alignment::new(512, 4096));
    }
}
