//! Syncs: accepted bytes come first, and no failure is lost or returned twice.

use crate::adapters::{Adapter, Cursor, give_up, poll};
use crate::object::{Answer, Scripted};
use mfio::error::{Error, ErrorKind, Result};
use std::future::Future;
use std::io::SeekFrom;
use std::pin::pin;
use std::task::Poll;

/// The forms of a sync.
#[derive(Clone, Copy, Debug)]
enum Form {
    Async,
    Blocking,
    /// Without a packet.
    ShortCut,
}

impl Form {
    const ALL: [Self; 3] = [Self::Async, Self::Blocking, Self::ShortCut];

    fn object(self, bytes: &[u8]) -> Scripted {
        match self {
            Self::ShortCut => Scripted::new(bytes).syncing_at_once(),
            _ => Scripted::new(bytes),
        }
    }

    fn sync_all(self, io: &Scripted, cursor: &mut Cursor<'_>) -> Result<()> {
        match self {
            Self::Async => io.run(cursor.sync_all()),
            _ => cursor.clone().into_blocking().sync_all(),
        }
    }

    fn sync_data(self, io: &Scripted, cursor: &mut Cursor<'_>) -> Result<()> {
        match self {
            Self::Async => io.run(cursor.sync_data()),
            _ => cursor.clone().into_blocking().sync_data(),
        }
    }
}

fn accept(cursor: &mut Cursor<'_>, bytes: &[u8]) {
    let accepted = give_up(Adapter::Own.write(cursor, bytes)).expect("accepted at once");
    assert_eq!(accepted.unwrap(), bytes.len());
}

fn flush(io: &Scripted, adapter: Adapter, cursor: &mut Cursor<'_>) -> Result<()> {
    let flushed = io.run(adapter.flush(cursor));
    flushed.map_err(|error| error.downcast().expect("an error of ours"))
}

fn kind(result: Result<()>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_sync_covers_every_byte_that_was_accepted_before() {
    for form in Form::ALL {
        let io = form.object(b"......");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Late]);
        accept(&mut cursor, b"abc");
        form.sync_all(&io, &mut cursor).unwrap();
        assert_eq!(io.synced(), b"abc...", "{form:?}");
        io.answer([Answer::Late]);
        accept(&mut cursor, b"de");
        form.sync_data(&io, &mut cursor).unwrap();
        assert_eq!(io.synced(), b"abcde.", "{form:?}");
        let sent = io.sent();
        let names: Vec<_> = sent.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["write", "sync", "write", "data sync"]);
        assert_eq!(cursor.position(), 5);
    }
}

/// A write that was accepted by another handle counts, too.
#[test]
fn hazard_a_sync_that_succeeds_over_a_failed_write() {
    for form in Form::ALL {
        let io = form.object(b"......");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Part(1, ErrorKind::StorageFull)]);
        accept(&mut cursor.clone(), b"abc");
        let error = form.sync_all(&io, &mut cursor).unwrap_err();
        let told = (error.kind(), error.get_offset());
        assert_eq!(told, (ErrorKind::StorageFull, Some(1)), "{form:?}");
        assert_eq!(io.sent().len(), 1, "nothing is synced");
        form.sync_all(&io, &mut cursor).expect("told once");
        assert_eq!(io.synced(), b"a.....");
    }
}

/// A call that reports failures.
type Call<'a> = Box<dyn Fn(&Scripted, &mut Cursor<'_>) -> Result<()> + 'a>;

#[test]
fn hazard_the_failure_of_a_dropped_sync_that_no_call_reports() {
    let mut calls: Vec<Call<'_>> = Vec::new();
    for form in [Form::Async, Form::Blocking] {
        calls.push(Box::new(move |io, cursor| form.sync_all(io, cursor)));
    }
    for adapter in Adapter::ALL {
        calls.push(Box::new(move |io, cursor| flush(io, adapter, cursor)));
    }
    for (n, call) in calls.iter().enumerate() {
        let io = Scripted::new(*b"......");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Part(0, ErrorKind::Busy)]);
        assert!(give_up(cursor.sync_data()).is_none());
        // No other call is concerned.
        accept(&mut cursor, b"ab");
        assert_eq!(
            io.run(Adapter::Own.seek(&mut cursor, SeekFrom::Start(0)))
                .unwrap(),
            0
        );
        io.release();
        let mut other = cursor.clone();
        let error = call(&io, &mut other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "call {n}");
        assert_eq!(error.to_string(), "data sync the script failed: busy");
        call(&io, &mut cursor).expect("told once");
    }
}

