//! Helpers of the examples: a directory of their own, and bytes to fill files with.
#![allow(dead_code, reason = "each example uses a part of it")]

use mfio::error::Result;
use mfio::traits::IoWrite;
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};
use std::path::PathBuf;

/// A directory for what is temporary, removed when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mfio-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is a directory for what is temporary");
        Self(path)
    }

    /// A new file in it, with these bytes, open for reading and writing.
    pub(crate) async fn file(&self, rt: &NativeRt, name: &str, bytes: &[u8]) -> Result<File> {
        let options = OpenOptions::new().read(true).write(true).create(true);
        let file = rt.open(self.0.join(name), &options).await?;
        file.write_all_at(bytes, 0).await?;
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// The files' runtime.
pub(crate) fn runtime() -> NativeRt {
    NativeRt::new().expect("there is a driver for files on every system")
}

/// Bytes that tell most places from each other.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let byte = |n: u64| ((n + 1 + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    (0..len as u64).map(byte).collect()
}

/// Numbers in an order without order, the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}
