//! The public items of `mfio::backend`, with the shapes that programs rely on.
#![cfg(any(unix, windows))]

mod common;

use common::{Object, must_panic};
#[cfg(unix)]
use mfio::backend::fd::{FdWaker, FdWakerOwner};
#[cfg(windows)]
use mfio::backend::handle::{EventWaker, EventWakerOwner};
use mfio::backend::integrations;
#[cfg(unix)]
use mfio::backend::integrations::{async_io::AsyncIo, tokio::Tokio};
use mfio::backend::{
    self, BackendContainer, BackendHandle, Busy, DefaultHandle, DynBackend, Integration, IoBackend,
    IoBackendExt, LinksIoBackend, Null, NullImpl, Pollable, PollingFlags, PollingHandle, RefLink,
    SharedBackendBuilder, WithBackend,
};
use std::fmt::{Debug, Display};
use std::future::{Ready, pending, ready};
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::RawHandle as RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, Waker};

#[test]
fn containers_and_handles() {
    type Flags = Option<Arc<AtomicU8>>;
    type Container = BackendContainer<DynBackend>;
    fn acquires(container: &Container, flags: Flags) -> BackendHandle<'_, DynBackend> {
        container.acquire(flags)
    }
    fn tries(container: &Container, flags: Flags) -> Result<BackendHandle<'_, DynBackend>, Busy> {
        container.try_acquire(flags)
    }
    fn nests<'a, B>(
        container: &'a Container,
        handle: BackendHandle<'a, B>,
    ) -> BackendHandle<'a, DynBackend>
    where
        B: Future<Output = ()> + Send + ?Sized,
    {
        container.acquire_nested(handle)
    }
    fn an_error<T: Debug + Display + core::error::Error + Send + Sync + 'static>(_: T) {}

    let container: Container = BackendContainer::new_dyn(pending());
    // Any sized backend, nested in a boxed one.
    let sized: BackendContainer<Ready<()>> = BackendContainer::new(ready(()));
    let mut handle = nests(&container, sized.acquire(None));
    let backend: Pin<&mut DynBackend> = handle.as_mut();
    assert!(
        backend
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    an_error(tries(&container, None).unwrap_err());
    drop(handle);
    let flags = Arc::new(AtomicU8::new(0));
    drop(acquires(&container, Some(flags)));
    drop(tries(&container, None).unwrap());
}

/// A shared backend may have a type of its own, and is acquired as a container is.
#[test]
fn a_shared_backend_is_a_container_too() {
    let shared = SharedBackendBuilder::new(pending())
        .on_signal_only()
        .build();
    let handle = shared.acquire();
    assert!(!shared.try_acquire().unwrap_err().is_dead());
    must_panic(&["already"], || shared.acquire());
    let nested = BackendContainer::new_dyn(pending());
    must_panic(&["already"], || shared.acquire_nested(nested.acquire(None)));
    drop(handle);
    drop(shared.acquire_nested(nested.acquire(None)));
    assert!(shared.polling_handle().is_none());
}

/// An object that implements neither form says so.
#[test]
fn an_object_without_a_backend_says_which_methods_it_lacks() {
    struct Empty;
    impl IoBackend for Empty {
        type Backend = DynBackend;
    }
    must_panic(&["IoBackend::shared"], || Empty.get_backend());
    must_panic(&["get_backend"], || Empty.block_on(async {}));
}

/// Stores and lends a value that is no future, too.
#[test]
fn a_container_holds_any_sized_value() {
    let container = BackendContainer::new(vec![1, 2, 3]);
    container.acquire(None).as_mut().push(4);
    let mut handle = container.acquire(None);
    assert_eq!(*handle.as_mut(), [1, 2, 3, 4]);
    must_panic(&["already"], || container.acquire(None));
}

#[test]
fn interests() {
    static NONE: PollingFlags = PollingFlags::new();
    static BOTH: PollingFlags = PollingFlags::all();
    let flags = NONE.clone().read(true).write(true).read(false);
    assert_eq!((flags.get(), BOTH.get()), ((false, true), (true, true)));
    flags.set_read(true);
    flags.set_write(false);
    assert_eq!(flags.get(), (true, false));
    #[cfg(unix)]
    interests_of_poll(&NONE, &BOTH, &flags);
}

#[cfg(unix)]
fn interests_of_poll(none: &PollingFlags, both: &PollingFlags, flags: &PollingFlags) {
    let to_posix: fn(&PollingFlags) -> core::ffi::c_short = PollingFlags::to_posix;
    assert_eq!(to_posix(flags), libc::POLLIN);
    assert_eq!(to_posix(none), 0);
    assert_eq!(to_posix(both), libc::POLLIN | libc::POLLOUT);
    assert_eq!(to_posix(&PollingFlags::new().write(true)), libc::POLLOUT);
}

