//! Lent memory: a scope does not return before every request that has it has ended.

use mfio::backend::{DynBackend, IoBackend, SharedBackend};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Packet, View};
use mfio::scope::scope;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

#[path = "common/asleep.rs"]
mod asleep;
use asleep::{Watched, spawn_watched};

/// Views go to whoever has the receiver; the backend itself does nothing.
struct Slow {
    backend: SharedBackend,
    reads: Mutex<Sender<View<Read>>>,
}

impl Slow {
    fn new() -> (Self, Receiver<View<Read>>) {
        Self::with_backend(std::future::pending())
    }

    fn with_backend(
        backend: impl Future<Output = ()> + Send + 'static,
    ) -> (Self, Receiver<View<Read>>) {
        let (reads, receiver) = channel();
        let backend = SharedBackend::new(backend);
        let reads = Mutex::new(reads);
        (Self { backend, reads }, receiver)
    }
}

impl IoObject for Slow {}

impl PacketIo<Read> for Slow {
    fn send_io(&self, _: u64, view: View<Read>) {
        // A receiver that has gone fails the view.
        let _ = self.reads.lock().unwrap().send(view);
    }
}

impl IoBackend for Slow {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

/// Ends the next view once the calling thread waits for that, and says so just before.
fn end_late(
    views: Receiver<View<Read>>,
    ended: &'static AtomicBool,
) -> std::thread::JoinHandle<()> {
    let waiter = Watched::this();
    std::thread::spawn(move || {
        let mut view = views.recv().unwrap();
        waiter.until_asleep();
        view.bytes_mut().fill(0xaa);
        ended.store(true, Ordering::SeqCst);
        view.done();
    })
}

#[test]
fn memory_comes_back_with_the_result() {
    let io = Memory::new(vec![1, 2, 3, 4]);
    let (mut a, mut b, c) = ([0; 2], [0; 2], [9; 2]);
    let sum = scope(&io, async |s| {
        let (first, second) = (
            io.read_exact_buf_at(s.lend(&mut a), 0),
            io.read_exact_buf_at(s.lend(&mut b), 2),
        );
        let (result, mut a) = first.await;
        result.unwrap();
        a[0] += 10;
        let a = a.into_inner();
        second.await.0.unwrap();
        let (result, c) = io.write_all_buf_at(s.lend_shared(&c), 0).await;
        result.unwrap();
        assert_eq!(c.into_inner(), [9; 2]);
        u32::from(a[0]) + u32::from(a[1])
    });
    assert_eq!((sum, a, b), (13, [11, 2], [3, 4]));
    assert_eq!(io.to_vec(), [9, 9, 3, 4]);
}

#[test]
fn no_byte_is_copied() {
    let (io, views) = Slow::new();
    let mut bytes = [0; 16];
    let address = bytes.as_ptr().addr();
    let driver = std::thread::spawn(move || {
        let view = views.recv().unwrap();
        let seen = view.as_mut_ptr().addr();
        view.done();
        seen
    });
    scope(&io, async |s| {
        let ended = io.read_packet_at(Packet::new(s.lend(&mut bytes)), 0).await;
        assert!(ended.outcome.is_success());
    });
    assert_eq!(driver.join().unwrap(), address);
}

#[test]
fn a_dropped_operation_is_waited_for() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let (io, views) = Slow::new();
    let driver = end_late(views, &ENDED);
    let mut bytes = [0; 16];
    scope(&io, async |s| {
        let mut read = io.read_exact_buf_at(s.lend(&mut bytes), 0);
        let polled = futures_util::poll!(&mut read);
        assert!(polled.is_pending());
    });
    assert!(
        ENDED.load(Ordering::SeqCst),
        "the scope returned before the driver let go"
    );
    assert_eq!(bytes, [0xaa; 16]);
    driver.join().unwrap();
}

#[test]
fn a_panic_waits_before_it_goes_on() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let (io, views) = Slow::new();
    let driver = end_late(views, &ENDED);
    let mut bytes = [0; 16];
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        scope(&io, async |s| {
            let mut read = io.read_exact_buf_at(s.lend(&mut bytes), 0);
            assert!(futures_util::poll!(&mut read).is_pending());
            panic!("in the middle");
        })
    }));
    assert!(panicked.is_err());
    assert!(
        ENDED.load(Ordering::SeqCst),
        "the panic went on before the driver let go"
    );
    assert_eq!(bytes, [0xaa; 16]);
    driver.join().unwrap();
}

#[test]
fn lending_without_sending_waits_for_nothing() {
    let (io, _views) = Slow::new();
    let mut bytes = [0; 4];
    let mut more = [0; 4];
    scope(&io, async |s| {
        drop(s.lend(&mut bytes));
        drop(io.read_exact_buf_at(s.lend(&mut more), 0));
    });
}

