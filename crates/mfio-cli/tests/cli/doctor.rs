//! `mfio doctor`.

use serde_json::Value;

use crate::support::{EXE, Mfio, Ran, has_io_uring, no_uring, ran};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn the_page_tells_all_that_matters() {
    let ran = Mfio::new("page").run(["doctor"]);
    ran.succeeds();
    for word in [
        "kernel",
        "processors",
        "RLIMIT_MEMLOCK",
        "RLIMIT_NOFILE",
        "io_uring_disabled",
        "seccomp",
        "io_uring  ",
        "threads  ",
        "operations",
        "all right",
        "What to do",
    ] {
        assert!(ran.out.contains(word), "{word:?} is not in\n{}", ran.out);
    }
    assert_eq!(ran.err, "");
}

#[test]
fn json_says_the_same() {
    let mfio = Mfio::new("json");
    let ran = mfio.run(["doctor", "--json"]);
    ran.succeeds();
    let found = json(&ran);
    assert_eq!(found["mfio"], env!("CARGO_PKG_VERSION"));
    assert_eq!(found["machine"]["arch"], std::env::consts::ARCH);
    assert_eq!(found["runtime"]["works"], true);
    assert_eq!(found["runtime"]["check"]["bytes"], 4096);
    let drivers = found["drivers"].as_array().expect("a list");
    let works = |name: &str| {
        let driver = drivers.iter().find(|driver| driver["name"] == name);
        driver.expect("it is listed")["works"] == true
    };
    assert!(works("threads"));
    assert_eq!(works("io_uring"), has_io_uring());
    let best = if works("io_uring") {
        "io_uring"
    } else {
        "threads"
    };
    assert_eq!(found["runtime"]["report"]["chosen"], best);
}

#[test]
fn a_driver_that_works_satisfies_require() {
    let mfio = Mfio::new("require");
    mfio.run(["doctor", "--require", "threads"]).succeeds();
    mfio.run(["doctor", "--require", "nothing"])
        .complains(2, &["--require", "nothing", "io_uring, threads"]);
}

#[test]
fn under_a_filter_it_says_why_and_falls_back() {
    let Some(no_uring) = no_uring() else { return };
    let mfio = Mfio::new("filter");
    let doctor = |args: &[&str]| ran(mfio.command(no_uring).arg(EXE).arg("doctor").args(args));

    let page = doctor(&[]);
    page.succeeds();
    for word in [
        "refused: io_uring_setup",
        "not permitted",
        "seccomp filter",
        "active",
        "seccomp profile",
    ] {
        assert!(page.out.contains(word), "{word:?} is not in\n{}", page.out);
    }
    let uses = page
        .out
        .lines()
        .find(|line| line.trim_start().starts_with("uses"));
    assert!(
        uses.is_some_and(|line| line.contains("threads")),
        "{uses:?}"
    );

    let found = json(&doctor(&["--json"]));
    assert_eq!(found["machine"]["seccomp_mode"], 2);
    assert_eq!(found["drivers"][0]["works"], false);
    assert_eq!(found["drivers"][0]["errno"], 1);
    assert_eq!(found["runtime"]["report"]["chosen"], "threads");

    let required = doctor(&["--require", "io_uring"]);
    assert_eq!(required.code, Some(1));
    for word in ["io_uring is required", "seccomp", "help:"] {
        assert!(
            required.err.contains(word),
            "{word:?} is not in {}",
            required.err
        );
    }
    doctor(&["--require", "threads"]).succeeds();
}

#[test]
fn a_low_limit_of_open_files_is_pointed_out() {
    let ran = Mfio::new("files").shell("ulimit -n 64; exec \"$MFIO\" doctor");
    ran.succeeds();
    assert!(ran.out.contains("ulimit -n"), "{ran:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let ran =
        Mfio::new("pipe").shell("{ sleep 0.3; \"$MFIO\" doctor; echo \"code $?\" >&2; } | true");
    assert_eq!(ran.err, "code 0\n");
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("skipped: there is no /dev/full here");
        return;
    }
    let ran = Mfio::new("full").shell("exec \"$MFIO\" doctor > /dev/full");
    ran.complains(1, &["standard output", "No space left"]);
}
