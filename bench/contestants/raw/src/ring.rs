use harness_common::Args;
use io_uring::IoUring;

/// The features of the ring that a variant's name asks for.
#[derive(Clone, Copy)]
pub(crate) struct Features {
    coop: bool,
    defer: bool,
    pub(crate) reg: bool,
    nosq: bool,
    sqpoll: bool,
}

impl Features {
    pub(crate) fn of(a: &Args) -> Self {
        let best = a.variant == "best";
        let has = |f: &str| a.variant.split('+').any(|v| v == f);
        Self {
            coop: has("coop"),
            defer: best || has("defer"),
            reg: best || has("reg"),
            nosq: best || has("nosq"),
            sqpoll: has("sqpoll"),
        }
    }

    pub(crate) fn ring(&self, entries: u32) -> IoUring {
        let mut b = IoUring::builder();
        if self.coop {
            b.setup_coop_taskrun();
        }
        if self.defer {
            b.setup_single_issuer().setup_defer_taskrun();
        }
        if self.nosq {
            b.setup_no_sqarray();
        }
        if self.sqpoll {
            b.setup_sqpoll(1000);
        }
        b.setup_cqsize(entries * 4);
        b.build(entries).expect("io_uring_setup")
    }
}
