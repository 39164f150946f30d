//! The destination of the JSON: checked before the measurements, written whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::output;

/// See the module.
#[derive(Debug)]
pub(super) struct Sink {
    name: String,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Stdout,
    /// A pipe or a device: written to as it is.
    Special(PathBuf),
    /// A file: written under another name beside it, and then put in its place.
    File(PathBuf),
}

impl Sink {
    /// Finds out whether `path` can be written to, and leaves it as it is.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let name = output::path(path);
        let target = target(path).map_err(|error| cannot(&name, &error))?;
        Ok(Self { name, target })
    }

    /// Whether the JSON is all that is to be on standard output.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout)
    }

    pub(super) fn write(&self, text: &str) -> Result<()> {
        let written = match &self.target {
            Target::Stdout => return output::print(text),
            Target::Special(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes())),
            Target::File(path) => replace(path, text),
        };
        written.map_err(|error| cannot(&self.name, &error))
    }
}

fn target(path: &Path) -> io::Result<Target> {
    if path == Path::new("-") {
        return Ok(Target::Stdout);
    }
    let path = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => return Ok(Target::Special(path.to_owned())),
        Ok(_) => {
            OpenOptions::new().write(true).open(path)?;
            fs::canonicalize(path)?
        }
    };
    let beside = beside(&path)?;
    create(&beside)?;
    fs::remove_file(&beside)?;
    Ok(Target::File(path))
}

/// The other name.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let hidden = format!(".{}.{}", name.to_string_lossy(), std::process::id());
    Ok(path.with_file_name(hidden))
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path)?;
    let mut file = create(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn cannot(name: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write the JSON to {name}: {error}")).help(
        "name a file in a directory that exists and can be written to, or - for standard output",
    )
}

#[cfg(test)]
mod tests {
    use super::{Sink, Target};
    use std::path::Path;

    #[test]
    fn a_device_is_never_replaced() {
        let sink = Sink::new(Path::new("/dev/null")).expect("it can be written to");
        assert!(matches!(sink.target, Target::Special(_)));
        sink.write("{}\n").expect("it takes everything");
    }

    #[test]
    fn checking_leaves_nothing_behind_and_writing_replaces() {
        let dir = std::env::temp_dir().join(format!("mfio-sink-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("out.json");
        let names = || std::fs::read_dir(&dir).expect("it is there").count();
        let sink = Sink::new(&path).expect("it can be written");
        assert_eq!(names(), 0);
        for text in ["a long text\n", "short\n"] {
            sink.write(text).expect("it can be written");
            assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text);
            assert_eq!(names(), 1);
        }
        assert!(Sink::new(&dir).is_err(), "a directory");
        assert!(Sink::new(&dir.join("missing/out.json")).is_err());
        std::fs::remove_dir_all(&dir).expect("it is ours");
    }
}
