//! Tests that need the private parts of a batch.

use super::*;
use crate::error::{Cause, ErrorKind};
use crate::io::Read;
use alloc::vec::Vec;

#[test]
fn buffers_beyond_the_views_that_can_be_counted_fail_and_the_others_do_not() {
    let batch: Batch<[u8; 2]> = (0..5).map(|n| (n, [0; 2])).collect();
    let (mut batch, sends) = batch.start_up_to::<Read>(3, false);
    assert_eq!(sends.map(|(_, view)| view.done()).count(), 3);
    let other = Batch::<[u8; 2]>::new().start::<Read>(false).0.in_flight;
    let in_flight = core::mem::replace(&mut batch.in_flight, other);
    let ended = batch.ended(in_flight.try_end().expect("all that were sent"));
    let kinds = ended.results().map(|result| result.map_err(Cause::kind));
    let limit = Err(ErrorKind::LimitReached);
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [Ok(()), Ok(()), Ok(()), limit, limit]
    );
}
