//! The end of a stream goes through layers.

use mfio::backend::IoBackendExt;
use mfio::control::ControlIo;
use mfio::cursor::ByteStream;
use mfio::io::{NoPos, PacketIo, Write};
use mfio::memory::{PipeWriter, pipe};
use mfio::traits::StreamRead;
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, Fault, Limit, Limits, Retry, RetryPolicy, SystemNow, Timeout, Trace,
};
use std::future::poll_fn;
use std::time::Duration;

/// Writes and ends the stream through a layer, which is not dropped before the reader has the end.
fn assert_ends<Io>(wrap: impl FnOnce(PipeWriter) -> Io)
where
    Io: PacketIo<Write, NoPos> + ControlIo,
{
    let (reads, writes) = pipe(64);
    let mut stream = ByteStream::new(wrap(writes));
    let bytes = reads.block_on(async {
        let written = poll_fn(|cx| stream.poll_write(cx, b"last words")).await;
        assert_eq!(written.unwrap(), 10);
        poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
        let mut bytes = Vec::new();
        reads.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    assert_eq!(bytes, b"last words");
}

#[test]
fn a_stream_below_layers_ends_when_it_is_shut_down() {
    assert_ends(Trace::<PipeWriter, SystemNow>::new);
    assert_ends(|io| Limit::<_, NoPos>::new(io, Limits::default()));
    assert_ends(|io| Retry::<_, NoPos>::new(io, RetryPolicy::new(3)));
    assert_ends(|io| Fault::<_, NoPos>::new(io, []));
    assert_ends(|io| Timeout::new(io, Duration::from_secs(1), ManualClock::new()));
    assert_ends(|io| AttachBackend::new(io, pipe(1).0));
}
