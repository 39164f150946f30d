//! The order of writes that overlap. Nothing here runs code of an object or a waker.
//!
//! Invariants:
//! 1. Spans are disjoint and in order. The owner of a span is the latest write that covers it and
//!    has not ended.
//! 2. A write waits for the owners of its range at the time it came: it counts them, and each of
//!    them has an edge to it. Any other earlier write that overlaps it ends before one of those
//!    does: by induction, as one of them has covered it since.
//! 3. A node is free, or belongs to a write that was sent or waits. A write is sent once, and its
//!    node is free when it has ended.
//!
//! A write that overlaps none costs a search in a sorted list at its beginning and at its end.
//! Sequential writes are at the ends of that list, where nothing is moved.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Upper bound on the writes that wait.
pub(crate) const MAX_WAITING: usize = 1 << 20;

/// Memory for up to so many concurrent writes is kept when there are none.
const KEPT: usize = 1 << 16;

/// As the number of a node or an edge: none.
const NONE: u32 = u32::MAX;

/// The number of a write that has not ended.
pub(crate) type Number = u32;

/// The order of the writes that have not ended. `W` is a write that waits.
pub(crate) struct Order<W> {
    spans: VecDeque<OwnedSpan>,
    nodes: Vec<Node<W>>,
    free: Vec<Number>,
    edges: Vec<Edge>,
    /// The first free edge.
    free_edge: u32,
    waiting: usize,
    /// Writes that need not wait any longer, oldest first.
    ready: VecDeque<Number>,
    /// A loop sends the writes that are ready, and looks again before it stops.
    starting: bool,
    /// Whether a write was ever refused.
    refused: bool,
    /// The number of the write that was alone when the others came.
    solo: Number,
}

/// Bytes, and the latest write of them that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OwnedSpan {
    first: u64,
    last: u64,
    owner: Number,
}

struct Node<W> {
    first: u64,
    last: u64,
    /// How many writes it waits for.
    waits_for: u32,
    /// The first edge to a write that waits for it.
    edges: u32,
    queued: Option<W>,
}

/// Says that `to` waits for the node in whose list this is.
struct Edge {
    to: Number,
    next: u32,
}

/// The answer to a write that enters the order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Send it.
    Begins(Number),
    /// [Queue](Order::queue) it, under the same lock.
    Waits(Number),
    /// Too many writes wait.
    Refused,
}

impl<W> Order<W> {
    pub(crate) const fn new() -> Self {
        Self {
            spans: VecDeque::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            edges: Vec::new(),
            free_edge: NONE,
            waiting: 0,
            ready: VecDeque::new(),
            starting: false,
            refused: false,
            solo: NONE,
        }
    }

    /// Whether all writes have ended.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Enters the write that was alone, before any other.
    #[cold]
    pub(crate) fn enter_solo(&mut self, first: u64, last: u64) {
        debug_assert!(self.is_empty(), "it was alone");
        if let Entry::Begins(number) = self.enter(first, last) {
            self.solo = number;
        }
    }

    /// Returns the number of that write.
    pub(crate) fn solo(&self) -> Number {
        self.solo
    }

    /// Enters a write of the bytes from `first` to `last`.
    #[inline]
    pub(crate) fn enter(&mut self, first: u64, last: u64) -> Entry {
        let index = self.first_span(first);
        match self.spans.get(index) {
            Some(span) if span.first <= last => return self.enter_overlapping(index, first, last),
            _ => {}
        }
        let owner = self.node(first, last);
        let span = OwnedSpan { first, last, owner };
        if index == self.spans.len() {
            self.spans.push_back(span);
        } else {
            self.spans.insert(index, span);
        }
        Entry::Begins(owner)
    }

    /// Returns the index of the first span that does not end before `at`.
    #[inline]
    fn first_span(&self, at: u64) -> usize {
        match self.spans.back() {
            Some(back) if back.last >= at => self.spans.partition_point(|span| span.last < at),
            _ => self.spans.len(),
        }
    }

    #[inline]
    fn node(&mut self, first: u64, last: u64) -> Number {
        let Some(number) = self.free.pop() else {
            return self.grow(first, last);
        };
        // The other fields are as they were when it was new.
        let node = &mut self.nodes[number as usize];
        (node.first, node.last) = (first, last);
        number
    }

    #[cold]
    fn grow(&mut self, first: u64, last: u64) -> Number {
        self.nodes.push(Node {
            first,
            last,
            waits_for: 0,
            edges: NONE,
            queued: None,
        });
        // Fits: a node takes a few dozen bytes, and memory does not hold 2^32 of them in practice.
        Number::try_from(self.nodes.len() - 1).unwrap_or(NONE)
    }

    /// Enters a write that overlaps others, of which the span at `index` is the first.
    #[cold]
    fn enter_overlapping(&mut self, index: usize, first: u64, last: u64) -> Entry {
        if self.waiting >= MAX_WAITING {
            self.refused = true;
            return Entry::Refused;
        }
        let number = self.node(first, last);
        let mut end = index;
        while let Some(span) = self.spans.get(end).filter(|span| span.first <= last) {
            let owner = span.owner;
            self.link(owner, number);
            end += 1;
        }
        self.take_over(index..end, first, last, number);
        self.waiting += 1;
        Entry::Waits(number)
    }

