//! The errors of the first hour say what was tried, on what, and what to do.
#![cfg(unix)]

mod common;

use common::{Dir, missing, runtimes};
use mfio::error::{ErrorKind, Result};
use mfio_rt::prelude::*;
use mfio_rt::{File, OpenOptions};

/// The error as it is printed, without the driver's name.
fn message<T>(rt: &NativeRt, result: Result<T>) -> String {
    let driver = format!(" [{}]", rt.report().chosen());
    let message = result.err().expect("an error").to_string();
    assert!(message.contains(&driver), "{message}");
    message.replace(&driver, "")
}

fn open(rt: &NativeRt, path: &str, options: OpenOptions) -> String {
    message(rt, rt.block_on(rt.open(path, &options)))
}

#[test]
fn opening_says_which_option_is_wrong() {
    let new = OpenOptions::new;
    for rt in runtimes() {
        let cases = [
            (
                new(),
                "no access",
                "choose an access: `read`, `write` or `append`",
            ),
            (
                new().read(true).create(true),
                "read, create",
                "`create` and `create_new` need `write` or `append`",
            ),
            (
                new().read(true).truncate(true),
                "read, truncate",
                "`truncate` needs `write`",
            ),
            (
                new().write(true).append(true).truncate(true),
                "write, append, truncate",
                "`truncate` contradicts `append`",
            ),
        ];
        for (options, chosen, help) in cases {
            let expected =
                format!("open /x ({chosen}) failed: Invalid argument (os error 22); {help}");
            assert_eq!(open(&rt, "/x", options), expected);
        }
    }
}

#[test]
fn opening_names_the_missing_path() {
    let dir = Dir::new();
    let missing = missing(&dir);
    for rt in runtimes() {
        let path = missing.to_str().unwrap();
        let expected = format!("open {path} (read) failed: No such file or directory (os error 2)");
        assert_eq!(open(&rt, path, OpenOptions::new().read(true)), expected);
        let expected = "open \"\" (read) failed: No such file or directory (os error 2)";
        assert_eq!(open(&rt, "", OpenOptions::new().read(true)), expected);
    }
}

#[test]
fn reading_past_the_end_says_where_in_every_form() {
    let dir = Dir::new();
    let path = dir.file("short", 8);
    for rt in runtimes() {
        let file: File = rt.block_on(rt.open_read(&path)).unwrap();
        let mut bytes = [0; 4];
        let results = [
            rt.block_on(file.read_value_at::<[u8; 4]>(6)).map(drop),
            rt.block_on(file.read_exact_at(&mut bytes, 6)),
            rt.block_on(file.read_exact_buf_at(vec![0; 4], 6)).0,
            file.blocking().read_exact_at(&mut [0; 4], 6),
        ];
        for result in results {
            let kind = result.as_ref().map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::UnexpectedEof));
            let expected = format!(
                "read of 4 bytes at offset 6 of {} failed: unexpected end of data",
                path.display()
            );
            assert_eq!(message(&rt, result), expected);
        }
    }
}

#[test]
fn writing_without_the_right_names_the_options() {
    let dir = Dir::new();
    let path = dir.file("read-only", 8);
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(&path)).unwrap();
        let results = [
            rt.block_on(file.write_all_at(b"x", 0)),
            file.blocking().write_all_at(b"x", 0),
        ];
        for result in results {
            let message = message(&rt, result);
            let help = "; the file was not opened for that: see `OpenOptions`";
            assert!(message.ends_with(help), "{message}");
        }
    }
}

/// It once printed every table of the driver, some three thousand characters.
#[test]
fn a_runtime_is_shown_in_one_line() {
    let dir = Dir::new();
    for rt in runtimes() {
        let driver = rt.report().chosen().to_string();
        assert_eq!(
            format!("{rt:?}"),
            format!("NativeRt {{ driver: {driver:?}, .. }}")
        );
        let opening = format!("{:?}", rt.create(dir.path("new")));
        assert!(opening.len() < 200, "{opening}");
    }
}
