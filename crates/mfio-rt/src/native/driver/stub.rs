//! The template of a driver for a new platform. It rejects every operation, and is compiled and
//! tested with the tests.
//!
//! Replace the body of [`Stub::submit`] by a queue or a system call, and override the provided
//! methods as far as the platform has something to flush, to reap or to wait for.

use std::time::Duration;

use mfio::error::{Cause, ErrorKind};

use super::contract::{Capabilities, Driver, Submitted};
use crate::native::op::Op;
use crate::native::table::Key;

/// Rejects every operation.
#[derive(Debug)]
pub(crate) struct Stub {
    capabilities: Capabilities,
}

impl Stub {
    pub(crate) fn new() -> Self {
        let details = String::from("does nothing");
        Self {
            capabilities: Capabilities {
                name: "stub",
                inline_stride: u32::MAX,
                details,
            },
        }
    }
}

impl Driver for Stub {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn submit(&self, op: Op) -> Result<Submitted, (Op, Cause)> {
        Err((op, ErrorKind::NotSupported.into()))
    }

    fn cancel(&self, _: Key) {}

    fn shutdown(&self, _: Duration) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{Driver, Stub};
    use crate::native::metadata::{MetadataRequest, Open};
    use crate::native::op::Op;
    use mfio::error::ErrorKind;
    use std::time::Duration;

    #[test]
    fn a_refused_operation_comes_back() {
        let stub = Stub::new();
        let (request, _slot) = MetadataRequest::new(Open::root());
        let (op, cause) = stub.submit(Op::Metadata(request)).unwrap_err();
        assert_eq!(cause.kind(), ErrorKind::NotSupported);
        op.fail(cause);
        assert!(!stub.flush() && !stub.reap(&mut Vec::new()) && stub.handle().is_none());
        assert_eq!(stub.shutdown(Duration::ZERO), 0);
    }
}
