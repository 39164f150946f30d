//! System calls that are refused after the runtime was built. A filter stays in force for good and
//! for all threads, so each test runs in a process of its own.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(unsafe_code)]

mod common;

use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use common::*;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::{Integration, IoBackendExt};
use mfio::error::{Error, ErrorKind};
use mfio::io::{PacketIo, Read};
use mfio::packet::{InFlight, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::native::{DriverKind, File, NativeRt, leaked_operations};

/// Runs a test in a process of its own, once for each number; `body` is given the number there.
fn apart(test: &str, numbers: &[i32], body: impl FnOnce(i32)) {
    const NUMBER: &str = "MFIO_REFUSED";
    if let Ok(number) = std::env::var(NUMBER) {
        return body(number.parse().unwrap());
    }
    for number in numbers {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(NUMBER, number.to_string())
            // LeakSanitizer needs a process of its own at the end, which may be refused as well.
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .spawn()
            .unwrap();
        let ended = (0..6000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            process.try_wait().unwrap()
        });
        let Some(status) = ended else {
            process.kill().unwrap();
            panic!("{test} hangs with {number}");
        };
        assert!(status.success(), "{test} fails with {number}: {status}");
    }
}

/// Has a system call fail from now on, in all threads.
fn refuse(call: libc::c_long, errno: i32) {
    let op = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut filter = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            call as u32,
        ),
        op(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno as u32,
        ),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: takes numbers only.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    let (mode, all) = (
        libc::SECCOMP_SET_MODE_FILTER,
        libc::SECCOMP_FILTER_FLAG_TSYNC,
    );
    // SAFETY: `program` and the filter live through the call.
    let set = unsafe { libc::syscall(libc::SYS_seccomp, mode, all, &raw const program) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// The time that an end takes if it waits for something. One that does not takes less, whatever
/// else is running.
const PATIENCE: Duration = Duration::from_secs(50);
const AT_ONCE: Duration = Duration::from_secs(20);

fn ring() -> Option<NativeRt> {
    runtime(DriverKind::IoUring)?;
    let builder = NativeRt::builder().require(DriverKind::IoUring);
    builder.shutdown_patience(PATIENCE).build().ok()
}

/// A runtime on io_uring, and a file; `None` where there is no io_uring.
fn on_ring(dir: &Dir) -> Option<(NativeRt, File)> {
    let rt = ring()?;
    let path = dir.file("file", 100);
    let options = mfio_rt::fs::OpenOptions::new().read(true).write(true);
    let file = rt.block_on(rt.open(path, &options)).unwrap();
    rt.block_on(file.sync_all()).unwrap();
    Some((rt, file))
}

fn kind_of(errno: i32) -> ErrorKind {
    mfio::error::Cause::from_errno(errno).kind()
}

/// Every kind of operation fails with this, and says so in the same words.
fn all_fail(rt: &NativeRt, file: &File, kind: ErrorKind, word: &str) {
    let large = vec![0; 1 << 20];
    let errors: [Error; 5] = [
        rt.block_on(file.sync_all()).unwrap_err(),
        rt.block_on(file.len()).unwrap_err(),
        rt.block_on(rt.open_read("/dev/null")).unwrap_err(),
        rt.block_on(file.write_all_at(b"refused", 0)).unwrap_err(),
        rt.block_on(file.read_exact_buf_at(large, 0)).0.unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.get_driver(), Some("io_uring"));
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.get_help(), errors[0].get_help());
    }
}

fn ends_at_once(things: impl Sized) {
    let began = Instant::now();
    drop(things);
    let took = began.elapsed();
    assert!(took < AT_ONCE, "the end took {took:?}");
    assert_eq!(leaked_operations(), 0);
}

/// A sandbox that is put in force after the start.
#[test]
fn a_ring_that_is_refused_later_fails_with_the_cause() {
    let numbers = [
        libc::EPERM,
        libc::EACCES,
        libc::EBADF,
        libc::EINVAL,
        libc::ENXIO,
        libc::ENOSYS,
    ];
    apart(
        "a_ring_that_is_refused_later_fails_with_the_cause",
        &numbers,
        |errno| {
            let dir = Dir::new();
            let Some((rt, file)) = on_ring(&dir) else {
                return;
            };
            refuse(libc::SYS_io_uring_enter, errno);
            all_fail(&rt, &file, kind_of(errno), "io_uring_enter");
            ends_at_once((file, rt));
        },
    );
}

