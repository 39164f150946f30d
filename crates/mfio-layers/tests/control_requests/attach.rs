//! `AttachBackend`: nothing.

use super::asked::{Asked, passes_all};

#[test]
fn an_attached_backend_passes_every_operation_on() {
    let (below, io) = Asked::new();
    passes_all(&io, &below);
}
