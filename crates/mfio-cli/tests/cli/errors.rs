//! Everything that can go wrong with `mfio bench`: it says what, where and what to do, and leaves
//! nothing behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::signals::can_be_ended;
use crate::support::{EXE, Mfio, Ran, as_nobody, ran};

#[test]
fn bad_arguments() {
    let mfio = Mfio::new("arguments");
    let bad: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["fly"], "unrecognized subcommand"),
        (&["bench", "--fly"], "unexpected argument"),
        (&["bench", "a", "b"], "unexpected argument"),
        (&["bench", "--depths", "0"], "--depths"),
        (&["bench", "--depths", "1,x"], "--depths"),
        (&["bench", "--depths", ""], "--depths"),
        (&["bench", "--depths", "1025"], "1..=1024"),
        (&["bench", "--rounds", "0"], "--rounds"),
        (&["bench", "--seconds", "0"], "0.001 to 600"),
        (&["bench", "--size", "4X"], "such as 4096, 4K or 256M"),
        (&["bench", "--driver", "nope"], "io_uring, threads"),
        (
            &["bench", "--quick", "--seconds", "1"],
            "cannot be used with",
        ),
        (&["bench", "file", "--dir", "."], "cannot be used with"),
        (&["doctor", "file"], "unexpected argument"),
    ];
    for (args, word) in bad {
        mfio.run(*args).complains(2, &[word]);
    }
    for size in ["0", "100", "513", "2M"] {
        let ran = mfio.run(["bench", "--block-size", size]);
        ran.complains(1, &["--block-size", "multiple of 512"]);
    }
    let ran = mfio.run(["bench", "--size", "257M"]);
    ran.complains(1, &["--size 257 MiB", "at most 256M"]);
    assert!(mfio.names().is_empty());
}

#[test]
fn files_that_cannot_be_read_at_random() {
    let mfio = Mfio::new("files");
    mfio.file("empty", 0);
    mfio.file("small", 16 * 4096 - 1);
    mfio.shell("mkfifo fifo").succeeds();
    let bench = |file: &str| mfio.run(["bench", "--quiet", file]);
    bench("missing").complains(1, &["cannot open missing", "No such file", "help:"]);
    let forged = mfio.run(["bench", "--quiet", "a b é\nerror: \u{1b}[2J"]);
    forged.complains(
        1,
        &["cannot open a b é\\u{a}error: \\u{1b}[2J: No such file"],
    );
    bench("small/x").complains(1, &["cannot open small/x", "Not a directory"]);
    bench(".").complains(1, &["is a directory", "--dir"]);
    bench("empty").complains(1, &["0 bytes to read of empty", "64 KiB", "help:"]);
    bench("small").complains(1, &["small is too little", "16 blocks of 4 KiB"]);
    bench("fifo").complains(1, &["neither a file nor a block device"]);
    bench("/dev/null").complains(1, &["neither a file nor a block device"]);
    let ran = mfio.run(["bench", "--quiet", "--size", "8K"]);
    ran.complains(1, &["8 KiB", "too little"]);
}

#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;

    let mfio = Mfio::new("unreadable");
    let path = mfio.file("secret", 100_000);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).expect("it is ours");
    let mut command = Command::new(EXE);
    command.args(["bench", "--quiet"]).arg(&path);
    if as_nobody(&mut command) {
        ran(&mut command).complains(
            1,
            &["cannot open", "secret", "Permission denied", "may read"],
        );
    }
}

#[test]
fn directories_that_cannot_hold_the_file() {
    let mfio = Mfio::new("dirs");
    mfio.file("file", 1);
    let bench = |dir: &str| mfio.run(["bench", "--quiet", "--dir", dir]);
    bench("missing").complains(
        1,
        &["cannot make a file in missing", "No such file", "--dir"],
    );
    bench("file").complains(1, &["cannot make a file in file", "Not a directory"]);
    let mut command = Command::new(EXE);
    command.args(["bench", "--quiet", "--dir"]).arg(mfio.dir());
    if as_nobody(&mut command) {
        ran(&mut command).complains(1, &["cannot make a file", "Permission denied"]);
    }
    assert_eq!(mfio.names(), ["file"]);
}

#[test]
fn no_space_for_the_file() {
    let mfio = Mfio::new("space");
    let script = "mkdir full && mount -t tmpfs -o size=1m none full || exit 77
                  \"$MFIO\" bench --quiet --dir full; code=$?; ls -A full; exit $code";
    let script = format!("exec unshare --mount sh -c '{script}'");
    let ran = mfio.shell(&script);
    if ran.code != Some(1) || !ran.err.contains("error: cannot make") {
        assert!(
            ran.code != Some(0) && !ran.err.contains("panicked"),
            "{ran:?}"
        );
        println!("skipped: a file system of 1 MiB cannot be mounted here: {ran:?}");
        return;
    }
    ran.complains(1, &["a file of 256 MiB in full", "No space left", "--size"]);
}