/// Nobody is in `block_on`: the executor's reactor runs the turn that fails.
#[test]
fn a_ring_that_is_refused_later_fails_under_tokio() {
    apart(
        "a_ring_that_is_refused_later_fails_under_tokio",
        &[libc::EPERM],
        |errno| {
            let dir = Dir::new();
            let Some((rt, file)) = on_ring(&dir) else {
                return;
            };
            let executor = tokio::runtime::Builder::new_current_thread();
            let executor = { executor }.enable_all().build().unwrap();
            executor.spawn(Tokio::drive(rt.clone()));
            executor.block_on(file.sync_all()).unwrap();
            refuse(libc::SYS_io_uring_enter, errno);
            for _ in 0..2 {
                let error = executor.block_on(file.sync_all()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            }
            ends_at_once((executor, file, rt));
        },
    );
}

/// The runtime's own thread is what finds out.
#[test]
fn a_ring_that_is_refused_later_fails_though_nobody_drives() {
    let test = "a_ring_that_is_refused_later_fails_though_nobody_drives";
    apart(test, &[libc::EPERM, libc::ENOMEM], |errno| {
        let dir = Dir::new();
        let Some((rt, file)) = on_ring(&dir) else {
            return;
        };
        refuse(libc::SYS_io_uring_enter, errno);
        for _ in 0..2 {
            let error = smol::block_on(file.sync_all()).unwrap_err();
            assert_eq!(error.kind(), kind_of(errno));
        }
        ends_at_once((file, rt));
    });
}

/// If the kernel has no memory for good, the error names the limit. No other passing error is
/// retried for ever.
#[test]
fn memory_that_is_missing_for_good_is_an_error() {
    let numbers = [libc::ENOMEM, libc::EAGAIN, libc::EBUSY, libc::EINTR];
    apart(
        "memory_that_is_missing_for_good_is_an_error",
        &numbers,
        |errno| {
            let dir = Dir::new();
            let Some((rt, file)) = on_ring(&dir) else {
                return;
            };
            refuse(libc::SYS_io_uring_enter, errno);
            match errno {
                libc::ENOMEM | libc::EAGAIN => {
                    all_fail(&rt, &file, ErrorKind::OutOfMemory, "RLIMIT_MEMLOCK");
                }
                _ => all_fail(&rt, &file, kind_of(errno), "io_uring_enter"),
            }
            ends_at_once((file, rt));
        },
    );
}

fn read_of(file: &File) -> InFlight<[u8; 8], Read> {
    let (in_flight, view) = Packet::new([0; 8]).start::<Read>();
    file.send_io(0, view);
    in_flight
}

/// Operations that the kernel has taken before go on, and their memory is given back by their end
/// only.
#[test]
fn operations_submitted_before_a_refusal_end_as_usual() {
    let test = "operations_submitted_before_a_refusal_end_as_usual";
    apart(test, &[libc::EPERM], |errno| {
        let Some(rt) = ring() else {
            return;
        };
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stream = File::from_owned_fd(&rt, reader.into());
        let (never, _open) = std::io::pipe().unwrap();
        let never = File::from_owned_fd(&rt, never.into());
        let (mut goes_on, mut lasts) = (read_of(&stream), read_of(&never));
        let mut cx = Context::from_waker(Waker::noop());
        rt.block_on(async {
            assert!(Pin::new(&mut goes_on).poll(&mut cx).is_pending());
            assert!(Pin::new(&mut lasts).poll(&mut cx).is_pending());
        });
        refuse(libc::SYS_io_uring_enter, errno);
        assert!(rt.block_on(never.sync_all()).is_err());
        assert!(!goes_on.is_ended() && !lasts.is_ended());
        let feeder = std::thread::spawn(move || writer.write_all(b"8 bytes!"));
        let ended = rt.block_on(goes_on);
        assert_eq!(ended.outcome.first_error(), None);
        assert_eq!(ended.packet.buffer(), b"8 bytes!");
        feeder.join().unwrap().unwrap();
        ends_at_once((stream, never, rt));
        assert!(lasts.is_ended());
    });
}

/// The ring carries the wake-ups of those who wait for it.
#[test]
fn wake_ups_arrive_though_the_ring_is_refused() {
    apart(
        "wake_ups_arrive_though_the_ring_is_refused",
        &[libc::EPERM, libc::ENOMEM],
        |errno| {
            let Some(rt) = ring() else {
                return;
            };
            refuse(libc::SYS_io_uring_enter, errno);
            for _ in 0..100 {
                let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
                let waker = std::thread::spawn(move || receiver.recv().unwrap().wake());
                let mut polled = false;
                rt.block_on(std::future::poll_fn(move |cx| {
                    match std::mem::replace(&mut polled, true) {
                        true => Poll::Ready(()),
                        false => {
                            sender.send(cx.waker().clone()).unwrap();
                            Poll::Pending
                        }
                    }
                }));
                waker.join().unwrap();
            }
            ends_at_once(rt);
        },
    );
}

/// A write that nobody awaits cannot fail in words.
#[test]
fn a_dropped_write_is_carried_out_though_the_ring_is_refused() {
    let test = "a_dropped_write_is_carried_out_though_the_ring_is_refused";
    apart(test, &[libc::EPERM], |errno| {
        let dir = Dir::new();
        let Some((rt, file)) = on_ring(&dir) else {
            return;
        };
        let mut write = file.write_packet_at(Packet::new(*b"sent"), 0);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut write).poll(&mut cx).is_pending());
        drop(write);
        refuse(libc::SYS_io_uring_enter, errno);
        assert!(rt.block_on(file.sync_all()).is_err());
        let mut written = [0; 4];
        let path = file.path().unwrap();
        std::fs::File::open(path)
            .unwrap()
            .read_exact(&mut written)
            .unwrap();
        assert_eq!(&written, b"sent");
    });
}

/// The pool has no thread at all, and gets none. (What cannot block here does not "block".)
#[test]
fn a_thread_that_cannot_be_started_names_its_limit() {
    let test = "a_thread_that_cannot_be_started_names_its_limit";
    apart(test, &[libc::EAGAIN], |errno| {
        let rt = runtime(DriverKind::Threads).unwrap();
        let opened = std::fs::File::open("/dev/null").unwrap();
        let file = File::from_std(&rt, opened);
        refuse(libc::SYS_clone3, libc::ENOSYS);
        refuse(libc::SYS_clone, errno);
        for _ in 0..3 {
            let error = rt.block_on(file.sync_all()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitReached, "{error}");
            assert!(error.to_string().contains("RLIMIT_NPROC"), "{error}");
        }
        ends_at_once((file, rt));
    });
}
