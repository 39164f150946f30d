//! The end of a written stream.

use crate::adapters::{give_up, poll};
use mfio::backend::{DynBackend, IoBackend, SharedBackend};
use mfio::control::{Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::cursor::{BlockingByteStream, ByteStream};
use mfio::error::{Error, ErrorKind};
use mfio::io::{IoObject, NoPos, PacketIo, Read, Write};
use mfio::memory::{PipeReader, PipeWriter, pipe};
use mfio::packet::View;
use mfio::poller::block_on;
use std::future::poll_fn;
use std::io::Read as _;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, join};

type Side = tokio::io::Join<ByteStream<PipeReader>, ByteStream<PipeWriter>>;

/// A pair of pipes, as two sides that read and write.
fn pair(room: usize) -> (Side, Side) {
    let ((a_reads, b_writes), (b_reads, a_writes)) = (pipe(room), pipe(room));
    let side = |reads, writes| join(ByteStream::new(reads), ByteStream::new(writes));
    (side(a_reads, a_writes), side(b_reads, b_writes))
}

#[test]
fn copy_bidirectional_between_two_pairs_of_pipes_ends() {
    for room in [1, 7, 4096] {
        let (mut alice, mut left) = pair(room);
        let (mut right, mut bob) = pair(room);
        let (question, answer) = (vec![1; 1000], vec![2; 2000]);
        block_on(async {
            let asks = async {
                alice.write_all(&question).await.unwrap();
                alice.shutdown().await.unwrap();
                let mut all = Vec::new();
                alice.read_to_end(&mut all).await.unwrap();
                all
            };
            let answers = async {
                let mut all = Vec::new();
                bob.read_to_end(&mut all).await.unwrap();
                bob.write_all(&answer).await.unwrap();
                bob.shutdown().await.unwrap();
                all
            };
            let copies = copy_bidirectional(&mut left, &mut right);
            let (copied, asked, answered) = futures_util::join!(copies, asks, answers);
            assert_eq!(copied.unwrap(), (1000, 2000));
            assert!(asked == answer && answered == question);
        });
        // They ended though nothing was dropped.
        drop((alice, left, right, bob));
    }
}

/// The calls that end a stream.
#[derive(Clone, Copy, Debug)]
enum Form {
    Own,
    Tokio,
    Futures,
    Blocking,
}

impl Form {
    const ALL: [Self; 4] = [Self::Own, Self::Tokio, Self::Futures, Self::Blocking];

    async fn shutdown<Io>(self, stream: &mut ByteStream<&Io>) -> Result<(), Error>
    where
        Io: PacketIo<Write, NoPos> + ControlIo + IoBackend,
    {
        let ours = |error: std::io::Error| error.downcast::<Error>().expect("an error of ours");
        match self {
            Self::Own => poll_fn(|cx| stream.poll_shutdown(cx)).await,
            Self::Tokio => AsyncWriteExt::shutdown(stream).await.map_err(ours),
            Self::Futures => {
                let closed = futures_util::AsyncWriteExt::close(stream).await;
                closed.map_err(ours)
            }
            Self::Blocking => {
                let io = *stream.get_ref();
                let mut blocking = std::mem::replace(stream, ByteStream::new(io)).into_blocking();
                let ended = blocking.shutdown();
                *stream = blocking.into_async();
                ended
            }
        }
    }
}

#[test]
fn every_close_ends_the_stream_after_its_bytes() {
    for form in Form::ALL {
        let (reads, writes) = pipe(64);
        let mut stream = ByteStream::new(&writes);
        block_on(async {
            stream.write_all(b"last words").await.unwrap();
            form.shutdown(&mut stream).await.unwrap();
            form.shutdown(&mut stream).await.expect("it has ended");
            let error = stream.write_all(b"more").await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        });
        let mut text = String::new();
        let mut reads = BlockingByteStream::new(reads);
        reads.read_to_string(&mut text).unwrap();
        assert_eq!(text, "last words", "{form:?}");
    }
}

