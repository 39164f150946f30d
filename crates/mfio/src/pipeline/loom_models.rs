//! Models of the list of results: real pipelines under loom. A lost wake-up is a deadlock.

use super::{Pipeline, Window};
use crate::io::{IoObject, PacketIo, Read};
use crate::lock::Lock;
use crate::packet::View;
use core::task::{Context, Poll, Waker};
use loom::sync::Notify;
use std::sync::Arc;
use std::task::Wake;
use std::vec::Vec;

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Keeps the views sent to it.
struct Held(Lock<Vec<View<Read>>>);

impl IoObject for Held {}

impl PacketIo<Read> for Held {
    fn send_io(&self, _: u64, view: View<Read>) {
        self.0.lock().push(view);
    }
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Waits for the results of requests that complete on a thread each.
fn fetch(results: usize) {
    let io = Held(Lock::new(Vec::new()));
    let mut pipeline = Pipeline::new(&io, Window::new(results));
    for tag in 1..=results {
        assert!(pipeline.try_push((0u64, [0u8; 1], tag)).is_ok());
    }
    let views = core::mem::take(&mut *io.0.lock());
    let threads: Vec<_> = views
        .into_iter()
        .map(|view| loom::thread::spawn(|| view.done()))
        .collect();
    // One waker for all: see the models of packets.
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(bell.clone());
    let mut tags = Vec::new();
    loop {
        match pipeline.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(ended)) => tags.push(ended.tag),
            Poll::Ready(None) => break,
            Poll::Pending => bell.0.wait(),
        }
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
    tags.sort_unstable();
    assert!(tags.into_iter().eq(1..=results), "each result comes once");
}

#[test]
fn an_end_wakes_its_waiter() {
    check(3, || fetch(1));
}

#[test]
fn results_of_two_threads_come_once_each() {
    check(2, || fetch(2));
}

/// The data of a request is dropped with the pipeline or at completion, whichever is later.
#[test]
fn a_pipeline_that_goes_while_an_operation_ends_keeps_nothing() {
    check(3, || {
        let io = Held(Lock::new(Vec::new()));
        let mut pipeline = Pipeline::new(&io, Window::new(1));
        let alive = Arc::new(());
        assert!(pipeline.try_push((0u64, [0u8; 1], alive.clone())).is_ok());
        let view = io.0.lock().pop().expect("it was sent");
        let thread = loom::thread::spawn(|| view.done());
        drop(pipeline);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
