//! Generic functions can spawn the futures of integrations: these are `Send` where the link, the
//! closure and the future are.

use crate::common::{Adder, Bell, must_end, tokio_here};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::fmt::Debug;
use std::future::ready;
use std::sync::LazyLock;

/// An object whose operation is a named future.
trait Hundred: IoBackend + Send + Sync + 'static {
    fn one(&self) -> impl Future<Output = u32> + Send;
}

impl Hundred for Adder {
    async fn one(&self) -> u32 {
        self.add_one(0).await
    }
}

async fn on_tokio<L>(link: L) -> u32
where
    L: LinksIoBackend<Link: Hundred> + Send + 'static,
{
    tokio::spawn(Tokio::run_with(link, async |io: &L::Link| io.one().await))
        .await
        .unwrap()
}

async fn with_a_closure<L, F, R>(link: L, func: F) -> R::Output
where
    L: LinksIoBackend<Link: Sync> + Send + 'static,
    F: FnOnce(&L::Link) -> R + Send + 'static,
    R: Future<Output: Send + Debug + 'static> + Send + 'static,
{
    tokio::spawn(Tokio::run_with(link, |io: &L::Link| func(io)))
        .await
        .unwrap()
}

async fn borrowed<B, F>(io: B, func: F) -> u32
where
    B: Hundred,
    F: Fn(u32) -> u32 + Send + Sync + 'static,
{
    tokio::spawn(async move {
        let mut io = io;
        Tokio::run_with_mut(&mut io, |io| async move { func(io.one().await) }).await
    })
    .await
    .unwrap()
}

fn is_send<T: Send>(_: &T) {}

fn of_every_integration<L: LinksIoBackend<Link: Hundred> + Send>(links: [L; 3]) {
    let [a, b, c] = links;
    is_send(&Null::run_with(a, async |io: &L::Link| io.one().await));
    is_send(&Tokio::run_with(b, async |io: &L::Link| io.one().await));
    is_send(&AsyncIo::run_with(c, async |io: &L::Link| io.one().await));
}

#[test]
fn rule_8_futures_are_send_in_generic_code() {
    must_end(|| {
        tokio_here().block_on(async {
            assert_eq!(on_tokio(Adder::with_bell(Bell::eventfd())).await, 1);
            static IO: LazyLock<Adder> = LazyLock::new(|| Adder::with_bell(Bell::eventfd()));
            assert_eq!(on_tokio(RefLink::new(&*IO)).await, 1);
            let io = Adder::with_bell(Bell::eventfd());
            assert_eq!(with_a_closure(io, |_| ready(7)).await, 7);
            let io = Adder::with_bell(Bell::eventfd());
            assert_eq!(borrowed(io, |n| n + 1).await, 2);
            of_every_integration(Adder::each());
        });
    });
}
