//! [`Fault`]: failures by a script, for tests.

mod control;
mod rule;

use crate::clock::{Alarm, Clock};
use crate::deferred::Deferred;
use crate::directions::{DirectionExt, impl_packet_io};
use crate::forward::{forward_backend, forward_len, forward_object};
use crate::queued::{QueuedRequest, Resume};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use mfio::control::{ControlIo, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{PacketIo, Position, Read};
use mfio::lock::Lock;
use mfio::packet::View;
use rule::Action;

pub use rule::Rule;

/// Fails, shortens, delays or holds requests, by a script of [`Rule`]s. It is deterministic, if the
/// requests come in the same order.
///
/// Rules apply in their order. The first one that hits a request affects the part within its range;
/// the parts before and behind go to the next rules, and parts that no rule hits to the object. So
/// a failure has exactly the range of its rule. The [`FaultHandle`] counts the hits, so that a test
/// can check that there were any, and releases the requests that are held.
///
/// When the layer is dropped, requests that it holds or delays fail with [`ErrorKind::Dropped`].
/// The backend of the object drives the layer too. There is no short cut for blocking calls, which
/// would miss the faults.
///
/// # Control operations
/// Rules hit them as they hit transfers, but as a whole: the view of an operation cannot be split.
/// An operation that no rule hits is passed on as it is.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | hit by rules without a range |
/// | `Discard`, `WriteZeroes`, `Allocate` | hit by rules without a range, or that touch its range |
/// | `Extents`, `Prefetch` | hit by rules without a range, or whose range it touches |
/// | `SetLen`, `Len`, `Shutdown` | hit by rules without a range |
/// | any with an empty range | hit by no rule |
/// | not supported by the object | hit by rules as well; otherwise fails as the object does |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::error::ErrorKind;
/// use mfio::memory::Memory;
/// use mfio::packet::Packet;
/// use mfio::traits::IoRead;
/// use mfio_layers::{Fault, Rule};
///
/// let io: Fault<_> = Fault::new(
///     Memory::new(vec![7; 16]),
///     [Rule::fail(ErrorKind::Busy).within(4..6).every(2)],
/// );
/// let handle = io.handle();
///
/// assert!(io.block_on(io.read_vec_at(0, 8)).is_ok());
/// let ended = io.block_on(io.read_packet_at(Packet::new([0; 8]), 0));
/// let failed: Vec<_> = ended.outcome.failures().map(|f| (f.offset, f.len)).collect();
/// assert_eq!(failed, [(4, 2)]);
/// assert_eq!((handle.seen(0), handle.hits(0)), (2, 1));
/// ```
pub struct Fault<Io, P: Position = u64> {
    inner: Arc<Io>,
    shared: Arc<FaultShared<Io, P>>,
}

/// The part that requests keep while they wait. It does not own the object.
struct FaultShared<Io, P: Position> {
    inner: Weak<Io>,
    rules: Vec<Rule>,
    deferred: Option<Deferred<HeldRequest<Io, P>>>,
    state: Lock<FaultState<HeldRequest<Io, P>>>,
}

type HeldRequest<Io, P> = QueuedRequest<FaultShared<Io, P>, P>;

struct FaultState<W> {
    /// One for each rule.
    counts: Vec<Count>,
    held: VecDeque<W>,
    closed: bool,
}

#[derive(Clone, Copy, Default)]
struct Count {
    seen: u64,
    hits: u64,
}

impl<Io, P: Position> Fault<Io, P> {
    /// Applies rules to the requests for `inner`.
    ///
    /// # Panics
    /// If a rule delays, which needs a [clock](Self::with_clock).
    pub fn new(inner: Io, rules: impl IntoIterator<Item = Rule>) -> Self {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let delays = rules.iter().any(|r| matches!(r.action, Action::Delay(_)));
        assert!(!delays, "a rule that delays needs `Fault::with_clock`");
        Self::assemble(inner, rules, None)
    }

    /// Applies rules to the requests for `inner`, with delays measured by `clock`.
    pub fn with_clock(inner: Io, rules: impl IntoIterator<Item = Rule>, clock: impl Clock) -> Self {
        Self::assemble(
            inner,
            rules.into_iter().collect(),
            Some(Deferred::new(Arc::new(clock))),
        )
    }

    fn assemble(
        inner: Io,
        rules: Vec<Rule>,
        deferred: Option<Deferred<HeldRequest<Io, P>>>,
    ) -> Self {
        let inner = Arc::new(inner);
        let shared = FaultShared {
            inner: Arc::downgrade(&inner),
            state: Lock::new(FaultState {
                counts: rules.iter().map(|_| Count::default()).collect(),
                held: VecDeque::new(),
                closed: false,
            }),
            rules,
            deferred,
        };
        Self {
            inner,
            shared: Arc::new(shared),
        }
    }

    /// Returns the object.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    fn send_on<D: DirectionExt>(&self, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        self.shared.apply(&self.inner, 0, pos, view);
    }
}

