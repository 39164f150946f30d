//! Models of the waiters of a cursor: real packets and handles under loom. A lost wake-up is a
//! deadlock.

use super::Cursor;
use crate::io::{IoObject, PacketIo, Read, Write};
use crate::lock::Lock;
use crate::packet::View;
use core::task::{Context, Poll, Waker};
use loom::sync::Notify;
use std::sync::Arc;
use std::task::Wake;

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Keeps the write that was sent, until it is told to end it. Reads are answered at once, or kept
/// for ever.
struct Slow {
    write: Lock<Option<View<Write>>>,
    read: Lock<Option<View<Read>>>,
    keeps_reads: bool,
}

impl Slow {
    fn new(keeps_reads: bool) -> Self {
        Self {
            write: Lock::new(None),
            read: Lock::new(None),
            keeps_reads,
        }
    }

    fn end(&self) {
        let view = self.write.lock().take();
        view.expect("it was sent").done();
    }
}

impl IoObject for Slow {}

impl PacketIo<Write> for Slow {
    fn send_io(&self, _: u64, view: View<Write>) {
        let before = self.write.lock().replace(view);
        drop(before);
    }
}

impl PacketIo<Read> for Slow {
    fn send_io(&self, _: u64, view: View<Read>) {
        if self.keeps_reads {
            let before = self.read.lock().replace(view);
            drop(before);
        } else {
            view.done();
        }
    }
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn wait<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(output) = poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        bell.0.wait();
    }
}

/// A cursor with an accepted write that has not ended.
fn accepted() -> Cursor<Slow> {
    let mut cursor = Cursor::new(Slow::new(false));
    let accepted = cursor.poll_write(&mut Context::from_waker(Waker::noop()), b"x");
    assert!(matches!(accepted, Poll::Ready(Ok(1))));
    cursor
}

#[test]
fn an_end_is_not_lost_on_a_handle_that_begins_to_wait() {
    check(3, || {
        let mut cursor = accepted();
        let ends = cursor.clone();
        let thread = loom::thread::spawn(move || ends.get_ref().end());
        wait(|cx| cursor.poll_flush(cx)).expect("it was written");
        thread.join().expect("it ends");
    });
}

#[test]
fn handles_that_meet_are_both_served() {
    check(2, || {
        let mut cursor = accepted();
        let mut other = cursor.clone();
        let thread = loom::thread::spawn(move || {
            let read = wait(|cx| other.poll_read(cx, &mut [0]));
            assert_eq!(read.expect("it is read"), 1);
        });
        cursor.get_ref().end();
        wait(|cx| cursor.poll_flush(cx)).expect("it was written");
        thread.join().expect("it ends");
        assert_eq!(cursor.position(), 2);
    });
}

#[test]
fn a_look_that_changes_nothing_stalls_nobody() {
    check(3, || {
        let mut reads = Cursor::new(Slow::new(true));
        let mut writes = reads.clone();
        let thread = loom::thread::spawn(move || {
            // The read never ends; it is in nobody's way, and is thrown away by the write.
            let _ = reads.poll_read(&mut Context::from_waker(Waker::noop()), &mut [0]);
            reads
        });
        let accepted = wait(|cx| writes.poll_write(cx, b"x"));
        assert_eq!(accepted.expect("it is accepted"), 1);
        drop(thread.join().expect("it ends"));
        writes.get_ref().end();
    });
}
