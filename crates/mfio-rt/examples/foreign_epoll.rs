//! Files read through mfio in somebody else's epoll loop, beside a timer of that loop's own. Linux
//! only.
//!
//! ```text
//! cargo run -p mfio-rt --example foreign_epoll -- FILE...
//! ```
//!
//! The loop knows nothing of mfio but three things: a descriptor to watch, where the driver has
//! one; how long it may sleep; and a turn to take before it sleeps. It wakes itself by an eventfd
//! of its own, as a GUI's loop would by a message.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
pub(crate) mod epoll {
    use std::fs::File;
    use std::future::Future;
    use std::io::{self, Read, Write};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::path::{Path, PathBuf};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    use mfio::backend::{ForeignLoop, Tick};
    use mfio::traits::IoRead;
    use mfio_rt::native::NativeRt;

    /// The result of a system call that returns a new descriptor.
    fn new_fd(fd: libc::c_int) -> io::Result<OwnedFd> {
        match fd {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the system has just made the descriptor, for the caller alone.
            fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }

    /// Makes its descriptor readable when it is woken: so the loop does not sleep.
    struct Event(File);

    impl Event {
        fn new() -> io::Result<Self> {
            // SAFETY: the call takes numbers only.
            let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
            Ok(Self(new_fd(fd)?.into()))
        }
    }

    impl Wake for Event {
        fn wake(self: Arc<Self>) {
            // It fails only where the counter is full, and then the descriptor is readable anyway.
            let _ = (&self.0).write(&1u64.to_ne_bytes());
        }
    }

    /// A descriptor that is readable every `period`.
    fn timer(period: Duration) -> io::Result<File> {
        // SAFETY: the call takes numbers only.
        let fd = new_fd(unsafe {
            libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_NONBLOCK | libc::TFD_CLOEXEC,
            )
        })?;
        let period = libc::timespec {
            tv_sec: period.as_secs() as libc::time_t,
            tv_nsec: period.subsec_nanos().into(),
        };
        let times = libc::itimerspec {
            it_interval: period,
            it_value: period,
        };
        // SAFETY: the new times are valid for the call, and the old ones are not asked for.
        match unsafe { libc::timerfd_settime(fd.as_raw_fd(), 0, &times, std::ptr::null_mut()) } {
            0 => Ok(fd.into()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    struct Epoll(OwnedFd);

    impl Epoll {
        fn new() -> io::Result<Self> {
            // SAFETY: the call takes a number only.
            new_fd(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
        }

        fn watch(&self, fd: RawFd, interests: libc::c_short) -> io::Result<()> {
            // The bits of poll(2) are those of epoll.
            let mut event = libc::epoll_event {
                events: interests as u32,
                u64: fd as u64,
            };
            // SAFETY: the event is valid for the call.
            match unsafe {
                libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event)
            } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        }

        /// Sleeps until a descriptor is ready, or for as long as it may.
        fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
            // Rounded up: a loop that looks a moment too early would only look again.
            let millis = timeout.map_or(-1, |time| {
                time.as_millis().saturating_add(1).min(60_000) as i32
            });
            let mut events = [libc::epoll_event { events: 0, u64: 0 }; 8];
            // SAFETY: there is room for as many events as are asked for.
            let ready =
                unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 8, millis) };
            match ready {
                -1 => match io::Error::last_os_error() {
                    // Without any signal, too: io_uring interrupts the wait of the thread that
                    // submitted, to finish work.
                    error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                    error => Err(error),
                },
                _ => Ok(()),
            }
        }
    }

    /// Reads a file to its end, and returns how many bytes there were, and their sum.
    async fn sum(rt: NativeRt, path: PathBuf) -> mfio::error::Result<(u64, u64)> {
        let file = rt.open_read(&path).await?;
        let (mut len, mut sum) = (0, 0);
        loop {
            let bytes = file.read_vec_at(len, 64 * 1024).await?;
            if bytes.is_empty() {
                file.close().await?;
                return Ok((len, sum));
            }
            len += bytes.len() as u64;
            sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
    }

    /// The results of a run: each file's length and sum, in the order of the paths, and the ticks
    /// of the timer.
    pub(crate) struct Ran {
        pub(crate) files: Vec<(u64, u64)>,
        pub(crate) ticks: u64,
    }

    type Summing = Pin<Box<dyn Future<Output = mfio::error::Result<(u64, u64)>>>>;

    /// The loop. It ends when all files are read and the timer has ticked.
    pub(crate) fn run(
        rt: &NativeRt,
        paths: &[impl AsRef<Path>],
        period: Duration,
    ) -> Result<Ran, Box<dyn std::error::Error>> {
        let event = Arc::new(Event::new()?);
        let waker = Waker::from(event.clone());
        let mut timer = timer(period)?;
        let epoll = Epoll::new()?;
        epoll.watch(event.0.as_raw_fd(), libc::POLLIN)?;
        epoll.watch(timer.as_raw_fd(), libc::POLLIN)?;

        let mut driver = ForeignLoop::with_waker(rt, waker.clone());
        // io_uring has a descriptor. Without one, operations end on other threads, and the waker
        // suffices.
        if let Some(handle) = driver.handle() {
            epoll.watch(handle.handle, handle.cur_flags.to_posix())?;
        }

        let begin = |path: &_| -> (Option<Summing>, _) {
            let path: &Path = AsRef::as_ref(path);
            (Some(Box::pin(sum(rt.clone(), path.to_owned()))), (0, 0))
        };
        let mut files: Vec<_> = paths.iter().map(begin).collect();
        let mut ticks = 0;
        while ticks == 0 || files.iter().any(|(reads, _)| reads.is_some()) {
            // Whatever is awaited. A loop with many futures would know which ones were woken.
            for (reading, result) in &mut files {
                if let Some(reads) = reading
                    && let Poll::Ready(read) = reads.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    (*reading, *result) = (None, read?);
                }
            }
            // Hands over what was sent, ends what is finished. Anything that this wakes makes the
            // eventfd readable.
            let timeout = match driver.tick() {
                Tick::Again => Some(Duration::ZERO),
                Tick::Idle => driver.next_timeout(),
            };
            epoll.wait(timeout)?;
            // Drained before the futures are polled, never after.
            let _ = (&event.0).read(&mut [0; 8]);
            let mut expired = [0; 8];
            if timer.read(&mut expired).is_ok() {
                ticks += u64::from_ne_bytes(expired);
            }
        }
        let files = files.into_iter().map(|(_, result)| result).collect();
        Ok(Ran { files, ticks })
    }
}

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the test has the rest of this file as a module")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths: Vec<_> = std::env::args_os().skip(1).collect();
    if paths.is_empty() {
        paths.push(std::env::current_exe()?.into());
    }
    let rt = mfio_rt::native::NativeRt::new()?;
    let ran = epoll::run(&rt, &paths, std::time::Duration::from_millis(1))?;
    for (path, (len, sum)) in paths.iter().zip(ran.files) {
        println!("{}: {len} bytes, whose sum is {sum}", path.display());
    }
    println!("the timer ticked {} times meanwhile", ran.ticks);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("epoll is Linux's");
}
