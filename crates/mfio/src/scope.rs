//! Lends memory to requests without a copy, from synchronous code.
//!
//! ```
//! use mfio::memory::Memory;
//! use mfio::scope::scope;
//! use mfio::traits::IoRead;
//!
//! let io = Memory::new(vec![1, 2, 3, 4]);
//! let mut bytes = [0; 4];
//! scope(&io, async |s| {
//!     let (result, bytes) = io.read_exact_buf_at(s.lend(&mut bytes), 0).await;
//!     result?;
//!     assert_eq!(*bytes, [1, 2, 3, 4]);
//!     Ok::<_, mfio::error::Error>(())
//! })?;
//! assert_eq!(bytes, [1, 2, 3, 4]);
//! # Ok::<_, mfio::error::Error>(())
//! ```
//!
//! A future may be forgotten at any time, so an `async` call cannot guarantee that borrowed memory
//! outlives its request. A synchronous call can: [`scope`] runs an async block to its end, and does
//! not return before all lent memory is given back. The future of a request gives it back when it
//! is awaited or, after a drop, when the request has completed. A future that is forgotten
//! (`mem::forget`, a leaked `Arc`) never does: the call then blocks for ever, which is sound, since
//! nothing after it runs.
//!
//! Memory must outlive the call; memory created within the async block does not:
//!
//! ```compile_fail,E0597
//! # use mfio::{memory::Memory, scope::scope, traits::IoRead};
//! let io = Memory::new(vec![1, 2, 3, 4]);
//! scope(&io, async |s| {
//!     let mut bytes = [0; 4];
//!     let _ = io.read_exact_buf_at(s.lend(&mut bytes), 0).await;
//! });
//! ```
//!
//! Lent memory is returned by value, with the result:
//!
//! ```
//! # use mfio::{memory::Memory, scope::scope, traits::IoRead};
//! let io = Memory::new(vec![1, 2, 3, 4]);
//! let mut bytes = [0; 4];
//! scope(&io, async |s| {
//!     let lent = io.read_exact_buf_at(s.lend(&mut bytes), 0).await.1;
//!     lent.into_inner()[0] = 1;
//! });
//! ```
//!
//! Dropping the operation keeps its memory lent until the call returns:
//!
//! ```compile_fail,E0506
//! # use mfio::{memory::Memory, scope::scope, traits::IoRead};
//! let io = Memory::new(vec![1, 2, 3, 4]);
//! let mut bytes = [0; 4];
//! scope(&io, async |s| {
//!     drop(io.read_exact_buf_at(s.lend(&mut bytes), 0));
//!     bytes[0] = 1;
//! });
//! ```
//!
//! Lent memory does not leave the scope:
//!
//! ```compile_fail,E0521
//! # use mfio::{memory::Memory, scope::scope};
//! let io = Memory::new(vec![1, 2, 3, 4]);
//! let bytes: &'static mut [u8] = Box::leak(Box::new([0; 4]));
//! scope(&io, async |s| {
//!     let lent = s.lend(bytes);
//!     std::thread::spawn(|| drop(lent));
//! });
//! ```
// Invariants
// 1. `Loans` counts the loans that are parts of a packet: up when a `Lent` goes into one, down when
//    it comes out, and a packet returns its buffer only after its last view has ended.
// 2. A `Lent` exists only within `'scope`, that is, before `scope` reads the count for the last
//    time; so the count does not rise from 0 afterwards, and `scope` does not return while it is
//    not 0.
// 3. `'env` memory is borrowed until `scope` has returned. Hence it is valid, and not accessed
//    otherwise, while any view of it exists.
#![allow(unsafe_code)]

mod lent;
mod loans;

use crate::backend::{IoBackend, IoBackendExt};
use alloc::sync::Arc;
use core::future::Future;
use core::marker::PhantomData;
use core::mem;
use loans::Loans;

pub use lent::{Lent, LentShared};

/// A scope in which memory can be lent, created by [`scope`].
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    loans: Arc<Loans>,
    /// Both invariant: neither the scope nor its memory may be taken for a shorter or longer one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Lends memory, to read into or to write from. It is returned with the result of the
    /// operation.
    pub fn lend(&'scope self, bytes: &'env mut [u8]) -> Lent<'scope, 'env> {
        Lent::new(bytes, self.loans.clone())
    }

    /// Lends shared memory, to write from.
    pub fn lend_shared(&'scope self, bytes: &'env [u8]) -> LentShared<'scope, 'env> {
        LentShared::new(bytes, self.loans.clone())
    }
}

/// Runs `f` with the backend of `io` on this thread, with a scope that lends memory to requests
/// without a copy. Returns when `f` is ready and every request with lent memory has completed. See
/// the [module](self).
///
/// # Panics
/// If [`block_on`](IoBackendExt::block_on) does. A panic of `f` continues after every request with
/// lent memory has completed.
///
/// If the completion of a request cannot be proved, this call does not return: it blocks for ever
/// (a future, a view or a packet with lent memory was forgotten), or aborts the process (the
/// backend died with the memory).
pub fn scope<'env, Io, F, R>(io: &Io, f: F) -> R
where
    Io: IoBackend + ?Sized,
    F: for<'scope> AsyncFnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let scope = Scope {
        loans: Arc::new(Loans::default()),
        scope: PhantomData,
        env: PhantomData,
    };
    let _guard = Guard {
        io,
        loans: scope.loans.clone(),
    };
    io.block_on(f(&scope))
}

/// Keeps invariant 2, on return and on unwinding.
struct Guard<'a, Io: IoBackend + ?Sized> {
    io: &'a Io,
    loans: Arc<Loans>,
}

impl<Io: IoBackend + ?Sized> Drop for Guard<'_, Io> {
    fn drop(&mut self) {
        if !self.loans.none() {
            settle(self.io, self.loans.settled());
        }
    }
}

/// Drives the backend until lent memory is returned; aborts the process if that fails.
pub(crate) fn settle<Io: IoBackend + ?Sized>(io: &Io, settled: impl Future<Output = ()>) {
    let bomb = Bomb;
    io.block_on(settled);
    mem::forget(bomb);
}

/// Aborts the process when dropped, because a backend may still use memory whose owner would go on.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        const WHY: &str =
            "mfio: a backend died while it had lent memory; nothing can prove that it has let go";
        #[cfg(feature = "std")]
        {
            std::eprintln!("{WHY}; aborting");
            std::process::abort()
        }
        #[cfg(not(feature = "std"))]
        panic!("{WHY}")
    }
}