    /// Makes `number` wait for `owner`, once.
    fn link(&mut self, owner: Number, number: Number) {
        let head = self.nodes[owner as usize].edges;
        if self
            .edges
            .get(head as usize)
            .is_some_and(|edge| edge.to == number)
        {
            return;
        }
        let edge = Edge {
            to: number,
            next: head,
        };
        let index = match self.edges.get_mut(self.free_edge as usize) {
            Some(free) => {
                let index = core::mem::replace(&mut self.free_edge, free.next);
                *free = edge;
                index
            }
            None => {
                self.edges.push(edge);
                u32::try_from(self.edges.len() - 1).unwrap_or(NONE)
            }
        };
        self.nodes[owner as usize].edges = index;
        self.nodes[number as usize].waits_for += 1;
    }

    /// Makes `owner` the owner of a range, which overlaps exactly the spans with these indices.
    fn take_over(
        &mut self,
        overlapped: core::ops::Range<usize>,
        first: u64,
        last: u64,
        owner: Number,
    ) {
        let before = self.spans[overlapped.start];
        let behind = self.spans[overlapped.end - 1];
        let mut index = overlapped.start;
        // The first of them becomes the new one; the others go, but for the ends that stick out.
        self.spans[index] = OwnedSpan { first, last, owner };
        self.spans.drain(index + 1..overlapped.end);
        if before.first < first {
            let last = first - 1;
            self.spans.insert(index, OwnedSpan { last, ..before });
            index += 1;
        }
        if behind.last > last {
            let first = last + 1;
            self.spans.insert(index + 1, OwnedSpan { first, ..behind });
        }
    }

    /// Keeps a write that waits.
    pub(crate) fn queue(&mut self, number: Number, write: W) {
        self.nodes[number as usize].queued = Some(write);
    }

    /// Takes out a write that has ended. Returns whether the caller is to send the writes that are
    /// ready, as no loop does.
    #[inline]
    #[must_use]
    pub(crate) fn finish(&mut self, number: Number) -> bool {
        let Node {
            first, last, edges, ..
        } = self.nodes[number as usize];
        let index = self.first_span(first);
        let whole = OwnedSpan {
            first,
            last,
            owner: number,
        };
        if edges == NONE && self.spans.get(index) == Some(&whole) {
            if index == 0 {
                self.spans.pop_front();
            } else {
                self.spans.remove(index);
            }
        } else {
            self.finish_overlapped(number, index);
        }
        self.free.push(number);
        if self.spans.is_empty() && self.nodes.len() > KEPT {
            self.shrink();
        }
        !self.ready.is_empty() && !self.starting
    }

    /// Takes out a write that others overlap and wait for. Its spans, if any are left, are at
    /// `index` or behind.
    #[cold]
    fn finish_overlapped(&mut self, number: Number, index: usize) {
        let last = self.nodes[number as usize].last;
        let mut at = index;
        while let Some(span) = self.spans.get(at).filter(|span| span.first <= last) {
            if span.owner == number {
                self.spans.remove(at);
            } else {
                at += 1;
            }
        }
        let mut edge = core::mem::replace(&mut self.nodes[number as usize].edges, NONE);
        let ready = self.ready.len();
        while let Some(Edge { to, next }) = self.edges.get_mut(edge as usize) {
            let to = *to;
            let rest = core::mem::replace(next, self.free_edge);
            self.free_edge = core::mem::replace(&mut edge, rest);
            let waiting = &mut self.nodes[to as usize];
            waiting.waits_for -= 1;
            if waiting.waits_for == 0 {
                self.ready.push_back(to);
            }
        }
        // The list has the latest first.
        self.ready.make_contiguous()[ready..].reverse();
    }

    /// Frees the memory of a great many writes.
    #[cold]
    fn shrink(&mut self) {
        if self.free.len() == self.nodes.len() {
            let (starting, refused) = (self.starting, self.refused);
            *self = Self {
                starting,
                refused,
                ..Self::new()
            };
        }
    }

    /// Claims the loop that sends the writes that are ready, until [`next`](Self::next) has none.
    /// Returns `false` where it runs already.
    pub(crate) fn begin_starting(&mut self) -> bool {
        !core::mem::replace(&mut self.starting, true)
    }

    /// Takes out the next write to send; without the write itself where the layer is dropped.
    /// Without any, ends the loop.
    pub(crate) fn next(&mut self) -> Option<(Number, Option<W>)> {
        let next = self.ready.pop_front();
        self.starting = next.is_some();
        let number = next?;
        self.waiting -= 1;
        Some((number, self.nodes[number as usize].queued.take()))
    }

    /// Takes out the writes that wait, as the layer is dropped.
    pub(crate) fn close(&mut self) -> Vec<W> {
        self.nodes
            .iter_mut()
            .filter_map(|node| node.queued.take())
            .collect()
    }

    /// Whether a write was ever refused.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused
    }

    /// Returns how many writes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
