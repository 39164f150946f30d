//! Programs that must not compile, each beside a near-identical one that does. Only rustdoc reads
//! this file.

/// The buffer belongs to the operation while it is in flight.
///
/// ```
/// # use mfio::{io::Read, packet::Packet};
/// let packet = Packet::new(vec![0u8; 4]);
/// assert_eq!(packet.buffer(), [0; 4]);
/// let (in_flight, view) = packet.start::<Read>();
/// view.done();
/// ```
/// ```compile_fail,E0382
/// # use mfio::{io::Read, packet::Packet};
/// let packet = Packet::new(vec![0u8; 4]);
/// let (in_flight, view) = packet.start::<Read>();
/// assert_eq!(packet.buffer(), [0; 4]);
/// view.done();
/// ```
mod buffer_in_flight {}

/// A view ends once.
///
/// ```
/// # use mfio::{error::ErrorKind, io::Read, packet::Packet};
/// let (in_flight, view) = Packet::new(vec![0u8; 4]).start::<Read>();
/// let (a, b) = view.split_at(2);
/// a.done();
/// b.fail(ErrorKind::Busy);
/// ```
/// ```compile_fail,E0382
/// # use mfio::{error::ErrorKind, io::Read, packet::Packet};
/// let (in_flight, view) = Packet::new(vec![0u8; 4]).start::<Read>();
/// view.done();
/// view.fail(ErrorKind::Busy);
/// ```
mod view_ended_twice {}

/// The bytes of a view are not accessible after its end.
///
/// ```
/// # use mfio::{io::Read, packet::Packet};
/// let (in_flight, mut view) = Packet::new(vec![0u8; 4]).start::<Read>();
/// let bytes = view.bytes_mut();
/// bytes[0] = 1;
/// view.done();
/// ```
/// ```compile_fail,E0505
/// # use mfio::{io::Read, packet::Packet};
/// let (in_flight, mut view) = Packet::new(vec![0u8; 4]).start::<Read>();
/// let bytes = view.bytes_mut();
/// view.done();
/// bytes[0] = 1;
/// ```
mod bytes_after_the_end {}

/// The bytes of a write cannot be changed.
///
/// ```
/// # use mfio::{io::Write, packet::Packet};
/// let (in_flight, view) = Packet::new(vec![0u8; 4]).start::<Write>();
/// assert_eq!(view.bytes(), [0; 4]);
/// ```
/// ```compile_fail,E0599
/// # use mfio::{io::Write, packet::Packet};
/// let (in_flight, mut view) = Packet::new(vec![0u8; 4]).start::<Write>();
/// assert_eq!(view.bytes_mut(), [0; 4]);
/// ```
mod writing_to_a_write {}

/// Shared memory is not read into.
///
/// ```
/// # use mfio::{io::Write, packet::Packet};
/// let started = Packet::new(&b"text"[..]).start::<Write>();
/// ```
/// ```compile_fail,E0277
/// # use mfio::{io::Read, packet::Packet};
/// let started = Packet::new(&b"text"[..]).start::<Read>();
/// ```
mod reading_into_shared_memory {}

/// Borrowed memory is no buffer: a packet may outlive it.
///
/// ```
/// # use mfio::packet::Packet;
/// let mut bytes: &'static mut [u8] = Box::leak(Box::new([0u8; 4]));
/// let packet = Packet::new(&mut bytes[..]);
/// ```
/// ```compile_fail,E0597
/// # use mfio::packet::Packet;
/// let mut bytes = [0u8; 4];
/// let packet = Packet::new(&mut bytes[..]);
/// ```
mod borrowed_buffer {}

/// Only a promise, which is unsafe to make, lets a buffer be read into.
///
/// ```
/// # use mfio::{io::*, packet::*};
/// # struct Text(&'static [u8]);
/// # unsafe impl Buffer for Text {
/// #     type Parts = *const [u8];
/// #     fn into_parts(self) -> *const [u8] { self.0 }
/// #     unsafe fn from_parts(parts: *const [u8]) -> Self { Text(unsafe { &*parts }) }
/// #     unsafe fn region(parts: *mut *const [u8]) -> (*mut u8, usize) {
/// #         unsafe { <&'static [u8]>::region(parts) }
/// #     }
/// # }
/// unsafe impl WriteBuffer for Text {}
/// let (in_flight, view) = Packet::new(Text(b"fixed")).start::<Write>();
/// assert_eq!(view.bytes(), b"fixed");
/// ```
/// ```compile_fail,E0277
/// # use mfio::{io::*, packet::*};
/// # struct Text(&'static [u8]);
/// # unsafe impl Buffer for Text {
/// #     type Parts = *const [u8];
/// #     fn into_parts(self) -> *const [u8] { self.0 }
/// #     unsafe fn from_parts(parts: *const [u8]) -> Self { Text(unsafe { &*parts }) }
/// #     unsafe fn region(parts: *mut *const [u8]) -> (*mut u8, usize) {
/// #         unsafe { <&'static [u8]>::region(parts) }
/// #     }
/// # }
/// impl BufferFor<Read> for Text {}
/// let (in_flight, mut view) = Packet::new(Text(b"fixed")).start::<Read>();
/// view.bytes_mut()[0] = 1;
/// ```
mod reading_into_a_read_only_buffer_that_safe_code_calls_fit {}

/// A read makes values of any bytes.
///
/// ```
/// # use mfio::{backend::IoBackendExt, memory::Memory, traits::IoRead};
/// # let io = Memory::new([2]);
/// io.block_on(io.read_value_at::<u8>(0)).unwrap();
/// ```
/// ```compile_fail,E0277
/// # use mfio::{backend::IoBackendExt, memory::Memory, traits::IoRead};
/// # let io = Memory::new([2]);
/// io.block_on(io.read_value_at::<bool>(0)).unwrap();
/// ```
mod reading_a_type_with_invalid_bits {}

