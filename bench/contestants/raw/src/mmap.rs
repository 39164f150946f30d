//! W1 out of a mapping: the page cache's own speed, with no system call at all.

#![allow(unsafe_code)]

use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads, open_file};
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::ptr;

pub(crate) fn run(a: &Args) -> Outcome {
    let file = open_file(a, &a.file, false);
    // SAFETY: a fresh read-only mapping of the workload's file, at an address of the kernel's
    // choice.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            a.bytes as usize,
            libc::PROT_READ,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(base, libc::MAP_FAILED, "mmap");
    let base = base.cast::<u8>();
    let mut buf = AlignedBuf::new(a.bs);
    let m = Meter::start();
    let mut g = RandReads::new(a, 0, m.start);
    while let Some(off) = g.next() {
        // SAFETY: `off + bs` lies within the mapping, which lives to the end of the process.
        unsafe { ptr::copy_nonoverlapping(base.add(off as usize), buf.as_mut_ptr(), a.bs) };
        black_box(&mut buf[0]);
    }
    m.finish(g.ops(), g.ops() * a.bs as u64)
}
