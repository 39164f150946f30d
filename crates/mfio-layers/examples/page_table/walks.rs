//! Which tables are to be read.

use super::entry::{ENTRIES, ENTRY, Level, index, span};
use mfio::io::Direction;
use mfio::packet::View;

/// How many tables are read at a time: each takes a buffer of a page.
pub(crate) const AT_ONCE: usize = 256;

/// A part of a request, all of which is below one table.
pub(crate) struct Step<D: Direction> {
    pub(crate) table: u64,
    pub(crate) level: Level,
    /// The virtual address where it begins.
    pub(crate) at: u64,
    /// Not empty.
    pub(crate) view: View<D>,
}

impl<D: Direction> Step<D> {
    /// How many entries of the table it needs.
    pub(crate) fn entries(&self) -> usize {
        let within = self.at % span(self.level);
        let last = (within + self.view.len() as u64 - 1) / span(self.level);
        last as usize + 1
    }

    /// The first `len` bytes, and the others.
    pub(crate) fn split(self, len: usize) -> (Self, Self) {
        let (head, tail) = self.view.split_at(len);
        let Self {
            table, level, at, ..
        } = self;
        let part = |at, view| Self {
            table,
            level,
            at,
            view,
        };
        (part(at, head), part(at.wrapping_add(len as u64), tail))
    }
}

/// Steps that wait, and idle buffers.
pub(crate) struct Walks<D: Direction> {
    /// The latest goes first, and so further down: at most three tables of each request wait with
    /// all their entries.
    waiting: Vec<Step<D>>,
    idle: Vec<Box<[u8]>>,
    borrowed: usize,
    /// Whether a loop serves the steps that wait.
    draining: bool,
}

impl<D: Direction> Walks<D> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Vec::new(),
            idle: Vec::new(),
            borrowed: 0,
            draining: false,
        }
    }

    pub(crate) fn push(&mut self, step: Step<D>) {
        debug_assert!(index(step.at, step.level) + step.entries() <= ENTRIES);
        self.waiting.push(step);
    }

    pub(crate) fn return_buffer(&mut self, buffer: Box<[u8]>) {
        self.borrowed -= 1;
        self.idle.push(buffer);
    }

    /// Claims the loop that serves the steps that wait, until [`next`](Self::next) has none.
    /// Returns `false` where it runs already.
    pub(crate) fn begin_draining(&mut self) -> bool {
        !core::mem::replace(&mut self.draining, true)
    }

    /// Takes out the next step, with a buffer. Without any, ends the loop.
    pub(crate) fn next(&mut self) -> Option<(Step<D>, Box<[u8]>)> {
        self.draining = self.borrowed < AT_ONCE && !self.waiting.is_empty();
        if !self.draining {
            return None;
        }
        self.borrowed += 1;
        let new = || vec![0; ENTRIES * ENTRY].into_boxed_slice();
        let buffer = self.idle.pop().unwrap_or_else(new);
        Some((self.waiting.pop()?, buffer))
    }
}