/// A write shows every byte of a value.
///
/// ```
/// # use mfio::{backend::IoBackendExt, memory::Memory, traits::IoWrite};
/// # let io = Memory::new([0; 8]);
/// let pair = [1u32, 2];
/// io.block_on(io.write_value_at(&pair, 0)).unwrap();
/// ```
/// ```compile_fail,E0277
/// # use mfio::{backend::IoBackendExt, memory::Memory, traits::IoWrite};
/// # let io = Memory::new([0; 8]);
/// let pair = (1u32, 2u8);
/// io.block_on(io.write_value_at(&pair, 0)).unwrap();
/// ```
mod writing_a_type_with_padding {}

/// The futures of an object that is not `Sync` stay on their thread.
///
/// ```
/// # use mfio::{io::*, packet::View, traits::IoRead};
/// struct Object(std::sync::atomic::AtomicU8);
/// impl IoObject for Object {}
/// impl PacketIo<Read> for Object {
///     fn send_io(&self, _: u64, view: View<Read>) {}
/// }
/// fn send<T: Send>(_: T) {}
/// send(Object(0.into()).read_value_at::<u8>(0));
/// ```
/// ```compile_fail,E0277
/// # use mfio::{io::*, packet::View, traits::IoRead};
/// struct Object(std::cell::Cell<u8>);
/// impl IoObject for Object {}
/// impl PacketIo<Read> for Object {
///     fn send_io(&self, _: u64, view: View<Read>) {}
/// }
/// fn send<T: Send>(_: T) {}
/// send(Object(0.into()).read_value_at::<u8>(0));
/// ```
mod sending_what_is_not_sync {}

/// A relay that is shared shares its state.
///
/// ```
/// # use mfio::packet::{OnEnd, Outcome, Relay};
/// # use std::sync::atomic::AtomicU8 as Shared;
/// struct State(Shared);
/// impl OnEnd<[u8; 4]> for State {
///     fn on_end(_: Relay<[u8; 4], Self>, _: Outcome) {}
/// }
/// fn share<T: Sync>(_: T) {}
/// share(Relay::new([0; 4], State(Shared::new(0))));
/// ```
/// ```compile_fail,E0277
/// # use mfio::packet::{OnEnd, Outcome, Relay};
/// # use std::cell::Cell as Shared;
/// struct State(Shared<u8>);
/// impl OnEnd<[u8; 4]> for State {
///     fn on_end(_: Relay<[u8; 4], Self>, _: Outcome) {}
/// }
/// fn share<T: Sync>(_: T) {}
/// share(Relay::new([0; 4], State(Shared::new(0))));
/// ```
mod sharing_a_relay_shares_its_state {}

/// The buffer of a relay does not borrow: a scope that waits for its memory returns as soon as the
/// relay is taken apart.
///
/// ```
/// # use mfio::{packet::*, scope::Lent};
/// struct State;
/// impl OnEnd<Vec<u8>> for State {
///     fn on_end(relay: Relay<Vec<u8>, Self>, _: Outcome) {
///         relay.into_parts().0[0] = 1;
///     }
/// }
/// ```
/// ```compile_fail,E0478
/// # use mfio::{packet::*, scope::Lent};
/// struct State;
/// impl<'scope, 'env> OnEnd<Lent<'scope, 'env>> for State {
///     fn on_end(relay: Relay<Lent<'scope, 'env>, Self>, _: Outcome) {
///         relay.into_parts().0[0] = 1;
///     }
/// }
/// ```
mod lent_memory_in_a_relay {}

/// A relay cannot be used as one with a state of another type: its block was made for one callback,
/// and a closure would get a reference that lives too short.
///
/// ```
/// # use mfio::packet::*;
/// struct Call<F>(F);
/// impl<F: Send + 'static> OnEnd<[u8; 1]> for Call<F> {
///     fn on_end(_: Relay<[u8; 1], Self>, _: Outcome) {}
/// }
/// type Other = Relay<[u8; 1], Call<fn(&[u8])>>;
/// fn same(relay: Relay<[u8; 1], Call<fn(&[u8])>>) -> Other { relay }
/// ```
/// ```compile_fail,E0308
/// # use mfio::packet::*;
/// struct Call<F>(F);
/// impl<F: Send + 'static> OnEnd<[u8; 1]> for Call<F> {
///     fn on_end(_: Relay<[u8; 1], Self>, _: Outcome) {}
/// }
/// type Other = Relay<[u8; 1], Call<fn(&'static [u8])>>;
/// fn same(relay: Relay<[u8; 1], Call<fn(&[u8])>>) -> Other { relay }
/// ```
mod a_relay_is_of_one_type {}

/// The bytes of a segment are not accessible once the next one is taken.
///
/// ```
/// # use mfio::{io::Read, packet::{InFlight, Packet}};
/// async fn two(in_flight: &mut InFlight<Vec<u8>, Read>) {
///     let first = in_flight.next_segment().await;
///     drop(first);
///     let second = in_flight.next_segment().await;
/// }
/// ```
/// ```compile_fail,E0499
/// # use mfio::{io::Read, packet::{InFlight, Packet}};
/// async fn two(in_flight: &mut InFlight<Vec<u8>, Read>) {
///     let first = in_flight.next_segment().await;
///     let second = in_flight.next_segment().await;
///     drop(first);
/// }
/// ```
mod a_segment_is_shown_while_the_packet_is_borrowed {}
