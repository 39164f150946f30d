//! Names of layers in errors, whose offsets are those of the layer; and the properties of several
//! objects as one.

use alloc::borrow::Cow;
use alloc::format;
use core::fmt::Display;
use mfio::error::Cause;
use mfio::io::{Alignment, Direction, Identity, PacketIo, Position};
use mfio::packet::PacketPool;

/// Names a layer over one object: "a window of 512 bytes at byte 4096 of /tmp/x".
#[cold]
pub(crate) fn identity_over(layer: impl Display, below: Identity<'_>) -> Identity<'_> {
    let name = match below.object {
        Some(object) => format!("{layer} of {object}"),
        None => format!("{layer}"),
    };
    Identity {
        object: Some(Cow::Owned(name)),
        driver: below.driver,
    }
}

/// Names a layer over several objects: "a stripe of 3 objects, the first of which is /tmp/x".
#[cold]
pub(crate) fn identity_over_many<'a>(
    layer: &str,
    number: usize,
    first: Identity<'a>,
) -> Identity<'a> {
    let mut name = format!("{layer} of {number} objects");
    if let Some(object) = first.object {
        name = format!("{name}, the first of which is {object}");
    }
    Identity {
        object: Some(Cow::Owned(name)),
        driver: first.driver,
    }
}

/// Returns the pool of the first object that has one: packets suit any object.
#[inline]
pub(crate) fn first_pool<'a, D, P, Io>(
    mut objects: impl Iterator<Item = &'a Io>,
) -> Option<&'a PacketPool>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + 'a,
{
    objects.find_map(PacketIo::pool)
}

/// Returns the explanation of the first object that has any.
#[cold]
pub(crate) fn first_explanation<'a, D, P, Io>(
    mut objects: impl Iterator<Item = &'a Io>,
    cause: Cause,
) -> Option<&'static str>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + 'a,
{
    objects.find_map(|object| object.explain(cause))
}

/// Returns the alignment that satisfies every object.
pub(crate) fn strictest<'a, D, P, Io>(objects: impl Iterator<Item = &'a Io>) -> Alignment
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + 'a,
{
    objects.fold(Alignment::NONE, |all, object| all.and(object.alignment()))
}
