//! Running the command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The command, with an empty directory of its own for temporary files, which must be empty again
/// afterwards.
#[derive(Debug)]
pub(crate) struct Mfio {
    dir: PathBuf,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) const EXE: &str = env!("CARGO_BIN_EXE_mfio");

impl Mfio {
    /// `test` names the directory.
    pub(crate) fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("mfio-cli-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory for the test");
        let dir = dir.canonicalize().expect("it is there");
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file of `len` bytes that are not all the same.
    pub(crate) fn file(&self, name: &str, len: usize) -> PathBuf {
        let path = self.dir.join(name);
        let bytes: Vec<u8> = (0..len).map(|i| (i / 8 * 31 % 251) as u8).collect();
        std::fs::write(&path, bytes).expect("a file for the test");
        path
    }

    /// Returns the names in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).expect("it is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        };
        entries.map(name).collect()
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("TMPDIR", &self.dir).current_dir(&self.dir);
        command
    }

    /// Runs `mfio` with these arguments.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        ran(self.command(EXE).args(args))
    }

    /// Runs `mfio` by a shell script, as `"$MFIO"`.
    pub(crate) fn shell(&self, script: &str) -> Ran {
        ran(self.command("sh").args(["-c", script]).env("MFIO", EXE))
    }
}

impl Drop for Mfio {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Runs a command to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the command can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    Ran {
        code: status.code(),
        out: text(stdout),
        err: text(stderr),
    }
}

impl Ran {
    /// It failed, without a panic and without output, and its complaint has all of these words.
    #[track_caller]
    pub(crate) fn complains(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {self:?}");
        }
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) {
        assert_eq!(self.code, Some(0), "{self:?}");
    }
}

/// The program that runs another one without io_uring; it is built if it is not there.
pub(crate) fn no_uring() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(build_no_uring).as_deref()
}

fn build_no_uring() -> Option<PathBuf> {
    if !cfg!(target_os = "linux") {
        println!("skipped: seccomp filters exist on Linux only");
        return None;
    }
    // The command is `TARGET/PROFILE/mfio`, and development builds are in `debug`.
    let target = Path::new(EXE).parent()?.parent()?;
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "no-uring", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .env_remove("CARGO_BUILD_TARGET")
        .output();
    let path = target.join("debug/no-uring");
    match built {
        Ok(output) if output.status.success() && path.exists() => Some(path),
        other => {
            println!("skipped: no-uring cannot be built: {other:?}");
            None
        }
    }
}

/// Whether io_uring works here.
pub(crate) fn has_io_uring() -> bool {
    let ran = ran(Command::new(EXE).args(["doctor", "--require", "io_uring"]));
    ran.code == Some(0)
}

/// Makes the command run as a user who may do nothing; `false` where that is not possible.
pub(crate) fn as_nobody(command: &mut Command) -> bool {
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let mut probe = Command::new(EXE);
    probe
        .arg("--version")
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/");
    match probe.output() {
        Ok(output) if output.status.success() => {
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
            true
        }
        other => {
            println!(
                "skipped: only root can run the command as another user, who must be able to \
                reach it: {other:?}"
            );
            false
        }
    }
}
