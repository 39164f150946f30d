//! Speaking to the user: text on standard output, complaints on standard error, numbers that people
//! can read.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use crate::failure::{Failure, Result};

/// Writes `text` to standard output. A reader that has gone away (`mfio doctor | head`) is not an
/// error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a failure to standard error. There is nobody to tell if that fails.
pub(crate) fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr(), "error: {failure}");
}

/// A path as `Path::display` shows it, as mfio's errors do: characters that act on a terminal
/// instead of being shown, and those that break or turn lines, are escaped.
pub(crate) fn path(path: &Path) -> String {
    let acts = |c: char| {
        let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || c.is_control()
    };
    let mut text = String::new();
    for c in path.display().to_string().chars() {
        match acts(c) {
            true => write!(text, "{}", c.escape_unicode()).expect("strings take everything"),
            false => text.push(c),
        }
    }
    text
}

/// `8388608` → `8 MiB`; what is no round number of anything stays as it is.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match UNITS.iter().find(|(unit, _)| n >= *unit) {
        Some((unit, name)) if n.is_multiple_of(*unit) => format!("{} {name}", n / unit),
        Some((unit, name)) => format!("{:.1} {name}", n as f64 / *unit as f64),
        None => format!("{n} bytes"),
    }
}

/// `1234567` → `1 234 567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Breaks `text` into lines of at most `width` characters, where words end.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{bytes, grouped, path, wrap};
    use std::path::Path;

    #[test]
    fn a_path_commands_no_terminal_and_is_shown_as_it_is_otherwise() {
        assert_eq!(path(Path::new("é ü/'文件'\\")), "é ü/'文件'\\");
        assert_eq!(
            path(Path::new("a\nb\u{1b}[2J\u{202e}")),
            "a\\u{a}b\\u{1b}[2J\\u{202e}"
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(4096), "4 KiB");
        assert_eq!(bytes(8_388_608), "8 MiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1 000");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }

    #[test]
    fn lines_break_between_words_only() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(
            wrap("incomprehensibilities x", 4),
            ["incomprehensibilities", "x"]
        );
        assert_eq!(wrap("", 4), [""]);
    }
}
