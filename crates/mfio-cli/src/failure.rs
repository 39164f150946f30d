//! Messages for the user about commands that failed: the operation, its object, and advice.

use std::fmt;

/// The result of everything that may go wrong for a reason that the user should know.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A message for the user. One pointer wide, so that loops which return it stay lean.
#[derive(Debug)]
pub(crate) struct Failure(Box<Message>);

#[derive(Debug)]
struct Message {
    what: String,
    help: Option<String>,
}

impl Failure {
    /// Creates a failure from what was tried, on what, and the cause.
    #[cold]
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Message {
            what: what.into(),
            help: None,
        }))
    }

    /// Adds advice.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        match &self.0.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}
