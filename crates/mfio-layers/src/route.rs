//! The loop of layers that only split requests and route the parts.
//!
//! A *route* is a function from an address and a number of bytes to a [`Destination`]: the object
//! and the position of the first bytes, and how many they are. It is called for ascending addresses
//! of one request, so that it can keep its place.

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, Direction, Exposed, IoObject, PacketIo, Position};
use mfio::packet::View;

/// The place of the next bytes of a request.
pub(crate) struct Destination<'a, Io, Q> {
    /// How many bytes there are, at least 1. May be more than are wanted.
    pub(crate) len: u64,
    /// The object and the position, or the cause that the bytes fail with.
    pub(crate) to: Result<(&'a Io, Q), Cause>,
}

impl<'a, Io, Q: Address> Destination<'a, Io, Q> {
    /// Routes `len` bytes to `io` from address `at` on.
    #[inline]
    pub(crate) fn of(io: &'a Io, at: u64, len: u64) -> Self {
        Self {
            len,
            to: Q::from_u64(at)
                .map_or(Err(Cause::new(ErrorKind::UnexpectedEof)), |at| Ok((io, at))),
        }
    }

    /// Fails `len` bytes.
    #[cold]
    pub(crate) fn missing(kind: ErrorKind, len: u64) -> Self {
        Self {
            len,
            to: Err(Cause::new(kind)),
        }
    }
}

/// Sends the parts of a view to their destinations. A view with one destination is not split.
///
/// Bytes beyond the last address of `P` fail with `UnexpectedEof`. An empty view completes
/// immediately.
#[inline]
pub(crate) fn split_and_send<'a, D, P, Q, Io>(
    pos: P,
    mut view: View<D>,
    mut route: impl FnMut(u64, u64) -> Destination<'a, Io, Q>,
) where
    D: Direction,
    P: Address,
    Q: Position,
    Io: PacketIo<D, Q> + 'a,
{
    let mut at = pos.to_u64();
    view = within_space::<P, D>(at, view);
    if view.is_empty() {
        return view.done();
    }
    let Destination { mut len, mut to } = route(at, view.len() as u64);
    if len >= view.len() as u64 {
        return forward(to, view);
    }
    if D::READS && is_in_order(&to) {
        let (front, rest) = view.split_at(len as usize);
        rest.fail(ErrorKind::WouldBlock);
        return forward(to, front);
    }
    let mut left = view.splitter();
    while len < left.len() as u64 {
        debug_assert!(len > 0, "a destination has bytes");
        // Less than the rest of the view, so it fits.
        forward(to, left.take(len as usize));
        at += len;
        Destination { len, to } = route(at, left.len() as u64);
    }
    forward(to, left.into_rest());
}

/// Whether the destination is a stream. A read that begins there comes short after the first part:
/// the second one might wait for ever, and hold the bytes of the first back.
#[inline]
fn is_in_order<D, Q, Io>(to: &Result<(&Io, Q), Cause>) -> bool
where
    D: Direction,
    Q: Position,
    Io: PacketIo<D, Q>,
{
    to.as_ref()
        .is_ok_and(|(io, _)| io.alignment(D::OPERATION).is_in_order())
}

/// Calls [`transfer_blocking`](PacketIo::transfer_blocking) of the first destination.
#[inline]
pub(crate) fn transfer_first<'a, D, P, Q, Io>(
    pos: P,
    bytes: D::Slice<'_>,
    route: impl FnOnce(u64, u64) -> Destination<'a, Io, Q>,
) -> Option<Result<usize, Cause>>
where
    D: Direction,
    P: Address,
    Q: Position,
    Io: PacketIo<D, Q> + 'a,
{
    let Some(Destination { len, to }) = first(pos, D::size(&bytes), route) else {
        return Some(Ok(0));
    };
    match to {
        Ok((io, at)) => io.transfer_blocking(at, D::split_at(bytes, len as usize).0),
        Err(cause) => missing::<D>(cause),
    }
}

/// Calls [`expose`](PacketIo::expose) of the first destination.
pub(crate) fn expose_first<'a, D, P, Q, Io>(
    pos: P,
    len: usize,
    route: impl FnOnce(u64, u64) -> Destination<'a, Io, Q>,
) -> Option<Exposed>
where
    D: Direction,
    P: Address,
    Q: Position,
    Io: PacketIo<D, Q> + 'a,
{
    let Destination { len, to } = first(pos, len, route)?;
    let (io, pos) = to.ok()?;
    io.expose(pos, len as usize)
}

