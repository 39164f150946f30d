//! The backends that drive layers, one or several at once.

mod common;

use common::{memory, noise};
use mfio::backend::{
    BackendContainer, BackendHandle, DynBackend, IoBackend, IoBackendExt, PollingHandle,
};
use mfio::error::ErrorKind;
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::{AttachBackend, BackendSet, Remap, Stripe, Window};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

#[test]
fn a_backend_driven_together_that_is_never_polled() {
    // Each of them has to be driven, the last one too, and again after it was idle.
    let members = [1, 2, 3].map(|seed| memory(64, seed));
    let together = BackendSet::new(members.clone()).unwrap();
    for _ in 0..3 {
        for (member, seed) in members.iter().zip(1..) {
            let bytes = together.block_on(member.read_vec_at(0, 64)).unwrap();
            assert_eq!(bytes, noise(64, seed));
        }
    }
}

#[test]
fn a_set_of_backends_is_named_by_its_type() {
    let set = BackendSet::new([memory(1, 1)]).unwrap();
    assert_eq!(format!("{set:?}"), "BackendSet { .. }");
}

#[test]
fn many_threads_drive_shared_backends_at_once() {
    let members = [1, 2, 3].map(|seed| memory(1 << 12, seed));
    let stripe = Stripe::new(members.clone(), 16).unwrap();
    let io = AttachBackend::new(stripe, BackendSet::new(members.clone()).unwrap());
    thread::scope(|threads| {
        for n in 0..4u64 {
            let (io, members) = (&io, &members);
            threads.spawn(move || {
                for round in 0..200u64 {
                    let mine = [n as u8 ^ round as u8; 512];
                    io.block_on(async {
                        io.write_all_at(&mine, n * 3000).await.unwrap();
                        assert_eq!(io.read_vec_at(n * 3000, 512).await.unwrap(), mine);
                    });
                    let member = &members[round as usize % 3];
                    member.block_on(member.read_value_at::<u64>(0)).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_layer_is_driven_by_the_object_below_wherever_that_is_driven() {
    let below = memory(64, 4);
    let mut remap = Remap::new(Arc::new(Window::new(below.clone(), 8, 16)));
    remap.map(1000u64..1016, 0u64).unwrap();
    let mut future = pin!(remap.read_value_at::<[u8; 16]>(1000));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    below.block_on(async {});
    let Poll::Ready(result) = future.poll(&mut cx) else {
        panic!("the object below was driven");
    };
    assert_eq!(result.unwrap()[..], noise(64, 4)[8..24]);
}

/// A backend for one driver at a time.
struct Alone(BackendContainer<DynBackend>);

impl IoBackend for Alone {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        None
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.0.acquire(None)
    }
}

#[test]
fn backends_that_cannot_be_combined_are_refused() {
    let alone = Alone(BackendContainer::new_dyn(std::future::pending()));
    let error = BackendSet::new([Arc::new(alone)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
}
