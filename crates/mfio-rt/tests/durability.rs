//! The behaviour that docs/durability.md relies on.
#![cfg(unix)]

mod common;

use common::{Dir, runtimes};
use mfio_rt::prelude::*;

/// A new name is durable when its directory was synced: that needs no other crate.
#[test]
fn directories_can_be_synced_on_every_driver() {
    let dir = Dir::new();
    for rt in runtimes() {
        rt.block_on(async {
            let file = rt.create(dir.path("new")).await.unwrap();
            file.write_all_at(b"bytes", 0).await.unwrap();
            file.sync_all().await.unwrap();
            let parent = dir.path("new").parent().unwrap().to_path_buf();
            let parent = rt.open_read(parent).await.unwrap();
            parent.sync_all().await.unwrap();
            parent.sync_data().await.unwrap();
        });
    }
}
