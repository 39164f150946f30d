//! Writes of zeros as control operations.

use super::{Later, Step, Witness};
use mfio::control::{ControlIo, ControlOp, Span, Unmap};
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::{OnEnd, Outcome, Relay, View};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// An object that carries out some writes as control operations that have the same effect.
pub struct Zeroing<Io> {
    pub io: Io,
    next: AtomicBool,
}

impl<Io> Zeroing<Io> {
    pub fn new(io: Io) -> Self {
        Self {
            io,
            next: AtomicBool::new(false),
        }
    }
}

impl<Io: IoObject> IoObject for Zeroing<Io> {
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&self.io)
    }
}

impl<Io: PacketIo<Read>> PacketIo<Read> for Zeroing<Io> {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.io.send_io(pos, view);
    }
}

impl<Io: PacketIo<Write> + ControlIo> PacketIo<Write> for Zeroing<Io> {
    fn send_io(&self, pos: u64, view: View<Write>) {
        if !self.next.swap(false, Relaxed) {
            return self.io.send_io(pos, view);
        }
        let span = Span::new(pos, view.len() as u64).unwrap();
        let control = Relay::new([0], Instead(view)).start::<Read>();
        let op = ControlOp::WriteZeroes(span, Unmap::Allowed);
        self.io.send_control(op, control);
    }
}

/// The write that a control operation stands for.
struct Instead(View<Write>);

impl OnEnd<[u8; 1]> for Instead {
    fn on_end(relay: Relay<[u8; 1], Self>, outcome: Outcome) {
        let (_, Self(view)) = relay.into_parts();
        match outcome.first_error() {
            None => view.done(),
            Some(cause) => view.fail(cause),
        }
    }
}

/// Plays `steps` as [`play`](super::play) does, with a third of the writes as zeros. With `fail`,
/// requests below fail.
pub fn play_with_zeroes<Io: PacketIo<Read> + PacketIo<Write> + ControlIo>(
    witness: &mut Witness<'_, Zeroing<Io>>,
    io: &Zeroing<Io>,
    below: &[&Later],
    size: usize,
    steps: Vec<Step>,
    fail: bool,
) -> Result<(), TestCaseError> {
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Read { pos, len } => witness.read(pos, len),
            Step::Write { pos, len, value } if value % 3 == 0 => {
                // Beyond the end it fails as a whole, so it stays within.
                let pos = pos.min(size);
                io.next.store(true, Relaxed);
                witness.write(pos, vec![0; len.min(size - pos)]);
            }
            Step::Write { pos, len, value } => {
                witness.write(pos, (0..len).map(|n| (value + n as u8) % 64).collect());
            }
            Step::Advance(which) => which.into_iter().for_each(|which| {
                below[which % below.len()].step(which / below.len());
            }),
            Step::Drop(which) => witness.drop_one(which),
            Step::Fail(..) => {}
        }
        if fail && n % 7 == 0 {
            below[n % below.len()].fail_next(0..3);
        }
        witness.look()?;
    }
    Ok(())
}