#[test]
fn within_block_on_of_the_same_backend_it_panics_and_lends_nothing() {
    use mfio::backend::IoBackendExt;
    let (io, views) = Slow::new();
    let mut bytes = [0; 4];
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        io.block_on(async { io.blocking().read_exact_at(&mut bytes, 0) })
    }));
    assert!(panicked.is_err());
    assert!(views.try_recv().is_err(), "nothing was sent");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        io.block_on(async { scope(&io, async |_| ()) })
    }));
    assert!(panicked.is_err());
}

#[test]
fn blocking_calls_without_a_short_cut_lend_and_wait() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let (io, views) = Slow::new();
    let driver = end_late(views, &ENDED);
    let mut bytes = [0; 16];
    io.blocking().read_exact_at(&mut bytes, 0).unwrap();
    assert!(ENDED.load(Ordering::SeqCst));
    assert_eq!(bytes, [0xaa; 16]);
    driver.join().unwrap();
    let error = io.blocking().read_exact_at(&mut bytes, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dropped, "the driver has gone");
}

/// A scope with a view that nobody ends must not return: it is left hanging on a thread of its own.
#[test]
fn a_forgotten_view_blocks_the_scope() {
    let (returned, waiting) = channel();
    let (_, waiter) = spawn_watched(move || {
        let (io, views) = Slow::new();
        let mut bytes = [0; 16];
        scope(&io, async |s| {
            let mut read = io.read_exact_buf_at(s.lend(&mut bytes), 0);
            assert!(futures_util::poll!(&mut read).is_pending());
            // Forgotten, but reachable, so that checkers of leaks know it is meant.
            static KEPT: Mutex<Vec<View<Read>>> = Mutex::new(Vec::new());
            KEPT.lock().unwrap().push(views.recv().unwrap());
        });
        returned.send(()).unwrap();
    });
    waiter.until_asleep();
    assert!(waiting.try_recv().is_err());
}

/// Runs in a child process: the backend dies while a view of lent memory is out.
fn backend_dies(how: &str) {
    let sent = std::sync::Arc::new(AtomicBool::new(false));
    let seen = sent.clone();
    let (io, views) = Slow::with_backend(std::future::poll_fn(move |_| {
        match seen.load(Ordering::SeqCst) {
            true => panic!("the backend dies"),
            false => std::task::Poll::Pending,
        }
    }));
    let mut bytes = [0; 16];
    let result = catch_unwind(AssertUnwindSafe(|| match how {
        "blocking" => {
            sent.store(true, Ordering::SeqCst);
            let _ = io.blocking().read_exact_at(&mut bytes, 0);
        }
        "awaiting" => scope(&io, async |s| {
            sent.store(true, Ordering::SeqCst);
            let _ = io.read_exact_buf_at(s.lend(&mut bytes), 0).await;
        }),
        // The block is ready, and its operation dropped; the backend dies while the scope waits.
        _ => scope(&io, async |s| {
            let mut read = io.read_exact_buf_at(s.lend(&mut bytes), 0);
            assert!(futures_util::poll!(&mut read).is_pending());
            let (sent, sharing) = (sent.clone(), io.backend.sharing().clone());
            let waiter = Watched::this();
            std::thread::spawn(move || {
                waiter.until_asleep();
                sent.store(true, Ordering::SeqCst);
                sharing.signal();
            });
        }),
    }));
    println!("returned: {}", result.is_ok());
    drop(views);
    std::process::exit(0);
}

#[test]
fn a_backend_that_dies_with_the_memory_aborts() {
    const CHILD: &str = "MFIO_TEST_BACKEND_DIES";
    if let Ok(how) = std::env::var(CHILD) {
        backend_dies(&how);
    }
    for how in ["blocking", "awaiting", "settling"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_backend_that_dies_with_the_memory_aborts",
                "--nocapture",
            ])
            .env(CHILD, how)
            .output()
            .unwrap();
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            !output.status.success() && !stdout.contains("returned"),
            "{how}: {stdout}{stderr}"
        );
        assert!(
            stderr.contains("died while it had lent memory"),
            "{how}: {stderr}"
        );
    }
}

#[test]
fn a_backend_that_dies_without_the_memory_is_an_ordinary_panic() {
    let (io, views) = Slow::with_backend(async { panic!("the backend dies") });
    drop(views);
    let mut bytes = [1; 16];
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        io.blocking().read_exact_at(&mut bytes, 0)
    }));
    // The view was dropped within `send_io`, so that the call may go either way, but must come
    // back.
    if let Ok(result) = panicked {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Dropped);
    }
    assert_eq!(bytes, [1; 16]);
}

/// A view that a writer was lent reaches it unchanged.
#[test]
fn scoped_writes_borrow_their_memory() {
    let io = Memory::new(vec![0; 8]);
    let bytes = *b"lent";
    scope(&io, async |s| {
        let mut write = io.write_all_buf_at(s.lend_shared(&bytes), 2);
        io.write_all_at(b"xy", 0).await.unwrap();
        let (result, _) = Pin::new(&mut write).await;
        result.unwrap();
    });
    assert_eq!(io.to_vec(), *b"xylent\0\0");
    let _: &dyn PacketIo<Write> = &io;
}
