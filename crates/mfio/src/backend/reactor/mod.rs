//! Reactors that watch a shared backend's handle: one registration each, shared by the tasks that
//! wait at that reactor.
//!
//! When the reactor reports readiness, it wakes the registration's trigger, which drives the
//! backend then and there. So a completion wakes exactly the tasks that wait for it, and no task
//! needs to be polled for another one to progress.
//!
//! Invariants
//!
//! * **R1** A registration keeps a duplicate of the descriptor: the number it registered is its own
//!   until it has deregistered, whatever becomes of the backend, and no second registration of the
//!   same number can exist in one reactor.
//! * **R2** The trigger refers to its watch weakly, because the reactor keeps the trigger and the
//!   watch keeps the registration.
//! * **R3** The registration is armed again before the backend is polled, so readiness that comes
//!   in between fires again.
//! * **R4** While another party holds the drive lock, arming is deferred to its unlock: the handle
//!   may stay readable, and a level-triggered reactor would spin. The trigger marks the watch first
//!   and looks at the drive lock after, by a read-modify-write of the lock's word; the holder looks
//!   for marks after it has unlocked. So one of the two arms it. Arming is deferred, too, when the
//!   registration fires again and again while it is armed: its handle is ready, and no party drains
//!   it meanwhile. A signal is then pending on the drive lock, so the party that deferred arming
//!   drives, and unlocks.
//! * **R5** A reactor has one watch, also when two of its tasks join at once. Registrations are
//!   made and queried outside the lock (W1), so other tasks may join meanwhile. A watch is inserted
//!   only if none was inserted since its maker looked. Otherwise the maker looks again, and drops
//!   its registration, never armed, if another one suits.
//! * **R6** A watch is in the list until its last task has left, which marks it as ended under the
//!   lock of its tasks. No task joins an ended watch; one that still finds it in the list makes
//!   another.

// | file | contents |
// |---|---|
// | `watch` | a registration, its arming, and the tasks that wait at it |
// | `list` | the watches of a backend |
// | `waiter` | a task at a reactor |

mod list;
#[cfg(all(test, mfio_loom))]
mod models;
mod waiter;
mod watch;

pub(crate) use list::Reactors;
pub(crate) use waiter::ReactorWaiter;
