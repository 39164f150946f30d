//! `mfio bench`, when all is well.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{EXE, Mfio, Ran, has_io_uring, no_uring, ran};

const ONE_AT_A_TIME: [&str; 2] = ["std-pread", "mfio-blocking"];
const WITH_DEPTH: [&str; 4] = ["tokio-fs", "mfio-block_on", "mfio-tokio", "mfio-smol"];

/// Everybody took part, read something, and everything that was read was verified.
fn check(report: &Value, depths: &[u64], rounds: usize) {
    let results = report["results"].as_array().expect("a list");
    assert_eq!(
        results.len(),
        ONE_AT_A_TIME.len() + WITH_DEPTH.len() * depths.len()
    );
    let mut reads = 0;
    for result in results {
        let samples = result["samples"].as_array().expect("a list");
        assert_eq!(samples.len(), rounds, "{result}");
        for sample in samples {
            let count = sample["reads"].as_u64().expect("a number");
            assert!(count > 0, "{result}");
            reads += count;
        }
        for figure in ["reads_per_second", "min", "max", "ratio_to_std_pread"] {
            assert!(
                result[figure].as_f64().is_some_and(|f| f > 0.0),
                "{figure} of {result}"
            );
        }
    }
    assert_eq!(report["reads_verified"], reads);
    let has = |name: &str, depth: Value| {
        let mut results = results.iter();
        assert!(
            results.any(|r| r["contestant"] == name && r["depth"] == depth),
            "{name} {depth}"
        );
    };
    for name in ONE_AT_A_TIME {
        has(name, Value::Null);
    }
    for (name, depth) in WITH_DEPTH
        .iter()
        .flat_map(|name| depths.iter().map(move |d| (name, *d)))
    {
        has(name, depth.into());
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn shows_all_names(ran: &Ran) {
    for name in [
        "std pread",
        "mfio, blocking",
        "tokio::fs",
        "mfio, block_on",
        "mfio, tokio",
        "mfio, smol",
    ] {
        assert!(ran.out.contains(name), "{name} is not in\n{}", ran.out);
    }
    assert!(ran.out.contains("were verified, and right") && ran.out.contains("opened once"));
}

#[test]
fn a_quick_one_ends_in_time_with_every_row_and_leaves_nothing_but_the_json() {
    let mfio = Mfio::new("quick");
    let start = Instant::now();
    let ran = mfio.run([
        "bench", "--quick", "--quiet", "--size", "4M", "--json", "out.json",
    ]);
    // It takes some ten seconds, and more beside other work; `scripts/smoke.sh` is strict about
    // that.
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
    ran.succeeds();
    assert_eq!(ran.err, "", "nothing is said with --quiet");
    shows_all_names(&ran);
    assert_eq!(mfio.names(), ["out.json"]);
    let text = std::fs::read_to_string(mfio.dir().join("out.json")).expect("it was written");
    let report = parse(&text);
    let rounds = report["settings"]["rounds"].as_u64().expect("a number") as usize;
    assert!(rounds >= 1);
    check(&report, &[1, 8, 32, 128], rounds);
    assert_eq!(report["file"]["made"], true);
    assert_eq!(report["file"]["bytes_read_from"], 4 << 20);
    let chosen = if has_io_uring() {
        "io_uring"
    } else {
        "threads"
    };
    assert_eq!(report["driver"]["chosen"], chosen);
}

const SHORT: [&str; 8] = [
    "bench",
    "--seconds",
    "0.01",
    "--rounds",
    "2",
    "--depths",
    "4,1,4",
    "--json",
];

#[test]
fn a_file_of_the_user_is_read_and_left_as_it_is() {
    let mfio = Mfio::new("own");
    let path = mfio.file("data", 300_000);
    let before = std::fs::read(&path).expect("it is there");
    let options = [
        "-",
        "--block-size",
        "512",
        "--size",
        "100K",
        "--driver",
        "threads",
    ];
    let ran = mfio.run(SHORT.iter().chain(&options).chain(&["data"]));
    ran.succeeds();
    let report = parse(&ran.out);
    check(&report, &[1, 4], 2);
    assert_eq!(report["driver"]["chosen"], "threads");
    assert_eq!(report["file"]["block_size"], 512);
    assert_eq!(report["file"]["bytes_read_from"], 100 << 10);
    assert!(ran.err.contains("round 2 of 2"), "{ran:?}");
    assert!(
        !ran.err.contains('\r'),
        "plain lines where there is no terminal"
    );
    assert_eq!(std::fs::read(&path).expect("it is there"), before);
    assert_eq!(mfio.names(), ["data"]);
}

#[test]
fn where_io_uring_is_refused_it_falls_back_and_says_why() {
    let Some(no_uring) = no_uring() else { return };
    let mfio = Mfio::new("fallback");
    let bench = |args: &[&str]| ran(mfio.command(no_uring).arg(EXE).args(SHORT).args(args));
    let fallen = bench(&["out.json", "--size", "1M"]);
    fallen.succeeds();
    shows_all_names(&fallen);
    for word in ["threads", "not io_uring", "refused", "seccomp filter"] {
        assert!(
            fallen.out.contains(word),
            "{word:?} is not in\n{}",
            fallen.out
        );
    }
    let text = std::fs::read_to_string(mfio.dir().join("out.json")).expect("it was written");
    let report = parse(&text);
    check(&report, &[1, 4], 2);
    assert_eq!(report["driver"]["drivers"][0]["result"], "refused");

    let forced = bench(&["-", "--size", "1M", "--driver", "io_uring"]);
    forced.complains(
        1,
        &[
            "io_uring is refused",
            "not permitted",
            "seccomp",
            "mfio doctor",
        ],
    );
    assert_eq!(mfio.names(), ["out.json"]);
}

#[test]
fn the_directory_that_was_named_is_empty_afterwards() {
    let mfio = Mfio::new("dir");
    std::fs::create_dir(mfio.dir().join("sub")).expect("a directory");
    let ran = mfio.run(SHORT.iter().chain(&["-", "--size", "64K", "--dir", "sub"]));
    ran.succeeds();
    let name = parse(&ran.out)["file"]["name"].to_string();
    assert!(name.contains("sub"), "{name}");
    let left = std::fs::read_dir(mfio.dir().join("sub"))
        .expect("it is there")
        .count();
    assert_eq!(left, 0);
}
