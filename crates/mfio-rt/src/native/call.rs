//! The futures of operations that move no bytes.

use std::ffi::CString;
use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mfio::error::{Cause, Error, ErrorKind, Result};

use super::control::{Answer, Control, Request, Subject};
use super::file::File;
use super::object::Object;
use super::op::Op;
use super::owner::Owner;
use super::table::Key;
use crate::fs::OpenOptions;

/// A request on its way: sent at the first poll, cancelled when dropped before its end.
#[derive(Debug)]
struct Call {
    owner: Arc<Owner>,
    control: Arc<Control>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Unsent,
    Sent(Key),
    Over,
}

impl Call {
    fn new(owner: &Arc<Owner>, request: Request, subject: Subject) -> Self {
        Self {
            owner: owner.clone(),
            control: Control::new(request, subject),
            stage: Stage::Unsent,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Cause>> {
        // First the waker, then the request: the answer may come from another thread.
        let answer = self.control.poll(cx);
        if answer.is_ready() {
            self.stage = Stage::Over;
            return answer;
        }
        if matches!(self.stage, Stage::Unsent) {
            match self.owner.submit(Op::Control(self.control.clone())) {
                Ok(key) => self.stage = Stage::Sent(key),
                Err((op, cause)) => {
                    self.stage = Stage::Over;
                    drop(op);
                    return Poll::Ready(Err(cause));
                }
            }
        }
        Poll::Pending
    }

    fn error(&self, cause: Cause, operation: &'static str, object: &str) -> Error {
        let error = Error::new(cause, operation)
            .object(object)
            .driver(self.owner.driver_name());
        match self.owner.explain_driver(cause).or_else(|| help(cause)) {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Stage::Sent(key) = self.stage
            && self.control.is_optional()
        {
            self.control.abandon();
            self.owner.cancel(key);
        }
    }
}

/// What can be done about limits that were reached.
pub(super) fn help(cause: Cause) -> Option<&'static str> {
    match (cause.errno(), cause.kind()) {
        (Some(libc::EMFILE), _) => Some(
            "this process may not open more files: raise RLIMIT_NOFILE (`ulimit -n`), or close some",
        ),
        (Some(libc::ENFILE), _) => {
            Some("the system's limit of open files is reached (sysctl fs.file-max)")
        }
        (Some(libc::ENOMEM), _) => Some(
            "memory is missing: see the memory limit of the control group (memory.max), RLIMIT_AS (`ulimit -v`) and \
             RLIMIT_MEMLOCK (`ulimit -l`)",
        ),
        (None, ErrorKind::NotDriven) => Some(
            "`Builder::self_driving(false)` forbids the runtime to drive itself: spawn `Tokio::drive` or `AsyncIo::drive`, \
             or wait in `block_on`",
        ),
        (Some(_), ErrorKind::LimitReached) => Some(
            "nobody drives the runtime, and no thread could be started that does: raise the limit of threads (`ulimit -u`) or \
             of open files (`ulimit -n`), or spawn `Tokio::drive` or `AsyncIo::drive`",
        ),
        (None, ErrorKind::BackendGone) => {
            Some("the runtime has ended, or this process is a forked child of the one that made it")
        }
        _ => None,
    }
}

/// The future of [`NativeRt::open`](super::NativeRt::open).
///
/// Nothing happens before the first poll. Dropping it cancels the opening; a descriptor that comes all the same is closed.
#[must_use = "nothing is opened before this is awaited"]
pub struct OpenFile {
    call: Result<Call, Option<Error>>,
    path: Arc<Path>,
    options: OpenOptions,
}

impl OpenFile {
    pub(crate) fn new(owner: &Arc<Owner>, path: &Path, options: &OpenOptions) -> Self {
        let call =
            request(path, options).map(|request| Call::new(owner, request, Subject::Nothing));
        let call = call.map_err(|(cause, why)| {
            Some(
                Error::new(cause, "open")
                    .object(describe(path, options))
                    .driver(owner.driver_name())
                    .help(why),
            )
        });
        Self {
            call,
            path: path.into(),
            options: *options,
        }
    }
}

fn request(path: &Path, options: &OpenOptions) -> Result<Request, (Cause, &'static str)> {
    let flags = options.to_flags()?;
    let invalid = |_| {
        (
            Cause::from_errno(libc::EINVAL),
            "the path has a zero byte in it",
        )
    };
    let path = CString::new(path.as_os_str().as_bytes()).map_err(invalid)?;
    Ok(Request::Open {
        path,
        flags,
        mode: options.mode,
    })
}

fn describe(path: &Path, options: &OpenOptions) -> String {
    let chosen = [
        (options.read, "read"),
        (options.write, "write"),
        (options.append, "append"),
        (options.truncate, "truncate"),
        (options.create, "create"),
        (options.create_new, "create_new"),
        (options.direct, "direct"),
    ];
    let words: Vec<_> = chosen
        .iter()
        .filter(|(yes, _)| *yes)
        .map(|(_, word)| *word)
        .collect();
    let words = match words.is_empty() {
        true => "no access".into(),
        false => words.join(", "),
    };
    match path.as_os_str().is_empty() {
        true => format!("\"\" ({words})"),
        false => format!("{} ({words})", path.display()),
    }
}

impl Future for OpenFile {
    type Output = Result<File>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let call = match &mut this.call {
            Ok(call) => call,
            Err(error) => match error.take() {
                Some(error) => return Poll::Ready(Err(error)),
                None => panic!("a future of mfio-rt was polled after it had completed"),
            },
        };
        call.poll(cx).map(|answer| match answer {
            Ok(Answer::Opened(fd)) => {
                let object = Object::new(fd, Some(this.path.clone()));
                Ok(File::new(call.owner.clone(), object))
            }
            Ok(_) => unreachable!("an open is answered by a descriptor"),
            Err(cause) => Err(call.error(cause, "open", &describe(&this.path, &this.options))),
        })
    }
}

/// Defines a future around a [`Call`] on an open file.
macro_rules! file_call {
    ($(#[$doc:meta])* $name:ident -> $output:ty, $operation:expr, $answer:pat => $value:expr) => {
        $(#[$doc])*
        #[must_use = "nothing happens before this is awaited"]
        pub struct $name {
            call: Call,
            /// What the file is called, if it goes wrong.
            name: Name,
        }

        impl Future for $name {
            type Output = Result<$output>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = &mut *self;
                this.call.poll(cx).map(|answer| match answer {
                    Ok($answer) => Ok($value),
                    Ok(_) => unreachable!("the answer is of another kind than the request"),
                    Err(cause) => Err(this.call.error(cause, $operation, &this.name.get())),
                })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("call", &self.call).finish_non_exhaustive()
            }
        }
    };
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The name of a file that may be gone by the time it is needed.
#[derive(Debug)]
struct Name(Option<Arc<Path>>);

impl Name {
    fn of(object: &Object) -> Self {
        Self(object.path().cloned())
    }

    fn get(&self) -> String {
        self.0.as_ref().map_or_else(
            || "an unnamed descriptor".into(),
            |path| path.display().to_string(),
        )
    }
}

file_call! {
    /// The future of [`File::len`]. Dropping it forgets the question.
    FileLen -> u64, "length", Answer::Len(len) => len
}

file_call! {
    /// The future of [`File::sync_all`] and [`File::sync_data`]. Dropping it after the first poll leaves the sync under way.
    SyncFile -> (), "sync", Answer::Done => ()
}

impl FileLen {
    pub(crate) fn new(owner: &Arc<Owner>, object: &Arc<Object>) -> Self {
        Self {
            call: Call::new(owner, Request::Len, Subject::Object(object.clone())),
            name: Name::of(object),
        }
    }
}

impl SyncFile {
    pub(crate) fn new(owner: &Arc<Owner>, object: &Arc<Object>, data_only: bool) -> Self {
        let subject = Subject::Object(object.clone());
        Self {
            call: Call::new(owner, Request::Sync { data_only }, subject),
            name: Name::of(object),
        }
    }
}

/// The future of [`File::close`]. Dropping it closes all the same, without telling how that went.
#[must_use = "errors of the close are lost unless this is awaited"]
pub struct CloseFile {
    call: Result<Call, Option<Error>>,
    name: Name,
}

impl CloseFile {
    pub(crate) fn new(owner: &Arc<Owner>, name: Option<Arc<Path>>, fd: OwnedFd) -> Self {
        Self {
            call: Ok(Call::new(owner, Request::Close, Subject::Closing(fd))),
            name: Name(name),
        }
    }

    pub(crate) fn busy(error: Error) -> Self {
        Self {
            call: Err(Some(error)),
            name: Name(None),
        }
    }
}

impl Future for CloseFile {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let call = match &mut this.call {
            Ok(call) => call,
            Err(error) => match error.take() {
                Some(error) => return Poll::Ready(Err(error)),
                None => panic!("a future of mfio-rt was polled after it had completed"),
            },
        };
        call.poll(cx).map(|answer| match answer {
            Ok(_) => Ok(()),
            Err(cause) => Err(call.error(cause, "close", &this.name.get())),
        })
    }
}

impl fmt::Debug for CloseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseFile")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