impl<Io: Send + Sync + 'static, P: Position> Fault<Io, P> {
    /// Returns a handle for a test to keep, which the layer may outlive or not.
    pub fn handle(&self) -> FaultHandle {
        FaultHandle(self.shared.clone())
    }
}

impl<Io, P: Position> FaultShared<Io, P> {
    /// Applies the rules from `first` on. Calls nest no deeper than there are rules.
    fn apply<D: DirectionExt>(self: &Arc<Self>, io: &Io, first: usize, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        for index in first..self.rules.len() {
            let part = self.rules[index].part(D::READS, pos.offset(), view.len());
            let Some(part) = part.filter(|_| self.count_request(index)) else {
                continue;
            };
            let (mut pos, mut view, mut end) = (pos, view, part.end);
            if part.start > 0 {
                let (head, rest) = view.split_at(part.start);
                self.apply(io, index + 1, pos, head);
                let Some(next) = pos.advance(part.start) else {
                    return rest.fail(ErrorKind::UnexpectedEof);
                };
                (pos, view, end) = (next, rest, part.len());
            }
            if end < view.len() {
                let (hit, tail) = view.split_at(end);
                match pos.advance(end) {
                    Some(next) => self.apply(io, index + 1, next, tail),
                    None => tail.fail(ErrorKind::UnexpectedEof),
                }
                view = hit;
            }
            return self.hit(io, self.rules[index].action, pos, view);
        }
        io.send_io(pos, view);
    }

    /// Counts a request for a rule. Returns whether the rule hits it.
    fn count_request(&self, index: usize) -> bool {
        let count = &mut self.state.lock().counts[index];
        count.seen += 1;
        let hits = self.rules[index].hits(count.seen, count.hits);
        count.hits += u64::from(hits);
        hits
    }

    fn hit<D: DirectionExt>(self: &Arc<Self>, io: &Io, action: Action, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        match action {
            Action::Fail(cause) => view.fail(cause),
            Action::Drop => drop(view),
            Action::Short(bytes) => {
                if bytes >= view.len() {
                    return io.send_io(pos, view);
                }
                let (good, cut) = view.split_at(bytes);
                if bytes > 0 {
                    io.send_io(pos, good);
                }
                cut.fail(Rule::cut(D::READS));
            }
            Action::Delay(by) => self.delay(by, QueuedRequest::new(pos, view, ())),
            Action::Hold => self.hold(QueuedRequest::new(pos, view, ())),
        }
    }

    /// Applies the rules to a control operation. The first one that hits it affects all of it.
    fn apply_control(self: &Arc<Self>, io: &Io, op: ControlOp, view: View<Read>)
    where
        Io: ControlIo + Send + Sync + 'static,
    {
        let hits = |index: &usize| self.rules[*index].looks_at(op) && self.count_request(*index);
        let hit = match op.is_empty() {
            true => None,
            false => (0..self.rules.len()).find(hits),
        };
        match hit.map(|index| self.rules[index].action) {
            None | Some(Action::Short(_)) => io.send_control(op, view),
            Some(Action::Fail(cause)) => view.fail(cause),
            Some(Action::Drop) => drop(view),
            Some(Action::Delay(by)) => self.delay(by, QueuedRequest::control(op, view, ())),
            Some(Action::Hold) => self.hold(QueuedRequest::control(op, view, ())),
        }
    }

