//! Reads that the page cache answers where they are sent, without a round trip through the driver.
//!
//! Large reads are not tried: copying them would delay the task that sends them. `cache_policy`
//! decides on the others.

use std::sync::Arc;

use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::View;

use super::cache_policy::Mode;
use super::object::Object;
use super::sys;

/// The longest read that is tried, in bytes.
const MAX_INLINE: usize = 64 * 1024;

/// Tries a read where it is sent, except for one in `stride` attempts. Returns the part that is
/// left to be submitted.
#[inline]
pub(crate) fn read_at_send(
    object: &Arc<Object>,
    mode: &Mode,
    stride: u32,
    view: View<Read>,
    pos: u64,
) -> Option<(View<Read>, u64)> {
    if view.len() <= MAX_INLINE && object.caching().at_send(mode, stride) {
        read_now(object, view, pos)
    } else {
        Some((view, pos))
    }
}

/// Whether a read that is alone in its batch is worth a try, by [`read_now`].
#[inline]
pub(crate) fn is_tried_at_flush(object: &Object, view: &View<Read>) -> bool {
    view.len() <= MAX_INLINE && object.caching().at_flush()
}

/// Tries a read. Returns the part that is left to be submitted.
pub(crate) fn read_now(
    object: &Arc<Object>,
    mut view: View<Read>,
    mut pos: u64,
) -> Option<(View<Read>, u64)> {
    let caching = object.caching();
    loop {
        let len = view.len();
        let in_memory = caching.is_in_memory();
        let (fd, position) = (object.fd(), object.position(pos));
        let result = if in_memory {
            sys::read_slice(fd, view.bytes_mut(), position)
        } else {
            sys::read_nowait(fd, view.bytes_mut(), position)
        };
        match result {
            Ok(n) if n >= len => {
                caching.hit();
                view.done();
                return None;
            }
            // Linux 5.9 and 5.10 report this, or EIO, for a page that is not in the cache. The
            // driver waits for it.
            Ok(0) | Err(libc::EIO) if !in_memory => return Some((view, pos)),
            Ok(0) => {
                view.fail(ErrorKind::UnexpectedEof);
                return None;
            }
            Ok(n) => {
                let (done, rest) = view.split_at(n);
                done.done();
                (view, pos) = (rest, pos + n as u64);
            }
            Err(libc::EAGAIN) => {
                caching.missed();
                return Some((view, pos));
            }
            Err(libc::EOPNOTSUPP) => {
                caching.unsupported(sys::is_in_memory(object.fd()));
                return Some((view, pos));
            }
            Err(errno) => {
                view.fail(Cause::from_errno(errno));
                return None;
            }
        }
    }
}
