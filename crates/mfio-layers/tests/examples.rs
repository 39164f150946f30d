//! The examples run, and what they check is true.
#![cfg(unix)]

/// Each example is a module, whose `main` is a test.
macro_rules! examples {
    ($($name:ident, $path:literal;)*) => {$(
        #[path = $path]
        #[allow(clippy::duplicate_mod, reason = "what examples share is a module of each")]
        mod $name;

        #[test]
        fn $name() -> mfio::error::Result<()> {
            $name::main()
        }
    )*};
}

examples! {
    failing_replica, "../examples/failing_replica.rs";
    page_table, "../examples/page_table/main.rs";
    records, "../examples/records.rs";
    snapshot, "../examples/snapshot.rs";
    striped_volume, "../examples/striped_volume.rs";
    virtual_disk, "../examples/virtual_disk.rs";
}