/// Routes the front of `len` bytes. The destination has at most as many, so its length fits a
/// `usize`. `None` if no byte has an address.
#[inline]
fn first<'a, P, Q, Io>(
    pos: P,
    len: usize,
    route: impl FnOnce(u64, u64) -> Destination<'a, Io, Q>,
) -> Option<Destination<'a, Io, Q>>
where
    P: Address,
    Q: Position,
{
    let at = pos.to_u64();
    let wanted = addressable::<P>(at, len);
    if wanted == 0 {
        return None;
    }
    let mut destination = route(at, wanted as u64);
    destination.len = destination.len.min(wanted as u64);
    Some(destination)
}

/// Returns the result of [`transfer_blocking`](PacketIo::transfer_blocking) where the first byte
/// fails.
#[cold]
pub(crate) fn missing<D: Direction>(cause: Cause) -> Option<Result<usize, Cause>> {
    match cause.kind() {
        ErrorKind::UnexpectedEof if D::READS => Some(Ok(0)),
        _ => Some(Err(cause)),
    }
}

#[inline]
fn forward<D, Q, Io>(to: Result<(&Io, Q), Cause>, view: View<D>)
where
    D: Direction,
    Q: Position,
    Io: PacketIo<D, Q>,
{
    match to {
        Ok((io, pos)) => io.send_io(pos, view),
        Err(cause) => view.fail(cause),
    }
}

/// Cuts a request to the bytes that have addresses in `P`. The rest fails with `UnexpectedEof`.
#[inline]
pub(crate) fn within_space<P: Address, D: Direction>(at: u64, view: View<D>) -> View<D> {
    let room = addressable::<P>(at, view.len());
    if room < view.len() {
        cut(view, room)
    } else {
        view
    }
}

/// Cuts a view to `len` bytes, and fails the rest.
#[cold]
fn cut<D: Direction>(view: View<D>, len: usize) -> View<D> {
    let (head, tail) = view.split_at(len);
    tail.fail(ErrorKind::UnexpectedEof);
    head
}

/// Returns how many of `len` bytes from `at` on have an address in `P`.
#[inline]
pub(crate) fn addressable<P: Address>(at: u64, len: usize) -> usize {
    if has_all::<P>(at, len as u64) {
        len
    } else {
        // No more than `len`, so it fits.
        last_good(len as u64, |n| has_all::<P>(at, n)) as usize
    }
}

#[inline]
fn has_all<P: Address>(at: u64, len: u64) -> bool {
    len == 0
        || at
            .checked_add(len - 1)
            .is_some_and(|last| P::from_u64(last).is_some())
}

/// Finds the largest number for which `holds`, by binary search: a type does not tell its last
/// address. It holds for 0, and for `bad` it does not.
#[cold]
pub(crate) fn last_good(mut bad: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let mut good = 0;
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use mfio::io::Read;
    use mfio::packet::Packet;

    /// An object that succeeds everywhere.
    struct Endless;

    impl IoObject for Endless {}

    impl PacketIo<Read, u32> for Endless {
        fn send_io(&self, _: u32, view: View<Read>) {
            view.done();
        }
    }

    #[test]
    fn bytes_without_an_address_are_not_served() {
        let (in_flight, view) = Packet::new([0; 10]).start::<Read>();
        split_and_send(u32::MAX - 2, view, |at, wanted| {
            Destination::<_, u32>::of(&Endless, at, wanted)
        });
        let outcome = in_flight.try_end().unwrap().outcome;
        assert_eq!(outcome.good_prefix(), 3);
        assert_eq!(outcome.failures().len(), 1);
        assert_eq!(outcome.first_error(), Some(ErrorKind::UnexpectedEof.into()));
    }

    #[test]
    fn addresses_end_where_their_type_ends() {
        assert_eq!(addressable::<u64>(0, usize::MAX), usize::MAX);
        assert_eq!(addressable::<u64>(u64::MAX, 0), 0);
        assert_eq!(addressable::<u64>(u64::MAX, 1), 1);
        assert_eq!(addressable::<u64>(u64::MAX - 9, 1000), 10);
        assert_eq!(addressable::<u32>(0, 1 << 20), 1 << 20);
        assert_eq!(addressable::<u32>(u64::from(u32::MAX) - 9, 1000), 10);
    }
}
