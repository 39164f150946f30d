//! The state machine behind every integration: a backend's object, and a future that is driven along with it.

#![allow(
    clippy::multiple_bound_locations,
    reason = "pin-project-lite takes one bound inline"
)]

use super::{Integration, ReactorError, Registration};
use crate::backend::cell::ROUNDS;
use crate::backend::io_backend::IoBackend;
use crate::backend::polling::PollingHandle;
use crate::backend::reactor::ReactorTicket;
use crate::backend::shared::{TaskSeat, poll_shared};
use crate::backend::sharing::Sharing;
use crate::backend::with_backend::WithBackend;
use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use pin_project_lite::pin_project;

pin_project! {
    /// A future of an [`Integration`].
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
    pub(super) struct Driven<'a, I, B: ?Sized, F>
    where
        B: IoBackend,
    {
        object: &'a B,
        #[pin]
        state: State<'a, B::Backend, F>,
        integration: PhantomData<fn() -> I>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[project_replace = StateReplaced]
    enum State<'a, B: ?Sized, F> {
        Fresh { future: F },
        Shared { sharing: &'a Sharing, seat: Seat<'a>, #[pin] future: F },
        Exclusive { #[pin] both: WithBackend<'a, B, F>, registration: Option<Box<dyn Registration>> },
        Empty,
    }
}

/// Where a task on a shared backend waits.
enum Seat<'a> {
    Standing,
    Task(TaskSeat<'a>),
    Reactor(ReactorTicket<'a>),
}

impl<'a, I: Integration, B: IoBackend + ?Sized, F: Future> Driven<'a, I, B, F> {
    pub(super) fn new(object: &'a B, future: F) -> Self {
        Self {
            object,
            state: State::Fresh { future },
            integration: PhantomData,
        }
    }
}

impl<'a, I: Integration, B: IoBackend + ?Sized, F: Future> Future for Driven<'a, I, B, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let object: &'a B = this.object;
        if let StateProjection::Fresh { .. } = this.state.as_mut().project() {
            let StateReplaced::Fresh { future } = this.state.as_mut().project_replace(State::Empty)
            else {
                unreachable!("looked at just now");
            };
            let begun = begin::<I, B, F>(object, future);
            this.state.set(begun);
        }
        match this.state.project() {
            StateProjection::Shared {
                sharing,
                seat,
                future,
            } => {
                let ask = sharing.ask_after_poll();
                let seated = !matches!(seat, Seat::Standing);
                poll_shared(sharing, ask, seated, future, cx, |cx| {
                    sit::<I, B>(object, sharing, seat, cx)
                })
            }
            StateProjection::Exclusive { both, registration } => {
                poll_exclusive::<I, B, F>(object, both, registration, cx)
            }
            StateProjection::Fresh { .. } | StateProjection::Empty => {
                panic!("a future of an integration was polled after it panicked")
            }
        }
    }
}

fn begin<'a, I: Integration, B: IoBackend + ?Sized, F: Future>(
    object: &'a B,
    future: F,
) -> State<'a, B::Backend, F> {
    if let Some(sharing) = object.sharing() {
        return State::Shared {
            sharing,
            seat: Seat::Standing,
            future,
        };
    }
    let registration = object
        .polling_handle()
        .map(|handle| registered::<I>(&handle));
    State::Exclusive {
        both: WithBackend::new(object.get_backend(), future),
        registration,
    }
}

/// Tells one integration's registrations from another's: they may be of different reactors on one thread.
fn of<I: Integration>() -> usize {
    let register: fn(&PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> =
        I::register;
    register as usize
}

fn registered<I: Integration>(handle: &PollingHandle<'_>) -> Box<dyn Registration> {
    I::register(handle).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes sure that somebody will notice the next event.
fn sit<'a, I: Integration, B: IoBackend + ?Sized>(
    object: &'a B,
    sharing: &'a Sharing,
    seat: &mut Seat<'a>,
    cx: &mut Context<'_>,
) {
    let Some(handle) = object.polling_handle() else {
        if !matches!(seat, Seat::Task(_)) {
            *seat = Seat::Task(TaskSeat::new(sharing));
        }
        if let Seat::Task(seat) = seat {
            seat.sit(cx);
        }
        return;
    };
    let renewed = match seat {
        Seat::Reactor(ticket) if ticket.is_current() => ticket.renew(cx.waker(), handle.cur_flags),
        _ => {
            sharing.hub().set_handle_bell(&handle.waker);
            ReactorTicket::join(sharing, cx.waker(), handle.cur_flags, of::<I>(), || {
                I::register(&handle)
            })
            .map(|ticket| *seat = Seat::Reactor(ticket))
        }
    };
    if let Err(error) = renewed {
        panic!("{error}");
    }
}

fn poll_exclusive<I, B, F>(
    object: &B,
    mut both: Pin<&mut WithBackend<'_, B::Backend, F>>,
    registration: &mut Option<Box<dyn Registration>>,
    cx: &mut Context<'_>,
) -> Poll<F::Output>
where
    I: Integration,
    B: IoBackend + ?Sized,
    F: Future,
{
    for _ in 0..ROUNDS {
        if let Poll::Ready(output) = both.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        let Some(handle) = object.polling_handle() else {
            return Poll::Pending;
        };
        let registration = match &mut *registration {
            Some(registration) if registration.is_current() => registration,
            // The task has moved, and nobody may ever look at the reactor where it was.
            elsewhere => elsewhere.insert(registered::<I>(&handle)),
        };
        if let Err(error) = ready!(registration.poll_ready(handle.cur_flags, cx)) {
            panic!("{error}");
        }
    }
    // The handle is always ready: let the executor do something else in between.
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl fmt::Debug for Seat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standing => "Standing",
            Self::Task(_) => "Task",
            Self::Reactor(_) => "Reactor",
        })
    }
}