#[test]
fn hazard_a_sync_that_takes_the_answer_of_an_older_one() {
    for form in [Form::Async, Form::Blocking] {
        let io = Scripted::new(*b"......");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Late]);
        assert!(give_up(cursor.sync_all()).is_none());
        io.release();
        accept(&mut cursor, b"abc");
        form.sync_all(&io, &mut cursor).unwrap();
        assert_eq!(io.synced(), b"abc...", "{form:?}");
        assert_eq!(io.sent().len(), 3);
    }
}

/// The data of each may be among what was lost.
#[test]
fn a_failed_sync_is_returned_by_every_call_that_waits() {
    let io = Scripted::new(*b"......");
    let (mut a, mut b, mut c) = {
        let cursor = Cursor::new(&io);
        (cursor.clone(), cursor.clone(), cursor)
    };
    io.answer([Answer::Part(0, ErrorKind::Busy)]);
    {
        let (mut first, mut second) = (pin!(a.sync_all()), pin!(b.sync_data()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(io.sent().len(), 1, "one at a time");
        io.release();
        let ended = |polled| match polled {
            Poll::Ready(result) => kind(result),
            Poll::Pending => panic!("it waits"),
        };
        assert_eq!(ended(poll(second)), ErrorKind::Busy);
        assert_eq!(ended(poll(first)), ErrorKind::Busy);
    }
    io.run(c.sync_all()).expect("told to those that waited");
    assert_eq!(io.sent().len(), 1);
}

#[test]
fn a_sync_that_has_ended_does_not_wait_for_a_later_one() {
    let io = Scripted::new(*b"......");
    let mut a = Cursor::new(&io);
    let mut b = a.clone();
    io.answer([Answer::Late, Answer::Late]);
    let (mut first, mut second) = (pin!(a.sync_all()), pin!(b.sync_all()));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    io.release();
    assert!(poll(second.as_mut()).is_pending());
    assert!(matches!(poll(first), Poll::Ready(Ok(()))));
    io.release();
    assert!(matches!(poll(second), Poll::Ready(Ok(()))));
}

#[test]
fn hazard_a_forgotten_sync_that_others_wait_for() {
    let io = Scripted::new(*b"......");
    let mut cursor = Cursor::new(&io);
    io.answer([Answer::Late]);
    let mut forgotten = cursor.clone();
    let mut sync = Box::pin(forgotten.sync_all());
    assert!(poll(sync.as_mut()).is_pending());
    std::mem::forget(sync);
    accept(&mut cursor, b"abc");
    io.run(cursor.sync_all()).unwrap();
    assert_eq!(io.synced(), b"abc...");
}

#[test]
fn reads_and_writes_do_not_wait_for_a_sync() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"abcdef");
        let mut cursor = Cursor::new(&io);
        let mut other = cursor.clone();
        io.answer([Answer::Late]);
        let mut sync = pin!(other.sync_all());
        assert!(poll(sync.as_mut()).is_pending());
        let mut byte = [0];
        let now = |future: Poll<std::io::Result<usize>>| match future {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending => panic!("it waits"),
        };
        assert_eq!(now(poll(pin!(adapter.read(&mut cursor, &mut byte)))), 1);
        assert_eq!(now(poll(pin!(adapter.write(&mut cursor, b"x")))), 1);
        assert_eq!(byte, *b"a");
        assert!(io.run(sync).is_ok());
    }
}

#[test]
fn a_cursor_that_is_dropped_detaches_its_sync() {
    let io = Scripted::new(*b"abcdef");
    let mut cursor = Cursor::new(&io);
    io.answer([Answer::Late]);
    assert!(give_up(cursor.sync_all()).is_none());
    assert_eq!(io.abandoned(), 0);
    drop(cursor);
    assert_eq!(io.abandoned(), 1);
    io.release();
    assert_eq!(io.synced(), b"abcdef");
}

#[test]
fn a_sync_can_be_spawned() {
    fn sends<F: Future<Output = Result<(), Error>> + Send>(_: F) {}
    let io = std::sync::Arc::new(mfio::memory::Memory::new([0; 4]));
    sends(mfio::cursor::Cursor::new(io).sync_all());
}
