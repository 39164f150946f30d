//! Errors: [`Cause`] inside packets, [`Error`] where the user meets it.
//!
//! Inside a packet a failure is eight bytes and `Copy`, so that a driver records it without allocating. The context that
//! a person needs (which operation, on what, where, through which driver) is added once, on failure only, by the call
//! that the user made.
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
#[cfg(feature = "std")]
mod std_io;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

pub use cause::{Cause, ErrorKind};

/// What the calls of this crate return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// A failed operation, with what is known about it. One pointer wide.
///
/// Made on failure only; see the [module](self) for an example.
///
/// # As an error of std
/// A `std::io::Error` has either the system's number or a text of ours, not both. Where there is a number
/// ([`errno`](Self::errno)), the conversion keeps it: `raw_os_error` and `kind` are what std's own calls give. The text, with
/// path, offset and help, is this type's: print it before converting, or wrap it with `std::io::Error::other`.
///
/// # Text
/// The object is shown as `Path::display` shows paths, except that control characters, line separators and characters that
/// change the direction of writing are escaped (`\u{a}`): a file's name cannot forge a line of a log, or command a terminal.
/// [`get_object`](Self::get_object) has it as it is.
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
    /// An error of `operation`, a verb such as `"read"`, with nothing else known yet.
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

    /// Names what the operation was on: a path, an address.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.0.object = Some(object.into());
        self
    }

    /// Says where in the object the failure is.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// Says how many bytes the operation was about.
    #[must_use]
    pub fn len(mut self, len: u64) -> Self {
        self.0.len = Some(len);
        self
    }

    /// Names the driver that was in charge.
    #[must_use]
    pub fn driver(mut self, driver: &'static str) -> Self {
        self.0.driver = Some(driver);
        self
    }

    /// Says what the user can do about it.
    #[must_use]
    pub fn help(mut self, help: &'static str) -> Self {
        self.0.help = Some(help);
        self
    }

    /// The same context with another cause.
    pub(crate) fn with_cause(mut self, cause: Cause) -> Self {
        self.0.cause = cause;
        self
    }

    /// Adds what an object says of itself, where it says anything.
    #[must_use]
    pub fn identity(mut self, identity: crate::io::Identity<'_>) -> Self {
        if let Some(object) = identity.object {
            self.0.object = Some(Cow::into_owned(object));
        }
        self.0.driver = identity.driver.or(self.0.driver);
        self
    }

    /// The cause as the packet carried it.
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// The kind of the cause.
    pub fn kind(&self) -> ErrorKind {
        self.0.cause.kind()
    }

    /// The operating system's number, where it was the one who failed.
    pub fn errno(&self) -> Option<i32> {
        self.0.cause.errno()
    }

    /// The operation: a verb such as `"read"`.
    pub fn get_operation(&self) -> &'static str {
        self.0.operation
    }

    /// What the operation was on.
    pub fn get_object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// Where in the object the failure is.
    pub fn get_offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// How many bytes the operation was about.
    pub fn get_len(&self) -> Option<u64> {
        self.0.len
    }

    /// The driver that was in charge.
    pub fn get_driver(&self) -> Option<&'static str> {
        self.0.driver
    }

    /// What can be done about it.
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

/// Writes a name without what would do something instead of being shown.
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

/// Whether a character is a control character, separates lines, or changes the direction of writing.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn says_what_is_known_and_no_more() {
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
            "read of 4096 bytes at offset 8192 of /tmp/x failed: Input/output error (os error 5) [io_uring]"
        );
    }
}