#[test]
fn hazard_a_stream_that_ends_before_its_accepted_bytes() {
    let (reads, writes) = pipe(4);
    let (mut reads, mut writes) = (ByteStream::new(reads), ByteStream::new(&writes));
    let accepted = give_up(poll_fn(|cx| {
        writes.poll_write(cx, b"more than there is room for")
    }));
    assert_eq!(accepted.unwrap().unwrap(), 27);
    assert!(give_up(poll_fn(|cx| writes.poll_shutdown(cx))).is_none());
    let mut text = String::new();
    block_on(async {
        let ended = poll_fn(|cx| writes.poll_shutdown(cx));
        let (ended, read) = futures_util::join!(ended, reads.read_to_string(&mut text));
        ended.unwrap();
        read.unwrap();
    });
    assert_eq!(text, "more than there is room for");
}

#[test]
fn hazard_a_shutdown_that_succeeds_over_a_failed_write() {
    for form in Form::ALL {
        let (reads, writes) = pipe(4);
        let mut stream = ByteStream::new(&writes);
        assert!(give_up(poll_fn(|cx| stream.poll_write(cx, b"abcdef"))).is_some());
        drop(reads);
        let error = block_on(form.shutdown(&mut stream)).unwrap_err();
        let told = (error.kind(), error.get_operation());
        assert_eq!(told, (ErrorKind::BrokenPipe, "write"), "{form:?}");
        block_on(form.shutdown(&mut stream)).expect("told once");
    }
}

/// A stream whose shutdowns are kept until they are answered.
struct Kept {
    able: bool,
    kept: Mutex<Vec<View<Read>>>,
    backend: SharedBackend,
}

impl Kept {
    fn new(able: bool) -> Self {
        Self {
            able,
            kept: Mutex::default(),
            backend: SharedBackend::new(std::future::pending()),
        }
    }

    fn answer(&self, answer: Result<(), ErrorKind>) {
        let mut kept = std::mem::take(&mut *self.kept.lock().unwrap());
        assert_eq!(kept.len(), 1, "sent once");
        let view = kept.remove(0);
        match answer {
            Ok(()) => view.done(),
            Err(kind) => view.fail(kind),
        }
    }
}

impl IoObject for Kept {}

impl PacketIo<Write, NoPos> for Kept {
    fn send_io(&self, _: NoPos, view: View<Write>) {
        view.done();
    }
}

impl ControlIo for Kept {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        assert_eq!(op, ControlOp::Shutdown);
        self.kept.lock().unwrap().push(view);
    }

    fn capabilities(&self) -> Capabilities {
        match self.able {
            true => Capabilities::NONE.with(ControlKind::Shutdown),
            false => Capabilities::NONE,
        }
    }
}

impl IoBackend for Kept {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

#[test]
fn hazard_the_failure_of_a_dropped_shutdown_that_is_lost_or_returned_twice() {
    for form in Form::ALL {
        let io = Kept::new(true);
        let mut stream = ByteStream::new(&io);
        assert!(give_up(poll_fn(|cx| stream.poll_shutdown(cx))).is_none());
        assert!(give_up(Form::Tokio.shutdown(&mut stream)).is_none());
        io.answer(Err(ErrorKind::Busy));
        let error = block_on(form.shutdown(&mut stream)).unwrap_err();
        assert_eq!(error.to_string(), "shutdown failed: busy", "{form:?}");
        // Told once; the next call tries again.
        {
            let mut again = pin!(Form::Own.shutdown(&mut stream));
            assert!(poll(again.as_mut()).is_pending());
            io.answer(Ok(()));
            assert!(matches!(poll(again), Poll::Ready(Ok(()))));
        }
        block_on(form.shutdown(&mut stream)).expect("it has ended");
    }
}

#[test]
fn a_stream_that_cannot_be_ended_is_flushed() {
    for form in Form::ALL {
        let io = Kept::new(false);
        let mut stream = ByteStream::new(&io);
        block_on(form.shutdown(&mut stream)).unwrap();
        // Layers may find out late.
        let io = Kept::new(true);
        let mut stream = ByteStream::new(&io);
        assert!(give_up(Form::Own.shutdown(&mut stream)).is_none());
        io.answer(Err(ErrorKind::NotSupported));
        block_on(form.shutdown(&mut stream)).unwrap();
    }
}

#[test]
fn a_stream_that_is_dropped_detaches_its_shutdown() {
    let io = Kept::new(true);
    let mut stream = ByteStream::new(&io);
    assert!(give_up(poll_fn(|cx| stream.poll_shutdown(cx))).is_none());
    let abandoned = || io.kept.lock().unwrap()[0].is_abandoned();
    assert!(!abandoned());
    drop(stream);
    assert!(abandoned());
    io.answer(Ok(()));
}
