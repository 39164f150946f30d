//! An object that does as it is told: it answers late, in part, or not at all.

use mfio::backend::*;
use mfio::control::{self, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, Error, ErrorKind};
use mfio::io::{Direction, Identity, IoObject, PacketIo, Read, Write};
use mfio::packet::View;
use mfio::traits::HasLen;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All of it, at once.
    Now,
    /// All of it, when the object is released.
    Late,
    /// So many bytes, when it is released; the others fail for this reason.
    Part(usize, ErrorKind),
    /// As `Part`, at once.
    PartNow(usize, ErrorKind),
}

enum Request {
    Read(u64, View<Read>, Answer),
    Write(u64, View<Write>, Answer),
    Control(View<Read>, Answer),
}

#[derive(Default)]
struct Inner {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    answers: VecDeque<Answer>,
    held: Vec<Request>,
    sent: Vec<(&'static str, u64, usize)>,
    appends: bool,
    knows_len: bool,
    syncs_at_once: bool,
}

/// A file of bytes that grows as it is written.
pub(crate) struct Scripted {
    inner: Arc<Mutex<Inner>>,
    backend: SharedBackend,
}

impl Scripted {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            bytes: bytes.into(),
            ..Inner::default()
        }));
        let held = inner.clone();
        let backend = poll_fn(move |_| {
            release(&held);
            Poll::Pending
        });
        Self {
            inner,
            backend: SharedBackend::new(backend),
        }
    }

    /// Puts every write at the end, as a file does that was opened for appending.
    pub(crate) fn appending(self) -> Self {
        self.inner.lock().unwrap().appends = true;
        self
    }

    /// Tells its length also on the spot.
    pub(crate) fn knowing_len(self) -> Self {
        self.inner.lock().unwrap().knows_len = true;
        self
    }

    /// Has a short cut for blocking syncs.
    pub(crate) fn syncing_at_once(self) -> Self {
        self.inner.lock().unwrap().syncs_at_once = true;
        self
    }

    /// Returns the bytes as of the last sync.
    pub(crate) fn synced(&self) -> Vec<u8> {
        self.inner.lock().unwrap().synced.clone()
    }

    /// Adds bytes behind the back of all cursors.
    pub(crate) fn grow(&self, bytes: &[u8]) {
        self.inner.lock().unwrap().bytes.extend_from_slice(bytes);
    }

    /// Changes a byte behind the back of all cursors.
    pub(crate) fn set(&self, pos: usize, byte: u8) {
        self.inner.lock().unwrap().bytes[pos] = byte;
    }

    fn end(&self) -> Option<u64> {
        let inner = self.inner.lock().unwrap();
        inner.appends.then_some(inner.bytes.len() as u64)
    }

    /// Sets the answers to the next requests; later ones are answered at once.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.lock().unwrap().answers.extend(answers);
    }

    /// Forgets answers for which nothing was asked.
    pub(crate) fn clear_answers(&self) {
        self.inner.lock().unwrap().answers.clear();
    }

    /// Answers what is waiting for that. Whether there was anything.
    pub(crate) fn release(&self) -> bool {
        release(&self.inner)
    }

    /// How many requests wait for being answered, of which nobody waits for the end.
    pub(crate) fn abandoned(&self) -> usize {
        let inner = self.inner.lock().unwrap();
        let gone = |request: &&Request| match request {
            Request::Read(_, view, _) => view.is_abandoned(),
            Request::Write(_, view, _) => view.is_abandoned(),
            Request::Control(view, _) => view.is_abandoned(),
        };
        inner.held.iter().filter(gone).count()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.inner.lock().unwrap().bytes.clone()
    }

    /// Returns the requests since the last call.
    pub(crate) fn sent(&self) -> Vec<(&'static str, u64, usize)> {
        std::mem::take(&mut self.inner.lock().unwrap().sent)
    }

    /// Polls `future`, and releases what it waits for, until it is ready.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        for _ in 0..100 {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            self.release();
        }
        panic!("it does not end");
    }

    fn send<D: Direction>(
        &self,
        pos: u64,
        view: View<D>,
        request: impl FnOnce(u64, View<D>, Answer) -> Request,
    ) {
        let answer = self.begin((D::VERB, pos, view.len()));
        self.answer_with(answer, request(pos, view, answer));
    }

    /// Takes note of a request. Returns the answer to it.
    fn begin(&self, sent: (&'static str, u64, usize)) -> Answer {
        let mut inner = self.inner.lock().unwrap();
        inner.sent.push(sent);
        inner.answers.pop_front().unwrap_or(Answer::Now)
    }

    fn answer_with(&self, answer: Answer, request: Request) {
        match answer {
            Answer::Late | Answer::Part(..) => self.inner.lock().unwrap().held.push(request),
            Answer::Now | Answer::PartNow(..) => request.serve(&self.inner),
        }
    }
}

