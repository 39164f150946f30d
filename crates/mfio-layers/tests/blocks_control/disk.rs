//! A disk of whole blocks, and what is asked of it.

use mfio::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Span, answer_with,
};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{InFlight, Packet, View};
use mfio_layers::Blocks;
use std::sync::{Arc, Mutex};

pub(crate) const BLOCK: usize = 16;

/// Memory that takes whole blocks only, and a log of its control operations.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) memory: Arc<Memory>,
    pub(crate) log: Arc<Mutex<Vec<ControlOp>>>,
    pub(crate) supported: Capabilities,
}

impl Disk {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            memory: Arc::new(Memory::new(bytes.into())),
            log: Arc::default(),
            supported: ControlKind::ALL.iter().copied().collect(),
        }
    }

    pub(crate) fn log(&self) -> Vec<ControlOp> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn note(&self, op: ControlOp) {
        if let (Some(span), false) = (op.span(), matches!(op, ControlOp::Extents(_))) {
            let edges = span.start() | span.end();
            assert!(
                edges.is_multiple_of(BLOCK as u64) || span.end() == u64::MAX,
                "{op:?}"
            );
        }
        self.log.lock().unwrap().push(op);
    }

    /// The bytes 16 to 32 and 64 to 80 are holes, with data before, between and behind.
    fn extents(&self, span: Span, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let len = Memory::len(&self.memory) as u64;
        let edges = [0, 16, 32, 64, 80, len];
        let kinds = [ExtentKind::Data, ExtentKind::Hole];
        let runs = edges.windows(2).zip(kinds.into_iter().cycle());
        let clipped = |edges: &[u64]| Span::from(edges[0]..edges[1]).starting_at(span.start());
        answer.extents(span, runs.map(|(edges, kind)| (clipped(edges).len(), kind)))
    }
}

impl IoObject for Disk {
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&*self.memory)
    }

    fn alignment(&self, _: Operation) -> Alignment {
        Alignment::new(1, BLOCK)
    }
}

macro_rules! transfers {
    ($($direction:ident),*) => {$(
        impl PacketIo<$direction> for Disk {
            fn send_io(&self, pos: u64, view: View<$direction>) {
                assert!((pos as usize | view.len()).is_multiple_of(BLOCK));
                self.memory.send_io(pos, view);
            }
        }
    )*};
}
transfers!(Read, Write);

impl ControlIo for Disk {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        if !self.supported.supports(op) {
            return view.fail(ErrorKind::NotSupported);
        }
        self.note(op);
        match op {
            ControlOp::Shutdown => view.done(),
            ControlOp::Extents(span) => answer_with(view, |answer| self.extents(span, answer)),
            op => self.memory.send_control(op, view),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.supported
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        if op.span().is_some_and(|span| span.is_empty()) {
            return Some(Ok(()));
        }
        self.note(op);
        self.memory.control_blocking(op, answer)
    }
}

impl<Handle: mfio::backend::Pollable> mfio::backend::IoBackend<Handle> for Disk
where
    Memory: mfio::backend::IoBackend<Handle>,
{
    type Backend = <Memory as mfio::backend::IoBackend<Handle>>::Backend;

    fn polling_handle(&self) -> Option<mfio::backend::PollingHandle<'_, Handle>> {
        mfio::backend::IoBackend::polling_handle(&*self.memory)
    }

    fn get_backend(&self) -> mfio::backend::BackendHandle<'_, Self::Backend> {
        mfio::backend::IoBackend::get_backend(&*self.memory)
    }

    fn shared(&self) -> Option<&mfio::backend::SharedBackend<Self::Backend, Handle>> {
        mfio::backend::IoBackend::shared(&*self.memory)
    }
}

pub(crate) fn blocks<Io: IoObject>(io: Io) -> Blocks<Io> {
    Blocks::with_block(io, BLOCK).unwrap()
}

/// Sends an operation without an answer.
pub(crate) fn send(io: &impl ControlIo, op: ControlOp) -> InFlight<[u8; 1], Read> {
    let (in_flight, view) = Packet::new([0]).start::<Read>();
    io.send_control(op, view);
    in_flight
}

/// Returns the failure of an operation that must have ended.
pub(crate) fn failed(in_flight: InFlight<[u8; 1], Read>) -> Option<ErrorKind> {
    let ended = in_flight.try_end().expect("it has ended");
    ended.outcome.first_error().map(|cause| cause.kind())
}
