//! [`ControlIo`]: the primitive of control operations.

use super::answer::Answer;
use super::capabilities::Capabilities;
use super::op::ControlOp;
use crate::error::{Cause, ErrorKind};
use crate::io::{IoObject, Read};
use crate::packet::View;
use alloc::boxed::Box;
use alloc::sync::Arc;

/// An [`IoObject`] that takes control operations: the primitive beside
/// [`PacketIo`](crate::io::PacketIo).
///
/// Users call the methods of [`IoControl`](crate::traits::IoControl), which every `ControlIo` has.
/// An object without any control operation needs one line, `impl ControlIo for MyObject {}`, and
/// says that nothing is supported.
///
/// ```
/// use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp, answer_with};
/// use mfio::error::{Cause, ErrorKind};
/// use mfio::io::{IoObject, Read};
/// use mfio::packet::View;
/// use mfio::poller::block_on;
/// use mfio::traits::IoControl;
///
/// /// A number of bytes that never changes.
/// struct Fixed(u64);
///
/// impl IoObject for Fixed {}
///
/// impl ControlIo for Fixed {
///     fn send_control(&self, op: ControlOp, view: View<Read>) {
///         answer_with(view, |answer| match op {
///             ControlOp::Len => answer.len(self.0),
///             ControlOp::SyncAll => Ok(()),
///             _ => Err(ErrorKind::NotSupported.into()),
///         });
///     }
///
///     fn capabilities(&self) -> Capabilities {
///         Capabilities::NONE.with(ControlKind::Len).with(ControlKind::SyncAll)
///     }
/// }
///
/// assert_eq!(block_on(Fixed(7).len())?, 7);
/// block_on(Fixed(7).sync_all())?;
/// let error = block_on(Fixed(7).discard(0..4)).unwrap_err();
/// assert_eq!(error.to_string(), "discard of 4 bytes at offset 0 failed: not supported");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no control operations",
    note = "an object that supports none needs one line: `impl ControlIo for MyObject {{}}`"
)]
pub trait ControlIo: IoObject {
    /// Accepts a control operation, and completes `view` when it has ended.
    ///
    /// The view has room for the [`Answer`]; an operation without one has a view of one byte. Never
    /// blocks and never panics: an operation that cannot be executed fails its view. One with an
    /// [empty](ControlOp::is_empty) range succeeds. By default nothing is supported.
    ///
    /// # Wakers
    /// As for [`send_io`](crate::io::PacketIo::send_io): completing the view may run user code, so
    /// no lock may be held.
    fn send_control(&self, op: ControlOp, mut view: View<Read>) {
        if op.is_empty() {
            // No extents, if they are asked for.
            view.bytes_mut().fill(0);
            return view.done();
        }
        view.fail(ErrorKind::NotSupported);
    }

    /// Returns the operations that this object supports. An operation that it supports may still
    /// fail, with `NotSupported` too, if that depends on a file system or a device.
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    /// Carries out an operation on this thread without a packet, as `fsync` does: the short cut of
    /// blocking calls. `None` if there is no short cut.
    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let _ = (op, answer);
        None
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: ControlIo + ?Sized> ControlIo for $pointer {
            fn send_control(&self, op: ControlOp, view: View<Read>) {
                (**self).send_control(op, view)
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            fn control_blocking(
                &self,
                op: ControlOp,
                answer: &mut Answer<'_>,
            ) -> Option<Result<(), Cause>> {
                (**self).control_blocking(op, answer)
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);
