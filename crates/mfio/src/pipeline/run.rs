//! Pipelines that take their requests from an iterator.

use super::{Completed, Pipeline, Request};
use crate::backend::{IoBackend, IoBackendExt};
use crate::io::{Direction, PacketIo, Position};
use crate::packet::BufferFor;
use core::fmt;
use core::future::{Future, poll_fn};
use core::iter::{Fuse, FusedIterator};
use core::pin::Pin;
use core::task::{Context, Poll};

mod sealed {
    use core::task::{Context, Poll};

    /// A source of results.
    pub trait Results {
        type Result;
        fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::Result>>;
    }
}
use sealed::Results;

impl<D, P, Io, B, T> Results for Pipeline<'_, D, P, Io, B, T>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    type Result = Completed<P, B, T>;

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::Result>> {
        self.poll_next(cx)
    }
}

impl<'a, D, P, Io, B, T> Pipeline<'a, D, P, Io, B, T>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    /// Waits for the next result; `None` if no request is in flight.
    #[expect(
        clippy::should_implement_trait,
        reason = "as streams have it, to be awaited"
    )]
    pub fn next(&mut self) -> Next<'_, Self> {
        Next(self)
    }

    /// Takes requests from an iterator as they fit the window, and returns the results.
    pub fn run<I>(self, requests: I) -> Run<Self, I::IntoIter, Request<P, B, T>>
    where
        I: IntoIterator,
        I::Item: Into<Request<P, B, T>>,
    {
        Run::new(self, requests.into_iter())
    }
}

/// The future of [`Pipeline::next`] and [`Run::next`]. Dropping it loses nothing.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Next<'a, S: ?Sized>(pub(super) &'a mut S);

impl<S: Results + ?Sized> Future for Next<'_, S> {
    type Output = Option<S::Result>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_result(cx)
    }
}

/// A pipeline with an iterator of requests, created by [`Pipeline::run`].
///
/// Asking for a result first sends as many requests as fit the window. It ends when the iterator
/// has ended and every result was returned.
///
/// With the feature `stream` it is a `Stream` of futures-core.
pub struct Run<S, I, R> {
    pipeline: S,
    requests: Fuse<I>,
    /// The next request, which did not fit the window.
    held: Option<R>,
}

impl<S, I: Iterator, R> Run<S, I, R> {
    pub(super) fn new(pipeline: S, requests: I) -> Self {
        Self {
            pipeline,
            requests: requests.fuse(),
            held: None,
        }
    }

    /// Returns the pipeline. Requests not yet sent stay in the iterator.
    pub fn pipeline(&self) -> &S {
        &self.pipeline
    }
}

// Neither iterator nor requests are ever pinned.
impl<S, I, R> Unpin for Run<S, I, R> {}

impl<'a, D, P, Io, B, T, I> Run<Pipeline<'a, D, P, Io, B, T>, I, Request<P, B, T>>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
    I: Iterator,
    I::Item: Into<Request<P, B, T>>,
{
    /// Waits for the next result; `None` after the last. Dropping the future loses nothing.
    #[expect(
        clippy::should_implement_trait,
        reason = "as streams have it, to be awaited"
    )]
    pub fn next(&mut self) -> Next<'_, Self> {
        Next(self)
    }

    /// Polls for the next result; `None` after the last.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completed<P, B, T>>> {
        self.fill();
        self.pipeline.poll_next(cx)
    }

    /// Sends as many requests as fit the window. Runs the iterator.
    fn fill(&mut self) {
        // The iterator runs only if a request could fit.
        while self.pipeline.has_room(0) {
            let request = match self.held.take() {
                Some(request) => request,
                None => match self.requests.next() {
                    Some(request) => request.into(),
                    None => return,
                },
            };
            if let Err(request) = self.pipeline.try_push(request) {
                self.held = Some(request);
                return;
            }
        }
    }
}

impl<'a, D, P, Io, B, T, I> Results for Run<Pipeline<'a, D, P, Io, B, T>, I, Request<P, B, T>>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
    I: Iterator,
    I::Item: Into<Request<P, B, T>>,
{
    type Result = Completed<P, B, T>;

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::Result>> {
        self.poll_next(cx)
    }
}

#[cfg(feature = "stream")]
impl<S, I, R> futures_core::Stream for Run<S, I, R>
where
    Self: Results,
{
    type Item = <Self as Results>::Result;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_result(cx)
    }
}

impl<S: fmt::Debug, I, R> fmt::Debug for Run<S, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}

type RunOf<'a, D, P, Io, B, T, I> = Run<Pipeline<'a, D, P, Io, B, T>, I, Request<P, B, T>>;

/// An iterator over results that blocks, for plain threads, created by
/// [`Blocking::read_pipeline`](crate::traits::Blocking::read_pipeline) and
/// [`Blocking::write_pipeline`](crate::traits::Blocking::write_pipeline).
///
/// Dropping it detaches the requests in flight.
pub struct BlockingRun<'a, D, P, Io, B, T, I>
where
    D: Direction,
    P: Position,
    Io: ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    io: &'a Io,
    run: RunOf<'a, D, P, Io, B, T, I>,
}

impl<'a, D, P, Io, B, T, I> BlockingRun<'a, D, P, Io, B, T, I>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
    I: Iterator,
    I::Item: Into<Request<P, B, T>>,
{
    pub(crate) fn new(io: &'a Io, pipeline: Pipeline<'a, D, P, Io, B, T>, requests: I) -> Self {
        Self {
            io,
            run: Run::new(pipeline, requests),
        }
    }
}

impl<D, P, Io, B, T, I> fmt::Debug for BlockingRun<'_, D, P, Io, B, T, I>
where
    D: Direction,
    P: Position,
    Io: ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingRun")
            .field(&self.run.pipeline)
            .finish()
    }
}

impl<D, P, Io, B, T, I> Iterator for BlockingRun<'_, D, P, Io, B, T, I>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
    I: Iterator,
    I::Item: Into<Request<P, B, T>>,
{
    type Item = Completed<P, B, T>;

    fn next(&mut self) -> Option<Self::Item> {
        // Outside the wait, so that the iterator may block.
        self.run.fill();
        let Self { io, run } = self;
        match run.pipeline.try_next() {
            None => io.block_on(poll_fn(|cx| run.pipeline.poll_next(cx))),
            some => some,
        }
    }
}

impl<D, P, Io, B, T, I> FusedIterator for BlockingRun<'_, D, P, Io, B, T, I>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
    B: BufferFor<D> + 'static,
    T: Send + 'static,
    I: Iterator,
    I::Item: Into<Request<P, B, T>>,
{
}
