//! Waits until another thread sleeps in the kernel: then it has reached the wait that a test is
//! about.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread whose state can be asked for.
pub(crate) struct Watched(Option<PathBuf>);

impl Watched {
    /// The calling thread.
    pub(crate) fn this() -> Self {
        let link = std::fs::read_link("/proc/thread-self").ok();
        Self(link.map(|link| Path::new("/proc").join(link)))
    }

    /// Returns once the thread sleeps, or has ended. Where the system does not tell, it has had its
    /// time.
    pub(crate) fn until_asleep(&self) {
        let Some(place) = &self.0 else {
            thread::sleep(Duration::from_millis(50));
            return;
        };
        let begun = Instant::now();
        // A lock of the allocator may send it to sleep for a moment: the wait that is meant lasts.
        let mut asleep = 0;
        while asleep < 5 {
            // The state follows the name, which is in parentheses and may have any character.
            let Ok(stat) = std::fs::read_to_string(place.join("stat")) else {
                return;
            };
            let sleeps = stat.rsplit(") ").next().is_some_and(|s| s.starts_with('S'));
            asleep = if sleeps { asleep + 1 } else { 0 };
            assert!(begun.elapsed() < Duration::from_secs(60), "it never sleeps");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Spawns a thread that can be watched.
pub(crate) fn spawn_watched<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> (JoinHandle<T>, Watched) {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(Watched::this()).unwrap();
        f()
    });
    (thread, told.recv().unwrap())
}
