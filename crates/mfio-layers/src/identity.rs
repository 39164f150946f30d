//! Names of layers in errors, whose offsets are those of the layer; and the properties of several
//! objects as one.

use alloc::borrow::Cow;
use alloc::format;
use core::fmt::Display;
use mfio::error::Cause;
use mfio::io::{Alignment, Identity, IoObject, Operation};
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
pub(crate) fn first_pool<'a, Io: IoObject + 'a>(
    mut objects: impl Iterator<Item = &'a Io>,
) -> Option<&'a PacketPool> {
    objects.find_map(IoObject::pool)
}

/// Returns the explanation of the first object that has any.
#[cold]
pub(crate) fn first_explanation<'a, Io: IoObject + 'a>(
    mut objects: impl Iterator<Item = &'a Io>,
    operation: Operation,
    cause: Cause,
) -> Option<&'static str> {
    objects.find_map(|object| object.explain(operation, cause))
}

/// Returns the alignment that satisfies every object.
pub(crate) fn strictest<'a, Io: IoObject + 'a>(
    objects: impl Iterator<Item = &'a Io>,
    operation: Operation,
) -> Alignment {
    objects.fold(Alignment::NONE, |all, object| {
        all.and(object.alignment(operation))
    })
}
