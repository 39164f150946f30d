//! `Trace` tells `tracing` of each request.
//!
//! The only test of its process: a thread without a subscriber that comes to a callsite first would
//! have tracing take it for one that interests nobody, until the next subscriber.
#![cfg(feature = "tracing")]

mod later;

use later::{Later, failures_of, read};
use mfio::memory::Memory;
use mfio::traits::BlockingIo;
use mfio_layers::Trace;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down what it is told.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    within: Mutex<Vec<u64>>,
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        *self.0 += &format!(" {field}={value:?}");
    }
}

struct Shared(Arc<Log>);

impl Subscriber for Shared {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut lines = self.0.lines.lock().unwrap();
        let id = lines.len() as u64 + 1;
        let parent = self.0.within.lock().unwrap().last().copied();
        let mut line = format!("{} {id} in {parent:?}:", span.metadata().name());
        span.record(&mut Text(&mut line));
        lines.push(line);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = format!("event in {:?}:", event.parent().map(Id::into_u64));
        event.record(&mut Text(&mut line));
        self.0.lines.lock().unwrap().push(line);
    }

    fn enter(&self, span: &Id) {
        self.0.within.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.within.lock().unwrap().pop();
    }
}

#[test]
fn a_request_is_a_span_and_its_end_an_event() {
    let log = Arc::new(Log::default());
    let inner = Later::new(vec![1; 8]);
    let time = Arc::new(AtomicU64::new(0));
    let moved = time.clone();
    let now = move || Duration::from_nanos(moved.load(Ordering::Relaxed));
    let io = Trace::with_now(Trace::with_now(inner.clone(), || Duration::ZERO), now);
    tracing::subscriber::with_default(Shared(log.clone()), || {
        let request = read(&io, 4, 8);
        time.store(5, Ordering::Relaxed);
        inner.finish();
        assert_eq!(failures_of(request).len(), 1);
    });
    let expected = [
        r#"request 1 in None: verb="read" pos=4 len=8"#,
        r#"request 2 in Some(1): verb="read" pos=4 len=8"#,
        "event in Some(2): message=ended took=0ns failed=4",
        "event in Some(1): message=ended took=5ns failed=4",
    ];
    assert_eq!(*log.lines.lock().unwrap(), expected);
    // Who listens hears of every request, however quick.
    let log = Arc::new(Log::default());
    tracing::subscriber::with_default(Shared(log.clone()), || {
        let io = Trace::new(Memory::new(vec![1; 8]));
        for _ in 0..100 {
            io.blocking().read_value_at::<u8>(0).unwrap();
        }
    });
    let lines = log.lines.lock().unwrap();
    let events = lines.iter().filter(|line| line.starts_with("event"));
    assert_eq!(events.count(), 100);
}
