//! Control operations of files and streams, on every driver.
#![cfg(target_os = "linux")]

mod common;

use common::{Dir, runtimes};
use mfio_rt::prelude::*;
use mfio_rt::{File, OpenOptions};

use mfio::control::{ControlIo, ControlKind, ControlOp, ExtentKind, Span, Unmap};
use mfio::error::{ErrorKind, Result};
use proptest::prelude::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

fn read_write() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u64, u8),
    Control(ControlOp),
}

fn steps() -> impl Strategy<Value = Step> {
    // Around blocks of the file system, and across them.
    let at = prop_oneof![0..20_000u64, (0..5u64).prop_map(|block| block * 4096)];
    let span = (at.clone(), prop_oneof![0..9000u64, Just(4096)])
        .prop_map(|(start, len)| Span::new(start, len).unwrap());
    let unmap = prop_oneof![Just(Unmap::Allowed), Just(Unmap::Forbidden)];
    prop_oneof![
        (at.clone(), 1..255u8).prop_map(|(at, byte)| Step::Write(at, byte)),
        (at.clone(), 1..255u8).prop_map(|(at, byte)| Step::Write(at, byte)),
        Just(Step::Control(ControlOp::SyncData)),
        Just(Step::Control(ControlOp::SyncAll)),
        span.clone()
            .prop_map(|span| Step::Control(ControlOp::Discard(span))),
        (span.clone(), unmap)
            .prop_map(|(span, unmap)| Step::Control(ControlOp::WriteZeroes(span, unmap))),
        span.clone()
            .prop_map(|span| Step::Control(ControlOp::Allocate(span))),
        at.prop_map(|len| Step::Control(ControlOp::SetLen(len))),
        span.prop_map(|span| Step::Control(ControlOp::Prefetch(span))),
    ]
}

/// The model: carries out an operation on a vector. A file system makes holes of what is discarded.
fn model(bytes: &mut Vec<u8>, op: ControlOp) {
    let range = |bytes: &Vec<u8>, span: Span| {
        let within = |at: u64| (at as usize).min(bytes.len());
        within(span.start())..within(span.end())
    };
    match op {
        ControlOp::Discard(span) => {
            let range = range(bytes, span);
            bytes[range].fill(0);
        }
        ControlOp::WriteZeroes(span, _) if !span.is_empty() => {
            let end = (span.end() as usize).max(bytes.len());
            bytes.resize(end, 0);
            let range = range(bytes, span);
            bytes[range].fill(0);
        }
        ControlOp::SetLen(len) => bytes.resize(len as usize, 0),
        _ => {}
    }
}

fn run(file: &File, form: usize, op: ControlOp) -> Result<()> {
    match form % 3 {
        0 => file.block_on(file.control(op)),
        1 => file.blocking().control(op),
        _ => file.blocking().control_batch(&[op]),
    }
}

/// The extents cover the file, and what they call a hole reads as zero.
fn check_extents(file: &File, bytes: &[u8]) {
    let awaited = file.block_on(file.extents(..)).unwrap();
    assert_eq!(file.blocking().extents(..).unwrap(), awaited);
    let mut end = 0;
    for extent in awaited {
        assert_eq!(extent.span.start(), end);
        end = extent.span.end();
        let part = &bytes[extent.span.start() as usize..end as usize];
        assert!(extent.kind == ExtentKind::Data || part.iter().all(|byte| *byte == 0));
    }
    assert_eq!(end, bytes.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]
    #[test]
    fn a_file_does_what_a_vector_does_in_every_form(
        steps in proptest::collection::vec(steps(), 1..30),
    ) {
        let dir = Dir::new();
        for (n, rt) in runtimes().enumerate() {
            let path = dir.path(&n.to_string());
            let file = rt.block_on(rt.open(path, &read_write())).unwrap();
            let mut bytes = Vec::new();
            for (form, step) in steps.iter().enumerate() {
                match *step {
                    Step::Write(at, byte) => {
                        file.blocking().write_all_at(&[byte; 3], at).unwrap();
                        let at = at as usize;
                        bytes.resize(bytes.len().max(at + 3), 0);
                        bytes[at..at + 3].fill(byte);
                    }
                    Step::Control(op) => {
                        run(&file, form, op).unwrap();
                        model(&mut bytes, op);
                    }
                }
                prop_assert_eq!(file.blocking().len().unwrap(), bytes.len() as u64);
                prop_assert_eq!(file.block_on(IoControl::len(&file)).unwrap(), bytes.len() as u64);
                let mut read = Vec::new();
                file.blocking().read_to_end_at(&mut read, 0).unwrap();
                prop_assert!(read == bytes, "{:?}", step);
                check_extents(&file, &bytes);
            }
        }
    }
}

