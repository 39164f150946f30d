//! [`LayerAlarm`]: the one alarm of a layer, however many requests wait in it.
//!
//! A layer adds a request with a deadline, and then calls [`LayerAlarm::arm_by`]. When the alarm
//! fires, the layer calls [`LayerAlarm::fired`], ends the requests that are due, and arms it for
//! the next deadline. So it fires no later than the first deadline, and sometimes without need.

use crate::clock::{Alarm, Clock, Timer};
use alloc::sync::Arc;
use core::time::Duration;
use mfio::lock::Lock;

pub(crate) struct LayerAlarm {
    clock: Arc<dyn Clock>,
    state: Lock<AlarmState>,
}

#[derive(Default)]
struct AlarmState {
    /// The time of the alarm that is armed, or is being armed.
    due: Option<Duration>,
    timer: Option<Timer>,
    closed: bool,
}

impl LayerAlarm {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Lock::new(AlarmState::default()),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Arms the alarm of `layer` to fire at `due` or before.
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
        // Otherwise it has fired, or an earlier one is armed, and this one fires without need.
    }

    /// Notes that the alarm fires, and returns the time.
    pub(crate) fn fired(&self) -> Duration {
        let now = self.now();
        let mut state = self.state.lock();
        // An alarm that fires without need leaves a later one armed; otherwise there would be more
        // and more of them.
        if state.due.is_some_and(|due| due <= now) {
            state.due = None;
            state.timer = None;
        }
        now
    }

    /// Cancels the alarm, as the layer is dropped, so that the clock does not keep it alive.
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
