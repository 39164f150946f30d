//! The order of writes that overlap: which ones wait for which. Nothing here runs code of others.
//!
//! Invariants:
//! 1. Spans are disjoint and in order. The owner of a span is the latest write that covers it and has not ended.
//! 2. A write waits for those who owned a part of its range when it came: it counts them, and each of them has an edge to it.
//!    Any other write that came before and overlaps it ends before one of those does: by induction, as one of them has
//!    covered it since.
//! 3. A node is free, or belongs to a write that has begun or waits. It begins once, and is free when it has ended.
//!
//! A write that overlaps none costs a search in a sorted list at its beginning and at its end. What comes in the order of its
//! positions is at the ends of that list, where nothing is moved.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How many writes wait at most, for others to end.
pub(super) const MAX_WAITING: usize = 1 << 20;

/// How many writes there may have been at once whose memory is kept when there are none.
const KEPT: usize = 1 << 16;

/// As a number of a node or an edge: none.
const NONE: u32 = u32::MAX;

/// The number of a write, as long as it has not ended.
pub(super) type Number = u32;

/// Of writes on their way, where `W` is one that waits.
pub(super) struct Order<W> {
    spans: VecDeque<Span>,
    nodes: Vec<Node<W>>,
    free: Vec<Number>,
    edges: Vec<Edge>,
    /// The first free edge.
    free_edge: u32,
    waiting: usize,
    /// Writes that need not wait any more, in the order in which they became so.
    ready: VecDeque<Number>,
    /// Somebody begins those that are ready, one after another, and will look again.
    starting: bool,
    /// Whether one was refused so far.
    refused: bool,
    /// The number of the write that was alone when others came.
    solo: Number,
}

/// Bytes of which no other write that has not ended came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
    owner: Number,
}

struct Node<W> {
    first: u64,
    last: u64,
    /// How many it waits for.
    waits_for: u32,
    /// The first edge to one that waits for it.
    edges: u32,
    parked: Option<W>,
}

/// That `to` waits for the node in whose list this is.
struct Edge {
    to: Number,
    next: u32,
}

/// What becomes of a write that comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It begins.
    Begins(Number),
    /// It is to be [parked](Order::park), under the same lock.
    Waits(Number),
    /// Too many wait.
    Refused,
}

impl<W> Order<W> {
    pub(super) const fn new() -> Self {
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

    /// Whether no write is on its way, nor waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Takes in the write that was alone, before any other.
    #[cold]
    pub(super) fn enter_solo(&mut self, first: u64, last: u64) {
        debug_assert!(self.is_empty(), "it was alone");
        if let Entry::Begins(number) = self.enter(first, last) {
            self.solo = number;
        }
    }

    /// The number of that write.
    pub(super) fn solo(&self) -> Number {
        self.solo
    }

    /// A write comes of the bytes from `first` to `last`.
    #[inline]
    pub(super) fn enter(&mut self, first: u64, last: u64) -> Entry {
        let index = self.first_span(first);
        match self.spans.get(index) {
            Some(span) if span.first <= last => return self.enter_overlapping(index, first, last),
            _ => {}
        }
        let owner = self.node(first, last);
        let span = Span { first, last, owner };
        if index == self.spans.len() {
            self.spans.push_back(span);
        } else {
            self.spans.insert(index, span);
        }
        Entry::Begins(owner)
    }

    /// The first span that does not end before `at`.
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
        // The rest of it is as it was when it was new.
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
            parked: None,
        });
        // As many as there are bytes of memory for, each of which takes a few dozen.
        Number::try_from(self.nodes.len() - 1).unwrap_or(NONE)
    }

    /// A write comes that overlaps others, of which the span at `index` is the first.
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

    /// Has `number` wait for `owner`, once.
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

    /// Makes `owner` that of a range, which overlaps the spans of these numbers and no others.
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
        // The first of them makes room for the new one; the others, but for what sticks out, go.
        self.spans[index] = Span { first, last, owner };
        self.spans.drain(index + 1..overlapped.end);
        if before.first < first {
            let last = first - 1;
            self.spans.insert(index, Span { last, ..before });
            index += 1;
        }
        if behind.last > last {
            let first = last + 1;
            self.spans.insert(index + 1, Span { first, ..behind });
        }
    }

    /// Keeps a write that waits.
    pub(super) fn park(&mut self, number: Number, write: W) {
        self.nodes[number as usize].parked = Some(write);
    }

    /// A write has ended. Says whether the caller is to begin those that are ready: nobody does.
    #[inline]
    #[must_use]
    pub(super) fn finish(&mut self, number: Number) -> bool {
        let Node {
            first, last, edges, ..
        } = self.nodes[number as usize];
        let index = self.first_span(first);
        let whole = Span {
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

    /// A write has ended that others overlap, and wait for. Its spans, if any are left, are at `index` or behind.
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

    /// Gives back the memory of a great many writes.
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

    /// Whether the caller is to begin those that are ready, until [`next`](Self::next) has none: nobody else does.
    pub(super) fn begin_starting(&mut self) -> bool {
        !core::mem::replace(&mut self.starting, true)
    }

    /// The next write that begins. It is not there any more where the layer has gone.
    pub(super) fn next(&mut self) -> Option<(Number, Option<W>)> {
        let next = self.ready.pop_front();
        self.starting = next.is_some();
        let number = next?;
        self.waiting -= 1;
        Some((number, self.nodes[number as usize].parked.take()))
    }

    /// The layer goes: nothing that waits will begin. Takes it out.
    pub(super) fn close(&mut self) -> Vec<W> {
        self.nodes
            .iter_mut()
            .filter_map(|node| node.parked.take())
            .collect()
    }

    /// Whether a write was refused so far.
    pub(super) fn has_refused(&self) -> bool {
        self.refused
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
