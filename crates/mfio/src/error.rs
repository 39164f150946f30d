//! Errors: a small [`Cause`] inside packets, an [`Error`] with context for the caller.
//!
//! Inside a packet a failure takes eight bytes and is `Copy`, so a driver records it without
//! allocating. The context that a person needs (operation, object, offset, driver) is added once,
//! on failure only, by the call that returns the error.
//!
//! ```
//! use mfio::error::{Cause, Error, ErrorKind};
//!
//! let error = Error::new(Cause::new(ErrorKind::UnexpectedEof), "read")
//!     .object("/tmp/x")
//!     .offset(8192)
//!     .len(4096)
//!     .driver("memory");
//! assert_eq!(
//!     error.to_string(),
//!     "read of 4096 bytes at offset 8192 of /tmp/x failed: unexpected end of data [memory]"
//! );
//! ```

mod cause;
mod kind;
#[cfg(feature = "std")]
mod std_io;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

pub use cause::Cause;
pub use kind::ErrorKind;

/// The result type of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// A failed operation with its context. One pointer wide.
///
/// Created on failure only; see the [module](self) for an example.
///
/// # Conversion to `std::io::Error`
/// A `std::io::Error` holds either an errno or a custom message, not both. If there is an
/// [`errno`](Self::errno), the conversion keeps it, so `raw_os_error` and `kind` are the same as
/// from std's own calls. The message with path, offset and help is lost then: print it before
/// converting, or wrap the error with `std::io::Error::other`.
///
/// # Message
/// The object is shown as `Path::display` shows paths, except that control characters, line
/// separators and characters that change the direction of writing are escaped (`\u{a}`), so a file
/// name cannot forge a line of a log or send commands to a terminal.
/// [`get_object`](Self::get_object) returns it unescaped.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Context>);

#[derive(Clone, PartialEq, Eq)]
struct Context {
    cause: Cause,
    operation: &'static str,
    object: Option<String>,
    offset: Option<u64>,
    len: Option<u64>,
    driver: Option<&'static str>,
    help: Option<&'static str>,
}

impl Error {
    /// Creates an error of `operation`, a verb such as `"read"`, without further context.
    #[cold]
    pub fn new(cause: impl Into<Cause>, operation: &'static str) -> Self {
        Self(Box::new(Context {
            cause: cause.into(),
            operation,
            object: None,
            offset: None,
            len: None,
            driver: None,
            help: None,
        }))
    }

    /// Sets the object of the operation: a path, an address.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.0.object = Some(object.into());
        self
    }

    /// Sets the offset of the failure in the object, in bytes.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// Sets the length of the operation, in bytes.
    #[must_use]
    pub fn len(mut self, len: u64) -> Self {
        self.0.len = Some(len);
        self
    }

    /// Sets the name of the driver that executed the operation.
    #[must_use]
    pub fn driver(mut self, driver: &'static str) -> Self {
        self.0.driver = Some(driver);
        self
    }

    /// Sets a sentence that tells the user how to avoid the failure.
    #[must_use]
    pub fn help(mut self, help: &'static str) -> Self {
        self.0.help = Some(help);
        self
    }

    /// Replaces the cause.
    pub(crate) fn with_cause(mut self, cause: Cause) -> Self {
        self.0.cause = cause;
        self
    }

    /// Sets the object and the driver from an [`Identity`](crate::io::Identity), as far as it has
    /// them.
    #[must_use]
    pub fn identity(mut self, identity: crate::io::Identity<'_>) -> Self {
        if let Some(object) = identity.object {
            self.0.object = Some(Cow::into_owned(object));
        }
        self.0.driver = identity.driver.or(self.0.driver);
        self
    }

    /// Returns the cause, as the packet carried it.
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// Returns the kind of the cause.
    pub fn kind(&self) -> ErrorKind {
        self.0.cause.kind()
    }

    /// Returns the errno, if the failure came from the operating system.
    pub fn errno(&self) -> Option<i32> {
        self.0.cause.errno()
    }

    /// Returns the operation, a verb such as `"read"`.
    pub fn get_operation(&self) -> &'static str {
        self.0.operation
    }

    /// Returns the object of the operation.
    pub fn get_object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// Returns the offset of the failure in the object, in bytes.
    pub fn get_offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// Returns the length of the operation, in bytes.
    pub fn get_len(&self) -> Option<u64> {
        self.0.len
    }

    /// Returns the name of the driver that executed the operation.
    pub fn get_driver(&self) -> Option<&'static str> {
        self.0.driver
    }

    /// Returns the sentence that tells the user how to avoid the failure.
    pub fn get_help(&self) -> Option<&'static str> {
        self.0.help
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &*self.0;
        f.write_str(c.operation)?;
        if let Some(len) = c.len {
            write!(f, " of {len} bytes")?;
        }
        if let Some(offset) = c.offset {
            write!(f, " at offset {offset}")?;
        }
        if let Some(object) = &c.object {
            let of = c.len.is_some() || c.offset.is_some();
            f.write_str(if of { " of " } else { " " })?;
            write_escaped(f, object)?;
        }
        write!(f, " failed: {}", c.cause)?;
        if let Some(driver) = c.driver {
            write!(f, " [{driver}]")?;
        }
        if let Some(help) = c.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// Writes a name, with every character escaped that a terminal or a log would interpret.
