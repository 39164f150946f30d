//! Objects without a backend, for tests that follow each request: everything ends within a call.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use mfio::error::ErrorKind;
use mfio::io::{Direction, IoObject, PacketIo, Read, Write};
use mfio::packet::{BufferFor, Ended, InFlight, Packet, View};
use std::sync::{Arc, Mutex};

/// A request: whether it is a read, the position, the length.
pub type Request = (bool, u64, usize);

/// Bytes that are read and written at once, and a log of how. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Bytes {
    pub bytes: Arc<Mutex<Vec<u8>>>,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Bytes {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: Arc::new(Mutex::new(bytes.into())),
            log: Arc::default(),
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// Returns the requests since the last call.
    pub fn log(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// Calls `f` with the bytes of the request that exist, and returns how many they are.
    fn clip(&self, request: Request, f: impl FnOnce(&mut [u8])) -> usize {
        self.log.lock().unwrap().push(request);
        let (_, pos, len) = request;
        let mut bytes = self.bytes.lock().unwrap();
        let start = usize::try_from(pos).unwrap().min(bytes.len());
        let end = (start + len).min(bytes.len());
        f(&mut bytes[start..end]);
        end - start
    }
}

impl IoObject for Bytes {}

impl PacketIo<Read> for Bytes {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        let len = view.len();
        let good = self.clip((true, pos, len), |there| {
            view.bytes_mut()[..there.len()].copy_from_slice(there);
        });
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }
}

impl PacketIo<Write> for Bytes {
    fn send_io(&self, pos: u64, view: View<Write>) {
        let len = view.len();
        let good = self.clip((false, pos, len), |there| {
            there.copy_from_slice(&view.bytes()[..there.len()]);
        });
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }
}

/// Sends a request that may end later.
pub fn send<D: Direction>(
    io: &impl PacketIo<D>,
    pos: u64,
    buffer: impl Into<Vec<u8>>,
) -> InFlight<Vec<u8>, D>
where
    Vec<u8>: BufferFor<D>,
{
    let (in_flight, view) = Packet::new(buffer.into()).start::<D>();
    io.send_io(pos, view);
    in_flight
}

/// Returns the result of a request that must have ended.
pub fn ended<D: Direction>(in_flight: InFlight<Vec<u8>, D>) -> Ended<Vec<u8>>
where
    Vec<u8>: BufferFor<D>,
{
    in_flight.try_end().expect("it has ended")
}

/// Reads what must end at once.
pub fn read(io: &impl PacketIo<Read>, pos: u64, len: usize) -> Ended<Vec<u8>> {
    ended(send::<Read>(io, pos, vec![0; len]))
}

/// Writes what must end at once.
pub fn write(io: &impl PacketIo<Write>, pos: u64, bytes: &[u8]) -> Ended<Vec<u8>> {
    ended(send::<Write>(io, pos, bytes))
}

/// The failed ranges, with the reasons.
pub fn failures(ended: &Ended<Vec<u8>>) -> Vec<(usize, usize, ErrorKind)> {
    ended
        .outcome
        .failures()
        .map(|f| (f.offset, f.len, f.cause.kind()))
        .collect()
}
