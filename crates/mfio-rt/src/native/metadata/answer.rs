//! The answer of a metadata operation, on its way from the driver to the future.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use mfio::contain::contained;
use mfio::error::Cause;

use crate::native::lock::lock;

/// A slot for one answer, shared by the future that waits and the request that fills it.
#[derive(Debug)]
pub(crate) struct AnswerSlot<A> {
    state: Mutex<AnswerState<A>>,
    /// The future was dropped.
    abandoned: AtomicBool,
}

#[derive(Debug)]
enum AnswerState<A> {
    Waiting(Option<Waker>),
    Answered(Result<A, Cause>),
    Taken,
}

impl<A> AnswerSlot<A> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(AnswerState::Waiting(None)),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Stores the answer and wakes the future.
    pub(super) fn complete(&self, answer: Result<A, Cause>) {
        let before = std::mem::replace(&mut *lock(&self.state), AnswerState::Answered(answer));
        if let AnswerState::Waiting(Some(waker)) = before {
            contained(|| waker.wake());
        }
    }

    /// Takes the answer, or stores the waker for its arrival.
    ///
    /// # Panics
    ///
    /// When the answer was taken before.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<A, Cause>> {
        if let AnswerState::Waiting(Some(waker)) = &*lock(&self.state)
            && waker.will_wake(cx.waker())
        {
            return Poll::Pending;
        }
        // Cloned, and dropped, without the lock: both run code of the user's.
        let new = cx.waker().clone();
        let mut state = lock(&self.state);
        if let AnswerState::Waiting(waker) = &mut *state {
            let old = waker.replace(new);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let before = std::mem::replace(&mut *state, AnswerState::Taken);
        drop(state);
        match before {
            AnswerState::Answered(answer) => Poll::Ready(answer),
            _ => panic!("a future of mfio-rt was polled after it had completed"),
        }
    }

    /// Notes that the future was dropped.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }
}
