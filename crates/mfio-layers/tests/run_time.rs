//! Stacks that are built at run time, by a description.

mod common;

use common::noise;
use mfio::control::{ControlIo, ControlOp};
use mfio::cursor::BlockingCursor;
use mfio::error::{ErrorKind, Result};
use mfio::io::IoObject;
use mfio::memory::Memory;
use mfio::packet::Batch;
use mfio::prelude::*;
use mfio::traits::DynObject;
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, BackendSet, Cache, Concat, Limit, Limits, Offset, Remap, Retry, RetryPolicy,
    Stripe, Timeout, Trace, Window,
};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::NativeRt;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The length of each object.
const LEN: usize = 3 << 12;

/// Builds a stack: the name of an object, and those of the layers over it.
fn build(description: &str, rt: &NativeRt, path: &Path) -> Result<Box<dyn DynObject>> {
    let mut names = description.split_whitespace();
    let mut io: Box<dyn DynObject> = match names.next() {
        Some("memory") => Box::new(Memory::new(vec![0; LEN])),
        Some("file") => {
            let options = OpenOptions::new().read(true).write(true).create(true);
            let file = rt.block_on(rt.open(path, &options))?;
            file.blocking().set_len(LEN as u64)?;
            Box::new(file)
        }
        Some("stripe") => {
            let member = |()| -> Arc<dyn DynObject> { Arc::new(Memory::new(vec![0; LEN / 3])) };
            let members = [(); 3].map(member);
            let backends = BackendSet::new(members.clone())?;
            Box::new(AttachBackend::new(Stripe::new(members, 512)?, backends))
        }
        Some("remap") => {
            let memory = Arc::new(Memory::new(vec![0; LEN]));
            let mut halves = Remap::new(memory.clone());
            halves.map(0..LEN as u64 / 2, LEN as u64 / 2)?;
            halves.map(LEN as u64 / 2..LEN as u64, 0)?;
            let sized = Concat::new([(halves, LEN as u64)])?;
            Box::new(AttachBackend::new(sized, memory))
        }
        name => panic!("no object is called {name:?}"),
    };
    for name in names {
        io = match name {
            "cache" => Box::new(Cache::new(io, 4096, 512)?),
            "limit" => Box::new(Limit::<_>::new(io, Limits::default())),
            "retry" => Box::new(Retry::<_>::new(io, RetryPolicy::new(2))),
            "timeout" => {
                let clock = ManualClock::new();
                Box::new(Timeout::new(io, Duration::from_secs(1), clock))
            }
            "trace" => Box::new(Trace::new(io)),
            "offset" => Box::new(Offset::new(io, 0)),
            "window" => Box::new(Window::new(io, 0, LEN as u64)),
            _ => panic!("no layer is called {name:?}"),
        };
    }
    Ok(io)
}

/// Checks that the whole of an object can be used: by blocking calls, by futures, in batches, by a
/// cursor, and with control operations.
fn works<Io>(io: Io)
where
    Io: IoRead + IoWrite + IoControl + HasLen + IoBackend + Send + Sync,
{
    let bytes = noise(LEN, 7);
    io.blocking().write_all_at(&bytes, 0).unwrap();
    let mut read = Vec::new();
    io.blocking().read_to_end_at(&mut read, 0).unwrap();
    assert_eq!(read, bytes);

    // Its futures are sent to other threads.
    thread::scope(|scope| {
        scope.spawn(|| {
            io.block_on(async {
                io.write_all_at(b"by a future", 1000).await?;
                assert_eq!(io.read_vec_at(1003, 8).await?, b"a future");
                io.write_all_at(&bytes[1000..1011], 1000).await
            })
            .unwrap();
        });
    });

    let parts = (0..LEN).step_by(500).rev();
    let part = |at: usize| bytes[at..LEN.min(at + 500)].to_vec();
    let batch: Batch<Vec<u8>> = parts.map(|at| (at as u64, part(at))).collect();
    let written = io.block_on(io.write_batch(batch));
    assert!(written.outcome.is_success());
    let mut batch = written.batch;
    (0..batch.len()).for_each(|index| batch.bytes_mut(index).fill(0));
    let read = io.block_on(io.read_batch(batch));
    assert!(read.outcome.is_success());
    for index in 0..read.batch.len() {
        let at = read.batch.position(index) as usize;
        let part = read.batch.bytes(index);
        assert_eq!(part, &bytes[at..at + part.len()]);
    }

    io.blocking().sync_data().unwrap();
    io.block_on(io.control_batch(&[ControlOp::SyncAll, ControlOp::Discard((0..0).into())]))
        .all()
        .unwrap();
    assert_eq!(io.block_on(io.len()).unwrap(), LEN as u64);

    assert_eq!(io.block_on(io.io_len()).unwrap(), LEN as u64);
    let mut tail = Vec::new();
    let mut cursor = BlockingCursor::new(&io);
    cursor.seek(SeekFrom::End(-100)).unwrap();
    cursor.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, bytes[LEN - 100..]);
}

/// Stacks over each of the objects.
const LAYERS: &[&str] = &[
    "",
    "cache",
    "trace limit",
    "retry offset cache window",
    "timeout trace",
];

#[test]
fn stacks_of_any_description_are_whole_objects() {
    let rt = NativeRt::new().unwrap();
    let path = std::env::temp_dir().join(format!("mfio-run-time-{}", std::process::id()));
    for object in ["memory", "file", "stripe", "remap"] {
        for layers in LAYERS {
            works(build(&format!("{object} {layers}"), &rt, &path).unwrap());
        }
    }
    // One object behind several pointers.
    let shared: Arc<dyn DynObject> = build("file cache", &rt, &path).unwrap().into();
    works(shared.clone());
    works(&*shared);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_stack_answers_as_the_objects_in_it_do() {
    let rt = NativeRt::new().unwrap();
    let memory = Arc::new(Memory::new(vec![0; LEN]));
    let io: Arc<dyn DynObject> = Arc::new(Trace::new(memory.clone()));
    let again: Box<dyn DynObject> = Box::new(io.clone());
    assert_eq!(again.identity(), memory.identity());
    assert_eq!(again.locate(5), memory.locate(5));
    assert_eq!(again.capabilities(), memory.capabilities());
    assert!(std::ptr::eq(again.pool().unwrap(), memory.pool().unwrap()));
    assert_eq!(
        format!("{again:?}"),
        r#"DynObject { identity: Identity { object: None, driver: Some("memory") }, .. }"#
    );

    let window = build("memory window", &rt, Path::new("")).unwrap();
    let error = window.blocking().write_all_at(&[1; 8], LEN as u64 - 4);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let name = format!("a window of {LEN} bytes");
    assert!(error.to_string().contains(&name), "{error}");
}