fn release(inner: &Mutex<Inner>) -> bool {
    let held = std::mem::take(&mut inner.lock().unwrap().held);
    let any = !held.is_empty();
    held.into_iter().for_each(|request| request.serve(inner));
    any
}

impl Request {
    fn serve(self, inner: &Mutex<Inner>) {
        match self {
            Self::Read(pos, mut view, answer) => {
                let (limit, cause) = limit(answer, ErrorKind::UnexpectedEof);
                let n = {
                    let bytes = &inner.lock().unwrap().bytes;
                    let from = bytes.len().min(pos as usize);
                    let n = view.len().min(bytes.len() - from).min(limit);
                    view.bytes_mut()[..n].copy_from_slice(&bytes[from..from + n]);
                    n
                };
                let cause = if n < limit {
                    ErrorKind::UnexpectedEof.into()
                } else {
                    cause
                };
                view.done_prefix(n, cause);
            }
            Self::Write(pos, view, answer) => {
                let (limit, cause) = limit(answer, ErrorKind::Other);
                let n = view.len().min(limit);
                {
                    let inner = &mut *inner.lock().unwrap();
                    let pos = if inner.appends {
                        inner.bytes.len() as u64
                    } else {
                        pos
                    };
                    let bytes = &mut inner.bytes;
                    let end = pos as usize + n;
                    if n != 0 && bytes.len() < end {
                        bytes.resize(end, 0);
                    }
                    bytes[pos as usize..][..n].copy_from_slice(&view.bytes()[..n]);
                }
                view.done_prefix(n, cause);
            }
            Self::Control(view, answer) => match sync(inner, answer) {
                Ok(()) => view.done(),
                Err(cause) => view.fail(cause),
            },
        }
    }
}

fn sync(inner: &Mutex<Inner>, answer: Answer) -> Result<(), Cause> {
    let inner = &mut *inner.lock().unwrap();
    match answer {
        Answer::Now | Answer::Late => {
            inner.synced.clone_from(&inner.bytes);
            Ok(())
        }
        Answer::Part(_, kind) | Answer::PartNow(_, kind) => Err(kind.into()),
    }
}

fn limit(answer: Answer, otherwise: ErrorKind) -> (usize, Cause) {
    match answer {
        Answer::Now | Answer::Late => (usize::MAX, otherwise.into()),
        Answer::Part(n, kind) | Answer::PartNow(n, kind) => (n, kind.into()),
    }
}

impl IoObject for Scripted {
    fn identity(&self) -> Identity<'_> {
        Identity {
            object: Some("the script".into()),
            driver: None,
        }
    }

    fn appends_at(&self) -> Option<u64> {
        self.end()
    }

    fn len_now(&self) -> Option<u64> {
        let inner = self.inner.lock().unwrap();
        inner.knows_len.then_some(inner.bytes.len() as u64)
    }
}

impl PacketIo<Read> for Scripted {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.send(pos, view, Request::Read);
    }
}

impl PacketIo<Write> for Scripted {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.send(pos, view, Request::Write);
    }
}

impl ControlIo for Scripted {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let answer = self.begin((op.kind().name(), 0, 0));
        self.answer_with(answer, Request::Control(view, answer));
    }

    fn capabilities(&self) -> Capabilities {
        let kinds = [ControlKind::SyncData, ControlKind::SyncAll];
        kinds.into_iter().collect()
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        _: &mut control::Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let short_cut = self.inner.lock().unwrap().syncs_at_once;
        short_cut.then(|| sync(&self.inner, self.begin((op.kind().name(), 0, 0))))
    }
}

/// The length as of the first poll, told at the second.
pub(crate) struct Len {
    inner: Arc<Mutex<Inner>>,
    answer: Option<u64>,
}

impl Future for Len {
    type Output = Result<u64, Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = self.answer else {
            let len = self.inner.lock().unwrap().bytes.len();
            self.answer = Some(len as u64);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        Poll::Ready(Ok(answer))
    }
}

impl HasLen for Scripted {
    type Len = Len;

    fn io_len(&self) -> Len {
        Len {
            inner: self.inner.clone(),
            answer: None,
        }
    }
}

impl IoBackend for Scripted {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}
