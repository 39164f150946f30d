//! `Send` and `Sync` of containers, handles and futures: no wider than the contents allow, and no
//! narrower.

use mfio::backend::integrations::Running;
use mfio::backend::*;
use std::cell::Cell;
use std::future::{Future, Ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::MutexGuard;

fn send<T: Send + ?Sized>() {}
fn sync<T: Sync + ?Sized>() {}

/// Fails to compile where `$type` is `$auto`: the call is ambiguous then.
macro_rules! not {
    ($type:ty: $auto:ident) => {{
        trait AmbiguousIf<A> {
            fn is() {}
        }
        struct Is;
        impl<T: ?Sized> AmbiguousIf<()> for T {}
        impl<T: ?Sized + $auto> AmbiguousIf<Is> for T {}
        <$type as AmbiguousIf<_>>::is();
    }};
}

/// A backend with a `T` in it.
struct Holds<T>(PhantomData<T>);

/// Neither `Send` nor `Sync`.
type Neither = Holds<Rc<()>>;
/// `Send` only.
type OnlySend = Holds<Cell<()>>;
/// `Sync` only.
type OnlySync = Holds<MutexGuard<'static, ()>>;
type DynNeither = dyn Future<Output = ()>;

#[test]
fn send_or_sync_wider_than_the_contents_allow() {
    send::<OnlySend>();
    sync::<OnlySync>();
    not!(OnlySend: Sync);
    not!(OnlySync: Send);
    not!(Neither: Send);
    not!(Neither: Sync);

    // A container is lent and sent, and with it the backend: so both follow from the backend's
    // `Send`.
    not!(BackendContainer<Neither>: Send);
    not!(BackendContainer<Neither>: Sync);
    not!(BackendContainer<OnlySync>: Send);
    not!(BackendContainer<OnlySync>: Sync);
    not!(BackendContainer<DynNeither>: Send);
    not!(BackendContainer<DynNeither>: Sync);
    // A handle is exclusive use of it.
    not!(BackendHandle<'static, Neither>: Send);
    not!(BackendHandle<'static, Neither>: Sync);
    not!(BackendHandle<'static, OnlySend>: Sync);
    not!(BackendHandle<'static, DynNeither>: Send);
    // A future with a backend needs both to be.
    not!(WithBackend<'static, DynBackend, Neither>: Send);
    not!(WithBackend<'static, DynBackend, OnlySync>: Send);
    not!(WithBackend<'static, DynNeither, Ready<()>>: Send);
    not!(Running<Null, Neither>: Send);
    not!(Running<Null, OnlySend>: Sync);
    not!(RefLink<'static, OnlySend>: Send);
    // A handle of one's own goes along.
    not!(PollingHandle<'static, Rc<()>>: Send);
    not!(PollingHandle<'static, Cell<()>>: Sync);
}

#[test]
fn send_and_sync_as_wide_as_the_contents_allow() {
    fn container<B: ?Sized + Send>() {
        send::<BackendContainer<B>>();
        sync::<BackendContainer<B>>();
        send::<BackendHandle<'_, B>>();
    }
    fn with_backend<B: ?Sized + Send, F: Send>() {
        send::<WithBackend<'_, B, F>>();
        send::<Running<Null, F>>();
    }
    fn link<T: ?Sized + Sync>() {
        send::<RefLink<'_, T>>();
        sync::<RefLink<'_, T>>();
    }
    container::<DynBackend>();
    container::<Cell<()>>();
    with_backend::<DynBackend, Ready<Cell<()>>>();
    link::<BackendContainer<DynBackend>>();
    send::<PollingHandle<'static>>();
    sync::<PollingHandle<'static>>();
    send::<Busy>();
    sync::<Busy>();
}
