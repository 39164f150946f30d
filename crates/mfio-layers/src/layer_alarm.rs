//! [`LayerAlarm`]: the one alarm of a layer, however many requests wait in it.
//!
//! Who adds something that is due says so ([`LayerAlarm::arm_by`]) after it was added; who is rung says so first
//! ([`LayerAlarm::fired`]), does what is due, and says when the next thing is. So the layer is rung no later than the first thing
//! is due, and sometimes for nothing.

use crate::clock::{Alarm, Clock, Timer};
use alloc::sync::Arc;
use core::time::Duration;
use mfio::lock::Lock;

pub(crate) struct LayerAlarm {
    clock: Arc<dyn Clock>,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// An alarm for this time is armed, or is being armed.
    due: Option<Duration>,
    timer: Option<Timer>,
    closed: bool,
}

impl LayerAlarm {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Lock::new(State::default()),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Sees to it that the layer is rung at that time, or before.
    pub(crate) fn arm_by<A: Alarm + 'static>(&self, due: Duration, layer: &Arc<A>) {
        let older = {
            let mut state = self.state.lock();
            if state.closed || state.due.is_some_and(|earlier| earlier <= due) {
                return;
            }
            state.due = Some(due);
            state.timer.take()
        };
        if let Some(older) = older {
            self.clock.cancel(older);
        }
        let timer = self.clock.arm(due, layer.clone());
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            self.clock.cancel(timer);
        } else if state.due == Some(due) && state.timer.is_none() {
            state.timer = Some(timer);
        }
        // Otherwise it has rung, or there is an earlier one: this one rings for nothing.
    }

    /// The layer is being rung. Returns the time.
    pub(crate) fn fired(&self) -> Duration {
        let now = self.now();
        let mut state = self.state.lock();
        // One that rings for nothing does not make the layer forget a later one, or there would be more and more of them.
        if state.due.is_some_and(|due| due <= now) {
            state.due = None;
            state.timer = None;
        }
        now
    }

    /// The layer goes: what is armed is cancelled, so that the clock does not keep the layer.
    pub(crate) fn close(&self) {
        let timer = {
            let mut state = self.state.lock();
            state.closed = true;
            state.timer.take()
        };
        if let Some(timer) = timer {
            self.clock.cancel(timer);
        }
    }
}
