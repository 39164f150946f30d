//! The file that is read: one of the user's, or one that is made.
//!
//! A file that is made loses its name before anything is written to it, where the system lets it be
//! opened again without (Linux, through `/proc/self/fd`). So nothing is left behind whatever
//! happens, be it Ctrl-C or SIGKILL. Elsewhere it is removed when the benchmark ends, or fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::content::{self, Content};
use super::plan::Plan;
use super::progress::Progress;
use crate::failure::{Failure, Result};
use crate::machine::{self, Machine};
use crate::output;

/// Random reads of fewer blocks than this are not random.
const MIN_BLOCKS: u64 = 16;
const CHUNK: u64 = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Subject {
    /// Keeps a file without a name alive.
    _file: File,
    path: PathBuf,
    pub(super) name: String,
    pub(super) made: bool,
    pub(super) filesystem: Option<String>,
    pub(super) block_size: usize,
    pub(super) blocks: u64,
    pub(super) content: Content,
    /// Last, so that the file is closed when it is removed.
    _removed: Option<Removed>,
}

/// Removes a file when dropped.
#[derive(Debug)]
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Subject {
    /// Returns a path by which the file can be opened any number of times.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the length of the part that is read.
    pub(super) fn len(&self) -> u64 {
        self.blocks * self.block_size as u64
    }

    /// Takes the user's file, and reads it once, to note its words and to have it cached.
    pub(super) fn take(path: &Path, plan: &Plan, progress: &mut Progress) -> Result<Self> {
        let (file, len) = open(path)?;
        let blocks = len.min(plan.size) / plan.block_size as u64;
        if blocks < MIN_BLOCKS {
            return Err(too_small(path, len.min(plan.size), plan.block_size));
        }
        let mut noted = Vec::with_capacity(blocks as usize);
        let mut chunk = vec![0; plan.block_size * (CHUNK as usize / plan.block_size).max(1)];
        let total = blocks * plan.block_size as u64;
        let mut at = 0;
        while at < total {
            let part = chunk.len().min((total - at) as usize);
            file.read_exact_at(&mut chunk[..part], at)
                .map_err(|error| cannot("read", path, &error))?;
            noted.extend(
                chunk[..part]
                    .chunks(plan.block_size)
                    .filter_map(content::ends),
            );
            at += part as u64;
            progress.status(|| {
                format!(
                    "reading {} into the cache: {} %",
                    output::path(path),
                    at * 100 / total
                )
            });
        }
        Ok(Self {
            filesystem: machine::filesystem(&file),
            _file: file,
            path: path.to_owned(),
            name: output::path(path),
            made: false,
            block_size: plan.block_size,
            blocks,
            content: Content::Noted(noted),
            _removed: None,
        })
    }

    /// Makes a file.
    pub(super) fn make(dir: Option<&Path>, plan: &Plan, progress: &mut Progress) -> Result<Self> {
        let dir = dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let blocks = plan.size / plan.block_size as u64;
        if blocks < MIN_BLOCKS {
            return Err(too_small(&dir, plan.size, plan.block_size));
        }
        let len = blocks * plan.block_size as u64;
        fits_limit(len)?;
        let (file, path, removed) = create(&dir)?;
        fill(&file, len, progress).map_err(|error| cannot_fill(&dir, len, &error))?;
        Ok(Self {
            filesystem: machine::filesystem(&file),
            _file: file,
            path,
            name: format!("a file made in {}", output::path(&dir)),
            made: true,
            block_size: plan.block_size,
            blocks,
            content: Content::Numbered,
            _removed: removed,
        })
    }
}

/// Opens a file that can be read at random, and returns its length.
fn open(path: &Path) -> Result<(File, u64)> {
    let kind = fs::metadata(path)
        .map_err(|error| cannot("open", path, &error))?
        .file_type();
    if !kind.is_file() && !kind.is_block_device() {
        let what = match kind.is_dir() {
            true => format!("{} is a directory", output::path(path)),
            false => format!(
                "{} is neither a file nor a block device",
                output::path(path)
            ),
        };
        let help = "name a file to read, or none to have one made (in a directory: --dir)";
        return Err(Failure::new(what).help(help));
    }
    let mut file = File::open(path).map_err(|error| cannot("open", path, &error))?;
    let len = file
        .seek(SeekFrom::End(0))
        .map_err(|error| cannot("find the length of", path, &error))?;
    Ok((file, len))
}

/// A new file: open, where it can be opened again, and what removes it if it still has its name.
fn create(dir: &Path) -> Result<(File, PathBuf, Option<Removed>)> {
    let cannot_create = |error: &io::Error| {
        Failure::new(format!(
            "cannot make a file in {}: {error}",
            output::path(dir)
        ))
        .help("name a directory that can be written to with --dir, or a FILE to read")
    };
    for attempt in 0..100_u32 {
        let name = format!(".mfio-bench-{}-{attempt}", std::process::id());
        let path = dir.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => opened.map_err(|error| cannot_create(&error))?,
        };
        let removed = Removed(path.clone());
        let nameless = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if cfg!(target_os = "linux") && File::open(&nameless).is_ok() {
            drop(removed);
            return Ok((file, nameless, None));
        }
        return Ok((file, path, Some(removed)));
    }
    let taken = io::Error::from(io::ErrorKind::AlreadyExists);
    Err(cannot_create(&taken))
}

fn fill(mut file: &File, len: u64, progress: &mut Progress) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK as usize];
    let mut at = 0;
    while at < len {
        let part = CHUNK.min(len - at) as usize;
        content::number(at, &mut chunk[..part]);
        file.write_all(&chunk[..part])?;
        at += part as u64;
        progress.status(|| {
            format!(
                "making a file of {}: {} %",
                output::bytes(len),
                at * 100 / len
            )
        });
    }
    Ok(())
}

/// Writing beyond the limit would end the process with a signal.
fn fits_limit(len: u64) -> Result<()> {
    match Machine::look().file_size.and_then(|limit| limit.soft) {
        Some(limit) if limit < len => Err(Failure::new(format!(
            "files of this process may have {} at most (RLIMIT_FSIZE), and {} are needed",
            output::bytes(limit),
            output::bytes(len),
        ))
        .help("raise the limit (ulimit -f), choose a smaller --size, or name a FILE to read")),
        _ => Ok(()),
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot {what} {}: {error}", output::path(path)));
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure.help("name a file that exists, or none to have one made")
        }
        io::ErrorKind::PermissionDenied => {
            failure.help("name a file that you may read, or none to have one made")
        }
        _ => failure.help("name another file, or none to have one made"),
    }
}

fn cannot_fill(dir: &Path, len: u64, error: &io::Error) -> Failure {
    let (dir, len) = (output::path(dir), output::bytes(len));
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, name another directory with --dir, or choose a smaller --size"
        }
        _ => "name another directory with --dir, or a FILE to read",
    };
    Failure::new(format!("cannot make a file of {len} in {dir}: {error}")).help(help)
}

fn too_small(path: &Path, len: u64, block_size: usize) -> Failure {
    let needed = MIN_BLOCKS * block_size as u64;
    let what = format!(
        "{} to read of {} is too little: {MIN_BLOCKS} blocks of {} are needed at least, which is \
        {}",
        output::bytes(len),
        output::path(path),
        output::bytes(block_size as u64),
        output::bytes(needed),
    );
    Failure::new(what).help("choose a larger file or --size, or a smaller --block-size")
}
