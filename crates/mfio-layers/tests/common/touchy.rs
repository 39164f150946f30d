//! An object that panics by a script.
#![allow(unreachable_pub, reason = "it is a part of a test")]

use crate::objects::Bytes;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::View;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Pass,
    Fail,
    Hold,
    Panic,
}
use Act::{Fail, Hold, Panic, Pass};

enum Held {
    Read(u64, View<Read>),
    Write(u64, View<Write>),
}

/// An object that answers the next requests by a script, and lets those after them pass.
#[derive(Clone, Default)]
pub struct Touchy(pub Arc<State>);

#[derive(Default)]
pub struct State {
    bytes: Bytes,
    script: Mutex<VecDeque<Act>>,
    held: Mutex<Vec<Held>>,
    /// The number of the call of `alignment` that panics; 0: none.
    pub alignments: AtomicUsize,
}

impl Touchy {
    pub fn new() -> Self {
        let bytes = Bytes::new([7; 64]);
        Self(Arc::new(State {
            bytes,
            ..State::default()
        }))
    }

    pub fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.0.script.lock().unwrap().extend(acts);
    }

    /// Lets what is held pass.
    pub fn release(&self) {
        let held = std::mem::take(&mut *self.0.held.lock().unwrap());
        for held in held {
            match held {
                Held::Read(pos, view) => self.0.bytes.send_io(pos, view),
                Held::Write(pos, view) => self.0.bytes.send_io(pos, view),
            }
        }
    }

    fn act(&self) -> Act {
        self.0.script.lock().unwrap().pop_front().unwrap_or(Pass)
    }
}

impl IoObject for Touchy {
    fn alignment(&self, _: Operation) -> Alignment {
        let left = self.0.alignments.load(Relaxed);
        self.0.alignments.store(left.saturating_sub(1), Relaxed);
        assert!(left != 1, "an alignment panics");
        Alignment::NONE
    }
}

macro_rules! touchy {
    ($($direction:ident),*) => {$(
        impl PacketIo<$direction> for Touchy {
            fn send_io(&self, pos: u64, view: View<$direction>) {
                match self.act() {
                    Pass => self.0.bytes.send_io(pos, view),
                    Fail => view.fail(ErrorKind::Busy),
                    Hold => self.0.held.lock().unwrap().push(Held::$direction(pos, view)),
                    Panic => panic!("an object panics"),
                }
            }

            fn transfer_blocking(
                &self,
                pos: u64,
                bytes: <$direction as mfio::io::Direction>::Slice<'_>,
            ) -> Option<Result<usize, Cause>> {
                touchy!(@ $direction, self, pos, bytes);
                match self.act() {
                    Panic => panic!("an object panics"),
                    _ => Some(Ok(0)),
                }
            }
        }
    )*};
    (@ Read, $self:ident, $pos:ident, $bytes:ident) => {
        let _ = ($pos, $bytes);
    };
    (@ Write, $self:ident, $pos:ident, $bytes:ident) => {
        drop(crate::objects::write(&$self.0.bytes, $pos, $bytes));
    };
}
touchy!(Read, Write);
