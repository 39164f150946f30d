//! Control operations of a pipe: the end of the stream.

use super::{End, PipeReader, PipeWriter};
use crate::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp, answer_with};
use crate::error::{Cause, ErrorKind};
use crate::io::Read;
use crate::packet::View;

impl End {
    fn shut_down(&self) {
        self.shared.serve(|inner| {
            inner.writer_gone = true;
            None
        });
    }
}

impl PipeWriter {
    fn execute(&self, op: ControlOp, answer: &mut Answer<'_>) -> Result<(), Cause> {
        match op {
            ControlOp::Shutdown => self.0.shut_down(),
            ControlOp::Extents(span) if span.is_empty() => answer.extents(span, [])?,
            op if op.is_empty() => {}
            _ => return Err(ErrorKind::NotSupported.into()),
        }
        Ok(())
    }
}

impl ControlIo for PipeWriter {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        answer_with(view, |answer| self.execute(op, answer));
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE.with(ControlKind::Shutdown)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        Some(self.execute(op, answer))
    }
}

/// A reader cannot end the stream: dropping it fails the writes.
impl ControlIo for PipeReader {}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use crate::backend::IoBackendExt;
    use crate::error::ErrorKind;
    use crate::memory::pipe;
    use crate::traits::{BlockingIo, IoControl, StreamRead, StreamWrite};
    use alloc::vec::Vec;

    /// Also those that still waited for room.
    #[test]
    fn a_reader_finds_the_end_after_all_bytes_written_before() {
        let (reads, writes) = pipe(4);
        reads.block_on(async {
            let write = async {
                let waiting = writes.write_all(b"longer than the pipe");
                let (written, ended) = futures_util::join!(waiting, writes.shutdown());
                (written.unwrap(), ended.unwrap())
            };
            let read = async {
                let mut all = Vec::new();
                let mut bytes = [0; 3];
                loop {
                    match reads.read(&mut bytes).await.unwrap() {
                        0 => return all,
                        n => all.extend_from_slice(&bytes[..n]),
                    }
                }
            };
            let (all, _) = futures_util::join!(read, write);
            assert_eq!(all, b"longer than the pipe");
        });
        let error = writes.blocking().write_all(b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        writes.blocking().shutdown().unwrap();
    }

    #[test]
    fn a_read_that_waits_ends_with_the_stream() {
        let (reads, writes) = pipe(4);
        let n = reads.block_on(async {
            let mut bytes = [0; 1];
            let (n, ended) = futures_util::join!(reads.read(&mut bytes), writes.shutdown());
            ended.unwrap();
            n.unwrap()
        });
        assert_eq!(n, 0);
    }

    #[test]
    fn a_reader_and_everything_else_are_not_supported() {
        let (reads, writes) = pipe(4);
        let error = reads.blocking().shutdown().unwrap_err();
        assert_eq!(
            error.to_string(),
            "shutdown the reading end of a pipe failed: not supported [memory]"
        );
        let error = writes.blocking().sync_all().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        writes.blocking().discard(0..0).unwrap();
    }
}