#[test]
fn a_hole_is_told_from_data() {
    let dir = Dir::new();
    for rt in runtimes() {
        let file = rt
            .block_on(rt.open(dir.path("holes"), &read_write()))
            .unwrap();
        file.blocking().set_len(1 << 20).unwrap();
        file.blocking().write_all_at(&[1; 4096], 1 << 19).unwrap();
        let extents = file.block_on(file.extents(..)).unwrap();
        let kinds: Vec<_> = extents.iter().map(|extent| extent.kind).collect();
        if kinds == [ExtentKind::Data] {
            // A file system without holes.
            continue;
        }
        assert_eq!(
            kinds,
            [ExtentKind::Hole, ExtentKind::Data, ExtentKind::Hole]
        );
        let data = file.block_on(file.extent_at(1 << 19)).unwrap().unwrap();
        assert_eq!((data.kind, data.span.start()), (ExtentKind::Data, 1 << 19));
        assert_eq!(file.block_on(file.extent_at(1 << 20)).unwrap(), None);
        file.blocking()
            .write_zeroes(.., Unmap::Allowed)
            .unwrap_err();
        file.blocking().discard(..).unwrap();
        let extents = file.blocking().extents(..).unwrap();
        assert_eq!(extents.len(), 1);
        assert_eq!(extents[0].kind, ExtentKind::Hole);
    }
}

#[test]
fn operations_of_a_batch_are_carried_out_together() {
    let dir = Dir::new();
    for rt in runtimes() {
        let file = rt
            .block_on(rt.open(dir.path("batch"), &read_write()))
            .unwrap();
        file.blocking().write_all_at(&[1; 1 << 16], 0).unwrap();
        let span = |n: u64| Span::from(n * 4096..(n + 1) * 4096);
        let mut ops: Vec<_> = (0..16).map(|n| ControlOp::Discard(span(n))).collect();
        ops.push(ControlOp::SyncAll);
        ops.push(ControlOp::Shutdown);
        let ended = file.block_on(file.control_batch(&ops));
        assert!((0..17).all(|n| ended.result(n).is_ok()));
        assert_eq!(
            ended.result(17).unwrap_err().kind(),
            ErrorKind::NotSupported
        );
        assert_eq!(
            file.block_on(file.read_vec_at(0, 1 << 16)).unwrap(),
            [0; 1 << 16]
        );
    }
}

#[test]
fn a_file_that_is_only_read_refuses_changes() {
    let dir = Dir::new();
    std::fs::write(dir.path("file"), [1; 10]).unwrap();
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(dir.path("file"))).unwrap();
        assert!(!file.capabilities().contains(ControlKind::SetLen));
        let error = file.block_on(file.set_len(3)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
        let error = file.blocking().discard(0..3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
        let shown = format!(
            "discard of 3 bytes at offset 0 of {}",
            dir.path("file").display()
        );
        assert!(error.to_string().starts_with(&shown), "{error}");
        file.blocking().prefetch(..).unwrap();
        file.block_on(file.sync_all()).unwrap();
        assert_eq!(file.blocking().len().unwrap(), 10);
    }
}

#[test]
fn a_directory_can_be_synced_and_nothing_else() {
    let dir = Dir::new();
    let path = dir.path("x").parent().unwrap().to_path_buf();
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(&path)).unwrap();
        file.block_on(file.control(ControlOp::SyncAll)).unwrap();
        file.blocking().sync_data().unwrap();
        let error = file.block_on(file.prefetch(..)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    }
}

