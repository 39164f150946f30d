//! Names of objects.

use alloc::borrow::Cow;

/// The name of an object and of its driver, for error messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// A path, an address, a name.
    pub object: Option<Cow<'a, str>>,
    /// The name of the driver: `"io_uring"`, `"memory"`.
    pub driver: Option<&'static str>,
}
