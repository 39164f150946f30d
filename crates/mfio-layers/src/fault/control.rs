//! Control operations of a [`Fault`].

use super::{Fault, FaultShared};
use crate::queued::ResumeControl;
use alloc::sync::Arc;
use mfio::control::{Capabilities, ControlIo, ControlOp};
use mfio::io::{Position, Read};
use mfio::packet::View;

impl<Io, P> ResumeControl<()> for FaultShared<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn resume_control(self: &Arc<Self>, op: ControlOp, view: View<Read>, (): ()) {
        if let Some(io) = self.inner.upgrade() {
            io.send_control(op, view);
        }
    }
}

impl<Io, P> ControlIo for Fault<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        self.shared.apply_control(&self.inner, op, view);
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