fn write_escaped(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    for shown in name.split_inclusive(acts) {
        match shown.chars().next_back().filter(|last| acts(*last)) {
            Some(last) => {
                f.write_str(&shown[..shown.len() - last.len_utf8()])?;
                write!(f, "{}", last.escape_unicode())?;
            }
            None => f.write_str(shown)?,
        }
    }
    Ok(())
}

/// Whether a character is a control character, separates lines, or changes the direction of
/// writing.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        )
        || matches!(c, '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("message", &format_args!("{self}"))
            .field("kind", &self.kind())
            .field("errno", &self.errno())
            .finish()
    }
}

impl core::error::Error for Error {}

impl From<Error> for Cause {
    /// Drops the context.
    fn from(error: Error) -> Self {
        error.cause()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn display_prints_the_known_parts_only() {
        let bare = Error::new(ErrorKind::Cancelled, "sync");
        assert_eq!(bare.to_string(), "sync failed: cancelled");
        let named = bare.clone().object("/tmp/x").help("open it again");
        assert_eq!(
            named.to_string(),
            "sync /tmp/x failed: cancelled; open it again"
        );
        let placed = named.offset(7);
        assert_eq!(
            placed.to_string(),
            "sync at offset 7 of /tmp/x failed: cancelled; open it again"
        );
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Error>>(), size_of::<usize>());
    }

    #[test]
    fn a_name_cannot_forge_a_line_and_is_shown_as_it_is_otherwise() {
        let shown = |name: &str| {
            let error = Error::new(ErrorKind::NotFound, "open").object(name);
            assert_eq!(error.get_object(), Some(name));
            error.to_string()
        };
        let plain = "/tmp/é ü/'quoted\" \\ 文件.txt";
        assert_eq!(
            shown(plain),
            alloc::format!("open {plain} failed: not found")
        );
        assert_eq!(shown(""), "open  failed: not found");
        assert_eq!(
            shown("a\nopen b failed\u{1b}[2J\r"),
            "open a\\u{a}open b failed\\u{1b}[2J\\u{d} failed: not found"
        );
        assert_eq!(
            shown("\u{202e}txt\u{85}\u{2028}"),
            "open \\u{202e}txt\\u{85}\\u{2028} failed: not found"
        );
        let debug = alloc::format!(
            "{:?}",
            Error::new(ErrorKind::NotFound, "open").object("a\nb")
        );
        assert!(!debug.contains('\n'), "{debug}");
    }

    #[cfg(all(feature = "std", unix))]
    #[test]
    fn an_errno_is_shown_as_the_system_says_it() {
        let error = Error::new(Cause::from_errno(5), "read")
            .object("/tmp/x")
            .offset(8192)
            .len(4096)
            .driver("io_uring");
        assert_eq!(
            error.to_string(),
            "read of 4096 bytes at offset 8192 of /tmp/x failed: \
             Input/output error (os error 5) [io_uring]"
        );
    }
}