    fn delay(self: &Arc<Self>, by: Duration, waiting: HeldRequest<Io, P>)
    where
        Io: Send + Sync + 'static,
    {
        if let Some(deferred) = &self.deferred {
            drop(deferred.keep(by, waiting, self));
        }
    }

    fn hold(&self, waiting: HeldRequest<Io, P>) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            drop(waiting);
        } else {
            state.held.push_back(waiting);
        }
    }
}

impl<D, P, Io> Resume<D, P, ()> for FaultShared<Io, P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, (): ()) {
        if let Some(io) = self.inner.upgrade() {
            io.send_io(pos, view);
        }
    }
}

impl<Io: Send + Sync + 'static, P: Position> Alarm for FaultShared<Io, P> {
    fn fire(self: Arc<Self>) {
        if let Some(deferred) = &self.deferred {
            deferred.due(&self, |waiting| waiting.resume(&self));
        }
    }
}

impl<Io, P: Position> Drop for Fault<Io, P> {
    fn drop(&mut self) {
        if let Some(deferred) = &self.shared.deferred {
            deferred.close(drop);
        }
        let held = {
            let mut state = self.shared.state.lock();
            state.closed = true;
            core::mem::take(&mut state.held)
        };
        drop(held);
    }
}

impl_packet_io!(Fault<Io, P>);

forward_object!([Io, P: Position] Fault<Io, P>, Io, |layer| &*layer.inner);
forward_backend!([Io, P: Position] Fault<Io, P>, Io, |layer| &layer.inner);
forward_len!([Io, P: Position] Fault<Io, P>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug, P: Position> fmt::Debug for Fault<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("inner", &self.inner)
            .field("rules", &self.shared.rules)
            .finish_non_exhaustive()
    }
}

/// Observes a [`Fault`], and releases the requests that it holds. Keeps neither the layer nor the
/// object alive.
#[derive(Clone)]
pub struct FaultHandle(Arc<dyn Control + Send + Sync>);

trait Control {
    fn count(&self, rule: usize) -> Option<Count>;
    fn held(&self) -> usize;
    /// Fails the request that is held longest, or lets it continue. Returns whether there was one.
    fn release(self: Arc<Self>, fail: Option<Cause>) -> bool;
}

impl<Io: Send + Sync + 'static, P: Position> Control for FaultShared<Io, P> {
    fn count(&self, rule: usize) -> Option<Count> {
        self.state.lock().counts.get(rule).copied()
    }

    fn held(&self) -> usize {
        self.state.lock().held.len()
    }

    fn release(self: Arc<Self>, fail: Option<Cause>) -> bool {
        // Takes the lock for this line only.
        let first = self.state.lock().held.pop_front();
        let released = first.is_some();
        match (first, fail) {
            (Some(waiting), Some(cause)) => waiting.view.fail(cause),
            (Some(waiting), None) => waiting.resume(&self),
            (None, _) => {}
        }
        released
    }
}

impl FaultHandle {
    /// Returns how many requests a rule has hit. `rule` is its index in the script.
    ///
    /// # Panics
    /// If there is no such rule.
    pub fn hits(&self, rule: usize) -> u64 {
        self.0.count(rule).expect("there is such a rule").hits
    }

    /// Returns how many requests a rule has looked at, hit or not.
    ///
    /// # Panics
    /// If there is no such rule.
    pub fn seen(&self, rule: usize) -> u64 {
        self.0.count(rule).expect("there is such a rule").seen
    }

    /// Returns how many requests are held.
    pub fn held(&self) -> usize {
        self.0.held()
    }

    /// Lets the request that is held longest continue. Returns whether there was one.
    pub fn release(&self) -> bool {
        self.0.clone().release(None)
    }

    /// Lets all requests continue that are held now, in their order. Returns how many.
    pub fn release_all(&self) -> usize {
        (0..self.held()).take_while(|_| self.release()).count()
    }

    /// Fails the request that is held longest. Returns whether there was one.
    pub fn fail(&self, cause: impl Into<Cause>) -> bool {
        self.0.clone().release(Some(cause.into()))
    }
}

impl fmt::Debug for FaultHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultHandle")
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}
