//! An object for tests: bytes, some of which fail; requests end inline, later, in any order, as the
//! test says.

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, Exposed, Identity, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::{PacketPool, View};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// How a request with a bad byte ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// As a whole.
    Whole,
    /// At the first bad byte: what follows fails too.
    AtTheByte,
    /// Only the bad bytes fail.
    ByteByByte,
}

pub(crate) struct Faulty {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) bad: BTreeSet<u64>,
    pub(crate) ends: Ends,
    /// `Some`: requests are kept until the test serves them.
    held: Option<Mutex<Vec<Held>>>,
    /// The ranges that were asked for.
    pub(crate) asked: Mutex<Vec<Range<u64>>>,
    pub(crate) alignment: Alignment,
    /// The memory that is handed out.
    pub(crate) exposed: Option<Arc<[u8]>>,
    /// How many bytes were copied into, or out of, buffers.
    pub(crate) copied: Mutex<usize>,
    /// The addresses of the buffers of requests.
    pub(crate) addresses: Mutex<Vec<usize>>,
    pub(crate) pool: Option<PacketPool>,
}

enum Held {
    Read(u64, View<Read>),
    Write(u64, View<Write>),
}

impl Faulty {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: Mutex::new(bytes.into()),
            bad: BTreeSet::new(),
            ends: Ends::AtTheByte,
            held: None,
            asked: Mutex::default(),
            alignment: Alignment::NONE,
            exposed: None,
            copied: Mutex::new(0),
            addresses: Mutex::default(),
            pool: None,
        }
    }

    /// Bytes that count up.
    pub(crate) fn counting(len: usize) -> Self {
        Self::new((0..len).map(|i| i as u8).collect::<Vec<_>>())
    }

    pub(crate) fn bad(mut self, ends: Ends, bytes: impl IntoIterator<Item = u64>) -> Self {
        self.bad.extend(bytes);
        self.ends = ends;
        self
    }

    pub(crate) fn holding(mut self) -> Self {
        self.held = Some(Mutex::default());
        self
    }

    /// How many requests are kept.
    pub(crate) fn held(&self) -> usize {
        self.held
            .as_ref()
            .map_or(0, |held| held.lock().unwrap().len())
    }

    /// Serves one of the requests that are kept. Says whether there was one.
    pub(crate) fn serve(&self, which: usize) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        let mut held = held.lock().unwrap();
        if held.is_empty() {
            return false;
        }
        let which = which % held.len();
        let request = held.remove(which);
        drop(held);
        match request {
            Held::Read(pos, view) => self.read(pos, view),
            Held::Write(pos, view) => self.write(pos, view),
        }
        true
    }

    /// Cuts a view as bad bytes and the end of the data want it, and says which parts succeed.
    fn parts<D: mfio::io::Direction>(
        &self,
        pos: u64,
        view: View<D>,
    ) -> Vec<(u64, View<D>, Option<Cause>)> {
        let size = self.bytes.lock().unwrap().len() as u64;
        let inside = size.saturating_sub(pos).min(view.len() as u64) as usize;
        let (mut rest, beyond) = view.split_at(inside);
        let mut parts = Vec::new();
        let mut at = pos;
        let busy = Cause::new(ErrorKind::Busy);
        let eof = Cause::new(ErrorKind::UnexpectedEof);
        let first = self
            .bad
            .range(pos..pos.saturating_add(inside as u64))
            .next()
            .copied();
        match (self.ends, first) {
            (Ends::Whole, Some(_)) => {
                parts.push((at, rest, Some(busy)));
                parts.push((at, beyond, Some(busy)));
                return parts;
            }
            (Ends::AtTheByte, Some(bad)) => {
                let (good, failed) = rest.split_at((bad - pos) as usize);
                parts.push((at, good, None));
                parts.push((bad, failed, Some(busy)));
                parts.push((at, beyond, Some(busy)));
                return parts;
            }
            _ => {}
        }
        for &bad in self.bad.range(pos..pos.saturating_add(inside as u64)) {
            let (good, tail) = rest.split_at((bad - at) as usize);
            let (failed, tail) = tail.split_at(1);
            parts.push((at, good, None));
            parts.push((bad, failed, Some(busy)));
            (at, rest) = (bad + 1, tail);
        }
        parts.push((at, rest, None));
        parts.push((size, beyond, Some(eof)));
        parts
    }

    fn read(&self, pos: u64, view: View<Read>) {
        for (at, mut part, failed) in self.parts(pos, view) {
            match failed {
                Some(cause) if !part.is_empty() => {
                    // What fails may hold anything.
                    part.bytes_mut().fill(0xee);
                    part.fail(cause);
                }
                _ => {
                    let bytes = self.bytes.lock().unwrap();
                    let len = part.len();
                    let at = (at as usize).min(bytes.len());
                    part.bytes_mut().copy_from_slice(&bytes[at..][..len]);
                    drop(bytes);
                    *self.copied.lock().unwrap() += len;
                    part.done();
                }
            }
        }
    }

    fn write(&self, pos: u64, view: View<Write>) {
        for (at, part, failed) in self.parts(pos, view) {
            match failed {
                Some(cause) if !part.is_empty() => part.fail(cause),
                _ => {
                    let mut bytes = self.bytes.lock().unwrap();
                    let at = (at as usize).min(bytes.len());
                    bytes[at..][..part.len()].copy_from_slice(part.bytes());
                    drop(bytes);
                    *self.copied.lock().unwrap() += part.len();
                    part.done();
                }
            }
        }
    }

    fn note(&self, pos: u64, len: usize, address: usize) {
        self.asked
            .lock()
            .unwrap()
            .push(pos..pos.saturating_add(len as u64));
        self.addresses.lock().unwrap().push(address);
        let block = self.alignment.block() as u64;
        assert!(pos.is_multiple_of(block), "an unaligned position");
        assert!(
            address.is_multiple_of(self.alignment.memory()),
            "unaligned memory"
        );
    }
}

const IDENTITY: Identity<'static> = Identity {
    object: None,
    driver: Some("faulty"),
};

impl IoObject for Faulty {
    fn identity(&self) -> Identity<'_> {
        IDENTITY
    }

    fn pool(&self) -> Option<&PacketPool> {
        self.pool.as_ref()
    }

    fn alignment(&self, _: Operation) -> Alignment {
        self.alignment
    }
}

impl PacketIo<Read> for Faulty {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.note(pos, view.len(), view.as_mut_ptr().addr());
        assert!(view.len().is_multiple_of(self.alignment.block()));
        match &self.held {
            Some(held) => held.lock().unwrap().push(Held::Read(pos, view)),
            None => self.read(pos, view),
        }
    }

    fn expose(&self, pos: u64, len: usize) -> Option<Exposed> {
        let exposed = Exposed::from(self.exposed.clone()?);
        let start = usize::try_from(pos).unwrap_or(usize::MAX);
        let part = exposed.slice(start..start.saturating_add(len));
        (!part.is_empty()).then_some(part)
    }
}

impl PacketIo<Write> for Faulty {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.note(pos, view.len(), view.as_ptr().addr());
        match &self.held {
            Some(held) => held.lock().unwrap().push(Held::Write(pos, view)),
            None => self.write(pos, view),
        }
    }
}