#[test]
fn a_limit_of_the_size_of_files_is_no_signal() {
    let mfio = Mfio::new("fsize");
    let ran = mfio.shell("ulimit -f 100; exec \"$MFIO\" bench --quiet");
    if cfg!(target_os = "linux") {
        ran.complains(1, &["RLIMIT_FSIZE", "ulimit -f"]);
    } else {
        println!("skipped: only Linux tells the limit in a file");
    }
    assert!(mfio.names().is_empty());
}

#[test]
fn too_few_descriptors() {
    let mfio = Mfio::new("descriptors");
    let run = |limit: u32, depth: u32| {
        let options = "--quiet --size 1M --seconds 0.01 --rounds 1";
        mfio.shell(&format!(
            "ulimit -n {limit}; exec \"$MFIO\" bench {options} --depths {depth}"
        ))
    };
    run(64, 128).complains(1, &["Too many open files", "smaller --depths", "ulimit -n"]);
    for limit in 4..32 {
        let ran = run(limit, 1);
        assert!(matches!(ran.code, Some(0 | 1)), "limit {limit}: {ran:?}");
        assert!(!ran.err.contains("panicked"), "limit {limit}: {ran:?}");
    }
    assert!(mfio.names().is_empty());
}

#[test]
fn json_that_cannot_be_written() {
    let mfio = Mfio::new("json-path");
    std::fs::create_dir(mfio.dir().join("dir")).expect("a directory");
    let bench = |path: &str| {
        let options = [
            "--quiet",
            "--size",
            "64K",
            "--seconds",
            "0.001",
            "--rounds",
            "1",
        ];
        mfio.run(["bench", "--json", path].iter().chain(&options))
    };
    bench("dir").complains(1, &["cannot write the JSON to dir", "directory", "help:"]);
    bench("missing/out").complains(1, &["cannot write the JSON to missing/out", "No such file"]);
    bench("").complains(2, &["--json"]);
    if Path::new("/dev/full").exists() {
        let late = bench("/dev/full");
        assert_eq!(late.code, Some(1));
        assert!(late.err.contains("to /dev/full: No space left"), "{late:?}");
    }
    let mut command = Command::new(EXE);
    command
        .args(["bench", "--quiet", "--json"])
        .arg(mfio.dir().join("out"));
    if as_nobody(&mut command) {
        ran(&mut command).complains(1, &["cannot write the JSON", "Permission denied"]);
    }
    assert_eq!(mfio.names(), ["dir"]);
}

/// Starts a benchmark that takes long, and waits until it measures.
fn measuring(mfio: &Mfio, args: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut command = mfio.command(EXE);
    let mut child = can_be_ended(&mut command)
        .args([
            "bench",
            "--size",
            "1M",
            "--seconds",
            "0.05",
            "--rounds",
            "500",
        ])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be run");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("measurements of") {
        line.clear();
        let n = lines.read_line(&mut line).expect("it can be read");
        assert_ne!(n, 0, "it ended before it measured");
    }
    (child, lines)
}

#[test]
fn a_killed_process_leaves_nothing_to_clean_up() {
    for signal in ["INT", "TERM", "KILL"] {
        let mfio = Mfio::new(signal);
        let (mut child, _lines) = measuring(&mfio, &["--json", "out.json"]);
        mfio.shell(&format!("kill -{signal} {}", child.id()))
            .succeeds();
        let status = child.wait().expect("it ends");
        assert!(!status.success());
        assert!(mfio.names().is_empty(), "{signal}: {:?}", mfio.names());
    }
}

/// Runs a benchmark whose file changes meanwhile.
fn after(change: impl FnOnce(&Path)) -> Ran {
    let mfio = Mfio::new("changed");
    let path = mfio.file("data", 1 << 20);
    let (mut child, mut lines) = measuring(&mfio, &["data"]);
    change(&path);
    let mut err = String::new();
    while lines.read_line(&mut err).expect("it can be read") != 0 {}
    let status = child.wait().expect("it ends");
    Ran {
        code: status.code(),
        out: String::new(),
        err,
    }
}

#[test]
fn a_file_that_changes_meanwhile() {
    let overwritten = after(|path| {
        let file = std::fs::OpenOptions::new().write(true).open(path);
        std::io::Write::write_all(&mut file.expect("it is ours"), &vec![0xff; 1 << 20])
            .expect("it is ours");
    });
    overwritten.complains(1, &["of data were not what they must be", "help:"]);
    let cut = after(|path| std::fs::write(path, b"").expect("it is ours"));
    cut.complains(1, &["reading data"]);
}
