//! The last poll of the backend, which submits what was sent: rule 7.

use crate::common::{Adder, Object, must_end, poll};
#[cfg(unix)]
use crate::common::{Bell, tokio_here};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::pin::pin;
#[cfg(unix)]
use std::sync::Arc;

#[test]
fn rule_7_what_was_sent_is_submitted_before_block_on_returns() {
    must_end(|| {
        for io in Adder::each() {
            for n in 1..=3 {
                io.block_on(async { io.send(0) });
                assert_eq!(io.submitted(), n);
            }
            // With an operation that is awaited and dropped half-way, too.
            io.block_on(async {
                let _ = poll(pin!(io.add_one(0)));
                io.send(0);
            });
            assert_eq!(io.submitted(), 5);
        }
    });
}

#[test]
fn rule_7_what_was_sent_is_submitted_before_with_backend_is_ready() {
    let io = Adder::bare();
    let (both, _) = io.with_backend(async { io.send(0) });
    assert!(poll(pin!(both)).is_ready());
    assert_eq!(io.submitted(), 1);
    // At every depth.
    let all = [Adder::bare(), Adder::bare(), Adder::bare()];
    let [a, b, c] = &all;
    let inner = b.object.container.acquire_nested(c.get_backend());
    let stack = a.object.container.acquire_nested(inner);
    let sends = async { all.iter().for_each(|io| io.send(0)) };
    block_on::<DefaultHandle, _, Object>(sends, stack, None);
    assert!(all.iter().all(|io| io.submitted() == 1));
}

#[cfg(unix)]
#[test]
fn rule_7_what_was_sent_is_submitted_before_integrations_are_ready() {
    must_end(|| {
        async fn send(io: &Adder) {
            io.send(0);
        }
        let mut io = Adder::bare();
        pollster::block_on(Null::run_with_mut(&mut io, send));
        assert_eq!(io.submitted(), 1);
        let mut io = Adder::with_bell(Bell::eventfd());
        tokio_here().block_on(Tokio::run_with_mut(&mut io, send));
        assert_eq!(io.submitted(), 1);
        smol::block_on(AsyncIo::run_with_mut(&mut io, send));
        assert_eq!(io.submitted(), 2);
        let io = Arc::new(io);
        tokio_here().block_on(Tokio::run_with(io.clone(), async |io: &Arc<Adder>| {
            send(io).await
        }));
        assert_eq!(io.submitted(), 3);
        smol::block_on(AsyncIo::run_with(io.clone(), async |io: &Arc<Adder>| {
            send(io).await
        }));
        assert_eq!(io.submitted(), 4);
    });
}
