//! W1 to W3 on a bare ring.

#![allow(unsafe_code)]

use crate::ring::Features;
use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads, SeqCursor, open_file};
use io_uring::{IoUring, opcode, types};
use std::fs::File;
use std::os::fd::AsRawFd;

/// A ring with `qd` buffers, and one or two files, registered if the variant says so.
struct Setup {
    ring: IoUring,
    bufs: Vec<AlignedBuf>,
    fds: Vec<i32>,
    f: Features,
}

impl Setup {
    fn new(a: &Args, files: &[&File]) -> Self {
        let f = Features::of(a);
        let ring = f.ring((a.qd as u32).next_power_of_two().max(8));
        let bufs: Vec<_> = (0..a.qd).map(|_| AlignedBuf::new(a.bs)).collect();
        let fds: Vec<_> = files.iter().map(|f| f.as_raw_fd()).collect();
        if f.reg {
            let iov: Vec<_> = bufs
                .iter()
                .map(|b| libc::iovec {
                    iov_base: b.as_ptr() as *mut _,
                    iov_len: b.len(),
                })
                .collect();
            // SAFETY: the buffers live as long as the ring, beside it in `Setup`.
            unsafe { ring.submitter().register_buffers(&iov) }.expect("register buffers");
            ring.submitter().register_files(&fds).expect("files");
        }
        Self { ring, bufs, fds, f }
    }

    /// Queues one read or write of slot `i`'s whole buffer; `user_data` is `tag`.
    #[inline]
    fn push(&mut self, i: usize, file: usize, write: bool, off: u64, tag: u64) {
        let b = &mut self.bufs[i];
        let (p, n) = (b.as_mut_ptr(), b.len() as u32);
        let e = match (self.f.reg, write) {
            (true, false) => opcode::ReadFixed::new(types::Fixed(file as u32), p, n, i as u16)
                .offset(off)
                .build(),
            (true, true) => opcode::WriteFixed::new(types::Fixed(file as u32), p, n, i as u16)
                .offset(off)
                .build(),
            (false, false) => opcode::Read::new(types::Fd(self.fds[file]), p, n)
                .offset(off)
                .build(),
            (false, true) => opcode::Write::new(types::Fd(self.fds[file]), p, n)
                .offset(off)
                .build(),
        };
        // SAFETY: the buffer outlives the operation: every loop drains before it returns.
        unsafe { self.ring.submission().push(&e.user_data(tag)) }.expect("queue full");
    }

    /// Runs slots until `next` has nothing more for any of them.
    fn drive(&mut self, mut next: impl FnMut(usize) -> Option<u64>, write: bool) -> u64 {
        let mut inflight = 0;
        let mut ops = 0;
        let mut free: Vec<usize> = (0..self.bufs.len()).collect();
        loop {
            while let Some(i) = free.pop() {
                if let Some(off) = next(i) {
                    self.push(i, 0, write, off, i as u64);
                    inflight += 1;
                }
            }
            if inflight == 0 {
                return ops;
            }
            self.ring.submit_and_wait(1).expect("enter");
            for c in self.ring.completion() {
                assert_eq!(c.result(), self.bufs[0].len() as i32, "short transfer");
                inflight -= 1;
                ops += 1;
                free.push(c.user_data() as usize);
            }
        }
    }
}

pub(crate) fn rand_read(a: &Args) -> Outcome {
    let file = open_file(a, &a.file, false);
    let mut s = Setup::new(a, &[&file]);
    let m = Meter::start();
    let mut gens: Vec<_> = (0..a.qd).map(|i| RandReads::new(a, i, m.start)).collect();
    let ops = s.drive(|i| gens[i].next(), false);
    m.finish(ops, ops * a.bs as u64)
}

pub(crate) fn seq(a: &Args, write: bool) -> Outcome {
    let file = open_file(a, &a.file, write);
    let mut s = Setup::new(a, &[&file]);
    let m = Meter::start();
    let cur = SeqCursor::timed(a, m.start);
    let ops = s.drive(|_| cur.next(), write);
    m.finish(ops, cur.bytes())
}

/// `qd` slots, each reading a block and then writing it.
pub(crate) fn copy(a: &Args) -> Outcome {
    let src = open_file(a, &a.file, false);
    let dst = open_file(a, &a.out, true);
    let mut s = Setup::new(a, &[&src, &dst]);
    let m = Meter::start();
    let cur = SeqCursor::once(a);
    const WRITE: u64 = 1 << 32;
    let mut offs = vec![0; a.qd];
    let mut inflight = 0;
    for (i, slot) in offs.iter_mut().enumerate() {
        if let Some(off) = cur.next() {
            *slot = off;
            s.push(i, 0, false, off, i as u64);
            inflight += 1;
        }
    }
    let mut done = Vec::new();
    while inflight > 0 {
        s.ring.submit_and_wait(1).expect("enter");
        done.extend(s.ring.completion().map(|c| (c.user_data(), c.result())));
        for (tag, res) in done.drain(..) {
            cur.check(res as usize);
            let i = (tag & !WRITE) as usize;
            if tag & WRITE == 0 {
                s.push(i, 1, true, offs[i], tag | WRITE);
            } else if let Some(off) = cur.next() {
                offs[i] = off;
                s.push(i, 0, false, off, i as u64);
            } else {
                inflight -= 1;
            }
        }
    }
    m.finish(cur.bytes() / a.bs as u64, cur.bytes())
}
