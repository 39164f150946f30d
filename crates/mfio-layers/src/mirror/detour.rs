//! Reads of what a replica lacks within a block, from another that takes whole blocks only: into memory of the layer's own.

use super::{Core, Reading};
use mfio::error::ErrorKind;
use mfio::io::{Alignment, PacketIo, Position, Read};
use mfio::packet::{AlignedBuf, OnEnd, Outcome, Relay, View};

/// Whether an object takes a part of a request as it is.
fn suits<P: Position>(pos: P, view: &mut View<Read>, alignment: Alignment) -> bool {
    let start = pos.offset().unwrap_or_default();
    alignment.excess(start) == 0
        && alignment.round_down(view.len()) == view.len()
        && view
            .bytes_mut()
            .as_ptr()
            .addr()
            .is_multiple_of(alignment.memory())
}

/// What is asked for, and what is to be done with the answer.
struct Detour<Io, P: Position> {
    view: View<Read>,
    /// Where its bytes are in the memory.
    within: usize,
    reading: Reading<Io, P>,
}

impl<Io, P> Reading<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    /// Sends a part of a request, so many bytes behind the start of that: as it is, or the blocks around it where the object
    /// would refuse that.
    pub(super) fn send_again(
        mut self,
        core: &Core<Io, P>,
        objects: &[Io],
        (start, offset): (P, usize),
        mut view: View<Read>,
    ) {
        let alignment = objects[self.replica].alignment();
        // What was refused is not made to fit.
        let refused = self
            .cause
            .is_some_and(|cause| cause.kind() == ErrorKind::InvalidInput);
        if refused || suits(self.pos, &mut view, alignment) {
            return self.send(core, objects, view);
        }
        let number = self.pos.offset();
        let within = number.map_or(0, |number| alignment.excess(number));
        match offset
            .checked_sub(within)
            .and_then(|offset| start.advance(offset))
        {
            Some(pos) => {
                self.pos = pos;
                self.send_whole_blocks(objects, view, within, alignment);
            }
            None => self.send(core, objects, view),
        }
    }

    /// Reads the blocks in which the bytes of `view` are, which begin `within` bytes behind the position.
    fn send_whole_blocks(
        self,
        objects: &[Io],
        view: View<Read>,
        within: usize,
        alignment: Alignment,
    ) {
        let len = alignment.round_up(within + view.len());
        match AlignedBuf::try_with_alignment(len, alignment.memory()) {
            Ok(memory) => {
                let (pos, replica) = (self.pos, self.replica);
                let detour = Detour {
                    view,
                    within,
                    reading: self,
                };
                let relay = Relay::new(memory, detour);
                objects[replica].send_io(pos, relay.send_prefix(len));
            }
            Err(cause) => view.fail(self.cause.unwrap_or(cause)),
        }
    }
}

impl<Io, P> OnEnd<AlignedBuf> for Detour<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    fn on_end(relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let (bytes, detour) = relay.into_parts();
        let Self {
            view,
            within,
            mut reading,
        } = detour;
        let Some(core) = reading.core.take() else {
            return;
        };
        let outcome = outcome.part(within..within + view.len());
        let start = view.offset();
        for (mut part, result) in view.parts(&outcome) {
            let at = within + part.offset() - start;
            match result {
                Ok(()) => {
                    let len = part.len();
                    part.bytes_mut().copy_from_slice(&bytes[at..at + len]);
                    part.done();
                }
                Err(cause) => reading.again(&core, at, part, cause),
            }
        }
    }
}
