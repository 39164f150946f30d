//! The blocking form, no executor anywhere.

use crate::files::open;
use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads};
use mfio::traits::BlockingIo;
use mfio_rt::native::NativeRt;

pub(crate) fn rand_read(a: &Args) -> Outcome {
    let rt = NativeRt::new().expect("a runtime");
    let file = open(&rt, a, &a.file, false);
    let mut buf = AlignedBuf::new(a.bs);
    let m = Meter::start();
    let mut g = RandReads::new(a, 0, m.start);
    while let Some(off) = g.next() {
        file.blocking().read_exact_at(&mut buf, off).expect("read");
    }
    m.finish(g.ops(), g.ops() * a.bs as u64)
}
