//! W1 through bare `preadv2(RWF_NOWAIT)`, which fails instead of sleeping where a page is missing.

#![allow(unsafe_code)]

use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads, open_file};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

pub(crate) fn rand_read(a: &Args) -> Outcome {
    let file = open_file(a, &a.file, false);
    let mut buf = AlignedBuf::new(a.bs);
    let mut missed = 0u64;
    let m = Meter::start();
    let mut g = RandReads::new(a, 0, m.start);
    while let Some(off) = g.next() {
        let iov = libc::iovec {
            iov_base: buf.as_mut_ptr().cast(),
            iov_len: buf.len(),
        };
        // SAFETY: one vector over a buffer of ours, alive and unshared throughout the call.
        let n = unsafe {
            libc::preadv2(
                file.as_raw_fd(),
                &iov,
                1,
                off as libc::off_t,
                libc::RWF_NOWAIT,
            )
        };
        if n >= 0 {
            g.check(n as usize);
            continue;
        }
        let e = std::io::Error::last_os_error();
        assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock, "preadv2: {e}");
        missed += 1;
        g.check(file.read_at(&mut buf, off).unwrap());
    }
    m.finish(g.ops(), g.ops() * a.bs as u64)
        .with("missed", missed as f64)
}
