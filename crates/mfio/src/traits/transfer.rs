//! Transfers on a blocked thread: through the short cut of the object, else through a packet.

use super::completeness::{Completeness, goes_on};
use super::failure;
use super::lending::{Lend, lend};
use crate::backend::IoBackend;
use crate::error::{Cause, ErrorKind, Result};
use crate::io::{PacketIo, Position};
use crate::packet::Outcome;

/// Moves bytes, and converts the outcome to the completeness that the caller asked for.
#[inline]
pub(super) fn transfer<D, P, Io, E>(io: &Io, pos: P, bytes: D::Slice<'_>) -> Result<E::Output>
where
    D: Lend,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
    E: Completeness,
{
    let len = D::size(&bytes);
    match moved::<D, P, Io, E>(io, pos, bytes) {
        (done, None) => Ok(E::output(done)),
        (done, Some(cause)) => E::judge::<D>(&Outcome::prefix(len, done, cause))
            .map(E::output)
            .map_err(|cause| failure(io, pos, len, cause)),
    }
}

/// Moves bytes through the short cut if there is one, else through a packet. Returns the number of
/// bytes moved from the start, and the failure behind them, if there was one.
#[inline]
pub(crate) fn moved<D, P, Io, E>(io: &Io, pos: P, mut bytes: D::Slice<'_>) -> (usize, Option<Cause>)
where
    D: Lend,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
    E: Completeness,
{
    let len = D::size(&bytes);
    let mut done = 0;
    while !E::enough(done, len) {
        let Some(at) = pos.advance(done) else {
            // Positions beyond the last are past the end of the file, as they are for a packet.
            return (done, Some(ErrorKind::UnexpectedEof.into()));
        };
        match io.transfer_blocking(at, D::rest(&mut bytes, done)) {
            Some(Ok(0)) if D::READS => return (done, Some(ErrorKind::UnexpectedEof.into())),
            Some(Ok(0)) => return (done, Some(ErrorKind::WriteZero.into())),
            Some(Ok(n)) => done += n.min(len - done),
            Some(Err(cause)) if cause.kind() == ErrorKind::Interrupted => {}
            Some(Err(cause)) => return (done, Some(cause)),
            None => {
                let rest = lend::<D, P, Io>(io, at, D::rest(&mut bytes, done));
                done += rest.good_prefix();
                if goes_on::<P>(&rest, 0).is_none() {
                    return (done, rest.first_error());
                }
            }
        }
    }
    (done, None)
}