#[test]
fn handles_of_this_platform() {
    fn pollable<T: Pollable>(_: T) {}
    #[cfg(unix)]
    let handle: DefaultHandle = -1;
    #[cfg(windows)]
    let handle: DefaultHandle = std::ptr::null_mut();
    let fd: RawFd = handle;
    pollable(fd);
    let flags = PollingFlags::new();
    let PollingHandle {
        handle,
        cur_flags,
        max_flags,
        waker,
    }: PollingHandle<'_> = PollingHandle {
        handle,
        cur_flags: &flags,
        max_flags: PollingFlags::all(),
        waker: Waker::noop().clone(),
    };
    let _: (RawFd, &PollingFlags, PollingFlags, Waker) = (handle, cur_flags, max_flags, waker);
}

#[test]
fn traits_of_objects() {
    fn with<B: IoBackend, F: Future>(
        io: &B,
        future: F,
    ) -> (WithBackend<'_, B::Backend, F>, Option<PollingHandle<'_>>) {
        io.with_backend(future)
    }
    fn linked<L: LinksIoBackend>(link: &L) -> &L::Link {
        link.get_mut()
    }
    fn backend_of<B: IoBackend + ?Sized>(io: &B) -> BackendHandle<'_, B::Backend> {
        io.get_backend()
    }
    let io = Object::bare(pending());
    let (both, handle) = with(&io, ready(1));
    assert!(handle.is_none());
    type Unsized<'a> = WithBackend<'a, DynBackend, dyn Future<Output = i32>>;
    let mut both: Pin<Box<Unsized<'_>>> = Box::pin(both);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(both.as_mut().poll(&mut cx), Poll::Ready(1));
    drop(both);
    drop(backend_of(linked(&io)));
    let link: RefLink<'_, Object> = RefLink::new(&io);
    drop(backend_of(linked(&link)));
    // An object may be unsized.
    let dynamic: &dyn IoBackend<Backend = DynBackend> = &io;
    drop(backend_of(linked(&RefLink::new(dynamic))));
    assert_eq!(dynamic.block_on(ready(2)), 2);
    assert_eq!(io.block_on(ready(3)), 3);
    let backend = io.get_backend();
    assert_eq!(
        backend::block_on::<DefaultHandle, _, Object>(ready(4), backend, None),
        4
    );
}

#[test]
fn integrations() {
    fn of<I: Integration + Copy + Default>(io: &mut Object) {
        assert_eq!(pollster::block_on(I::run_with_mut(io, |_| ready(1))), 1);
        let link = RefLink::new(io);
        assert_eq!(
            pollster::block_on(I::run_with(link, |_: &Object| ready(2))),
            2
        );
    }
    let mut io = Object::bare(pending());
    // Without a handle none of them needs its executor.
    of::<Null>(&mut io);
    #[cfg(unix)]
    of::<Tokio>(&mut io);
    #[cfg(unix)]
    of::<AsyncIo>(&mut io);
    of::<integrations::null::Null>(&mut io);
    let _: fn(NullImpl<Ready<()>>) -> integrations::null::NullImpl<Ready<()>> = |same| same;
}

#[cfg(unix)]
#[test]
fn wakers_on_descriptors() {
    fn waker_of<F: AsRawFd + Send + Sync + 'static>(owner: &FdWakerOwner<F>) -> Waker {
        let _: fn(FdWaker<F>) -> RawWaker = FdWaker::into_raw_waker;
        let waker: FdWaker<F> = FdWaker::clone(owner);
        waker.clone().into_waker()
    }
    let owner: FdWakerOwner<std::fs::File> = FdWakerOwner::from(common::eventfd());
    let waker = waker_of(&owner);
    let flags: Arc<AtomicU8> = owner.flags();
    waker.wake_by_ref();
    owner.wake_by_ref();
    assert_eq!(flags.load(Ordering::Relaxed), 0b001);
    owner.close();
    owner.close();
    assert_eq!(flags.load(Ordering::Relaxed), 0b101);
}

#[cfg(windows)]
#[test]
fn wakers_on_events() {
    let _: fn(EventWaker) -> RawWaker = EventWaker::into_raw_waker;
    let owner = EventWakerOwner::new().unwrap();
    let waker: Waker = EventWaker::clone(&owner).into_waker();
    let flags: Arc<AtomicU8> = owner.flags();
    waker.wake_by_ref();
    owner.wake_by_ref();
    assert_eq!(flags.load(Ordering::Relaxed), 0b001);
    assert_eq!(owner.clear(), Some(()));
    owner.close();
    owner.close();
    assert_eq!(flags.load(Ordering::Relaxed), 0b101);
    assert_eq!(owner.clear(), None);
}

#[test]
fn parkers() {
    use mfio::poller::{ParkHandle, block_on, block_on_parked};
    #[derive(Default)]
    struct Counted(AtomicUsize);
    impl ParkHandle for Counted {
        fn park(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn unpark(&self) {}
    }
    assert_eq!(block_on(ready(1)), 1);
    let handle = Arc::new(Counted::default());
    assert_eq!(block_on_parked(ready(2), handle), 2);
}