#[test]
fn a_socket_is_ended_after_what_was_written_and_a_pipe_cannot_be() {
    for rt in runtimes() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let ours = File::from_owned_fd(&rt, ours.into()).into_stream().unwrap();
        let theirs = File::from_owned_fd(&rt, theirs.into())
            .into_stream()
            .unwrap();
        rt.block_on(async {
            ours.write_all(b"last words").await.unwrap();
            ours.shutdown().await.unwrap();
            let mut bytes = [0; 20];
            assert_eq!(theirs.read(&mut bytes).await.unwrap(), 10);
            assert_eq!(theirs.read(&mut bytes).await.unwrap(), 0);
            // The other direction stays open.
            theirs.write_all(b"answer").await.unwrap();
            assert_eq!(ours.read(&mut bytes).await.unwrap(), 6);
        });
        let (_reads, writes) = std::io::pipe().unwrap();
        let writes = File::from_owned_fd(&rt, writes.into())
            .into_stream()
            .unwrap();
        let error = writes.blocking().shutdown().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    }
}

/// The futures are dropped while threads, or the kernel, have the operations.
#[test]
fn operations_of_dropped_futures_are_carried_out() {
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.path("dropped");
        let file = rt.block_on(rt.open(&path, &read_write())).unwrap();
        for len in 1..50 {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = pin!(file.control(ControlOp::SyncAll)).poll(&mut cx);
            let _ = pin!(file.extents(..)).poll(&mut cx);
            let _ = pin!(file.set_len(len)).poll(&mut cx);
        }
        let last = pin!(file.set_len(77));
        file.block_on(last).unwrap();
        drop(file);
        drop(rt);
        assert!(std::fs::metadata(&path).unwrap().len() <= 77);
    }
    assert_eq!(mfio_rt::native::leaked_operations(), 0);
}

/// A block device in a file, which takes privileges.
struct Loop(String);

impl Loop {
    fn new(file: &std::path::Path) -> Option<Self> {
        let mut losetup = std::process::Command::new("losetup");
        let output = losetup.args(["--find", "--show"]).arg(file).output().ok()?;
        let name = String::from_utf8(output.stdout).ok()?;
        output
            .status
            .success()
            .then(|| Self(name.trim().to_string()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup")
            .args(["-d", &self.0])
            .status();
    }
}

#[test]
fn a_block_device_is_discarded_and_zeroed_and_keeps_its_length() {
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.path("device");
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let Some(device) = Loop::new(&path) else {
            eprintln!("SKIPPED: no block device can be made here");
            return;
        };
        let file = rt.block_on(rt.open(&device.0, &OpenOptions::new().read(true).write(true)));
        let file = file.unwrap();
        let zeros = |from: u64, to: u64| {
            let bytes = file.blocking();
            let mut read = vec![7; (to - from) as usize];
            bytes.read_exact_at(&mut read, from).unwrap();
            read.iter().all(|byte| *byte == 0)
        };
        file.block_on(async {
            assert_eq!(IoControl::len(&file).await.unwrap(), 1 << 20);
            file.write_zeroes(4096..8192, Unmap::Forbidden)
                .await
                .unwrap();
            file.write_zeroes(8192..12_288, Unmap::Allowed)
                .await
                .unwrap();
            // The blocks within; what is beyond the end is ignored.
            file.discard(20_000..40_001).await.unwrap();
            file.discard((1 << 20) - 4096..).await.unwrap();
            file.discard(1..2).await.unwrap();
            file.control(ControlOp::SyncAll).await.unwrap();
            let all = file.extents(..).await.unwrap();
            assert_eq!(all.last().unwrap().span.end(), 1 << 20);
            file.prefetch(..).await.unwrap();
            assert_eq!(
                file.set_len(1).await.unwrap_err().kind(),
                ErrorKind::NotSupported
            );
            assert!(!file.capabilities().contains(ControlKind::Allocate));
        });
        assert!(zeros(4096, 12_288));
        assert!(!zeros(0, 4096) && !zeros(12_288, 16_384));
        let mut edges = [0; 1];
        file.blocking().read_exact_at(&mut edges, 20_000).unwrap();
        assert_eq!(edges, [1], "before the first whole block");
        file.blocking().read_exact_at(&mut edges, 40_000).unwrap();
        assert_eq!(edges, [1], "after the last whole block");
    }
}
