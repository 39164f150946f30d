//! The future behind every integration: an object with a backend, and a future that is driven along
//! with it.

#![allow(
    clippy::multiple_bound_locations,
    reason = "pin-project-lite takes one bound inline"
)]

use crate::backend::drive::Rounds;
use crate::backend::io_backend::IoBackend;
use crate::backend::polling::PollingHandle;
use crate::backend::reactor::ReactorWaiter;
use crate::backend::registration::{Register, Registration};
use crate::backend::shared::poll_shared;
use crate::backend::shared_backend::SharedBackend;
use crate::backend::waiters::TaskWaiter;
use crate::backend::with_backend::WithBackend;
use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use pin_project_lite::pin_project;

pin_project! {
    /// A future of an [`Integration`](super::Integration).
    #[must_use = "futures do nothing unless polled"]
    pub struct Running<I, F> {
        #[pin]
        future: F,
        integration: PhantomData<fn() -> I>,
    }
}

impl<I, F> Running<I, F> {
    pub(super) fn new(future: F) -> Self {
        Self {
            future,
            integration: PhantomData,
        }
    }
}

impl<I, F: Future> Future for Running<I, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<I, F> fmt::Debug for Running<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

pin_project! {
    /// A future driven along with the backend of `object`.
    pub(super) struct Driven<'a, B: ?Sized, F>
    where
        B: IoBackend,
    {
        object: &'a B,
        #[pin]
        state: DrivenState<'a, B::Backend, F>,
        register: Register,
    }
}

pin_project! {
    #[project = StateProjection]
    #[project_replace = StateReplaced]
    enum DrivenState<'a, B: ?Sized, F> {
        Fresh { future: F },
        Shared {
            shared: &'a SharedBackend<B>,
            waiter: EventWaiter<'a>,
            #[pin]
            future: F,
        },
        Exclusive {
            #[pin]
            both: WithBackend<'a, B, F>,
            registration: Option<Box<dyn Registration>>,
        },
        Empty,
    }
}

/// The registration of a task on a shared backend for the next event.
enum EventWaiter<'a> {
    /// None: the task has not been polled yet.
    Unregistered,
    Task(TaskWaiter<'a>),
    Reactor(ReactorWaiter<'a>),
}

impl<'a, B: IoBackend + ?Sized, F: Future> Driven<'a, B, F> {
    /// Drives the backend of `object` along with `future`; `register` registers its handle with a
    /// reactor.
    pub(super) fn new(object: &'a B, future: F, register: Register) -> Self {
        Self {
            object,
            state: DrivenState::Fresh { future },
            register,
        }
    }
}

impl<B: IoBackend + ?Sized, F: Future> Future for Driven<'_, B, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let (object, register) = (*this.object, *this.register);
        if let StateProjection::Fresh { .. } = this.state.as_mut().project() {
            let replaced = this.state.as_mut().project_replace(DrivenState::Empty);
            let StateReplaced::Fresh { future } = replaced else {
                unreachable!("the state was looked at just now");
            };
            let begun = begin(object, future, register);
            this.state.set(begun);
        }
        match this.state.project() {
            StateProjection::Shared {
                shared,
                waiter,
                future,
            } => {
                let sharing = shared.sharing();
                let when = sharing.when_polled();
                let is_waiting = !matches!(waiter, EventWaiter::Unregistered);
                poll_shared(sharing, when, is_waiting, future, cx, |cx| {
                    wait(shared, waiter, register, cx)
                })
            }
            StateProjection::Exclusive { both, registration } => {
                poll_exclusive(object, both, registration, register, cx)
            }
            StateProjection::Fresh { .. } | StateProjection::Empty => {
                panic!("a future of an integration was polled after it panicked")
            }
        }
    }
}

fn begin<'a, B: IoBackend + ?Sized, F: Future>(
    object: &'a B,
    future: F,
    register: Register,
) -> DrivenState<'a, B::Backend, F> {
    if let Some(shared) = object.shared() {
        return DrivenState::Shared {
            shared,
            waiter: EventWaiter::Unregistered,
            future,
        };
    }
    let registration = object
        .polling_handle()
        .map(|handle| registered(register, &handle));
    DrivenState::Exclusive {
        both: WithBackend::new(object.get_backend(), future),
        registration,
    }
}

fn registered(register: Register, handle: &PollingHandle<'_>) -> Box<dyn Registration> {
    register(handle).unwrap_or_else(|error| panic!("{error}"))
}

/// Registers the task for the next event.
fn wait<'a, B: ?Sized>(
    shared: &'a SharedBackend<B>,
    waiter: &mut EventWaiter<'a>,
    register: Register,
    cx: &mut Context<'_>,
) {
    let sharing = shared.sharing();
    let Some(handle) = shared.polling_handle() else {
        if !matches!(waiter, EventWaiter::Task(_)) {
            *waiter = EventWaiter::Task(TaskWaiter::new(sharing.waiters()));
        }
        if let EventWaiter::Task(task) = waiter {
            task.wait(cx);
        }
        return;
    };
    let renewed = match waiter {
        EventWaiter::Reactor(task) if task.is_current() => task.renew(cx.waker(), handle.cur_flags),
        _ => {
            sharing.waiters().set_handle_waker(&handle.waker);
            ReactorWaiter::join(
                sharing.backend(),
                sharing.reactors(),
                cx.waker(),
                handle.cur_flags,
                register,
                || register(&handle),
            )
            .map(|task| *waiter = EventWaiter::Reactor(task))
        }
    };
    if let Err(error) = renewed {
        panic!("{error}");
    }
}

fn poll_exclusive<B, F>(
    object: &B,
    mut both: Pin<&mut WithBackend<'_, B::Backend, F>>,
    registration: &mut Option<Box<dyn Registration>>,
    register: Register,
    cx: &mut Context<'_>,
) -> Poll<F::Output>
where
    B: IoBackend + ?Sized,
    F: Future,
{
    let mut rounds = Rounds::new();
    while !rounds.are_spent() {
        if let Poll::Ready(output) = both.as_mut().poll_rounds(cx, &mut rounds) {
            return Poll::Ready(output);
        }
        let Some(handle) = object.polling_handle() else {
            return Poll::Pending;
        };
        let registration = match &mut *registration {
            Some(registration) if registration.is_current() => registration,
            // The task has moved to another reactor; the one where it was may not run any more.
            elsewhere => elsewhere.insert(registered(register, &handle)),
        };
        if let Err(error) = ready!(registration.poll_ready(handle.cur_flags, cx)) {
            panic!("{error}");
        }
    }
    // The handle is always ready: let the executor do something else in between.
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl fmt::Debug for EventWaiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unregistered => "Unregistered",
            Self::Task(_) => "Task",
            Self::Reactor(_) => "Reactor",
        })
    }
}
