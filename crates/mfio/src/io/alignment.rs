//! [`Alignment`]: what an object asks of positions, lengths and memory.

/// What an object asks of requests: a file that bypasses the page cache takes whole blocks from aligned memory only, and one
/// that is a pipe has requests one after another.
///
/// Powers of two; 1 asks for nothing.
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

/// The largest alignment that is taken seriously: what is more would make every chunk larger than what is kept of them.
const MOST: usize = 1 << 20;

impl Alignment {
    /// Nothing is asked for.
    pub const NONE: Self = Self {
        memory: 1,
        block: 1,
        in_order: false,
    };

    /// Addresses of memory are multiples of `memory`, positions and lengths multiples of `block`. Both are rounded up to a
    /// power of two, of 1 MiB at most.
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

    /// Positions mean nothing, or not what they say: bytes go where those before them ended. So who cuts many bytes into
    /// requests sends one when the one before has ended; several at once may be carried out in any order.
    #[must_use]
    pub const fn in_order(self) -> Self {
        Self {
            in_order: true,
            ..self
        }
    }

    /// Whether requests are to be sent one after another.
    pub const fn is_in_order(self) -> bool {
        self.in_order
    }

    /// What addresses of memory must be multiples of, in bytes.
    pub const fn memory(self) -> usize {
        self.memory
    }

    /// What positions and lengths must be multiples of, in bytes.
    pub const fn block(self) -> usize {
        self.block
    }

    /// What satisfies both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            block: self.block.max(other.block),
            in_order: self.in_order || other.in_order,
        }
    }

    /// How far a position is beyond the start of its block, in bytes.
    pub fn excess(self, number: u64) -> usize {
        // Less than a block.
        (number & (self.block as u64 - 1)) as usize
    }

    /// A length rounded up to whole blocks; itself where there is no such number.
    pub fn round_up(self, len: usize) -> usize {
        len.checked_next_multiple_of(self.block).unwrap_or(len)
    }

    /// A length rounded down to whole blocks: 0 where it is less than one.
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
