//! Streams: room, short transfers, and files in use when they close.

use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::task::Poll;
use std::time::Duration;

use crate::common::*;
use mfio::backend::IoBackendExt;
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::native::{DriverKind, File, NativeRt};

/// More than the kernel takes at a time waits for room, in order, and all of it is done.
#[test]
fn waiting_for_room_is_asynchronous() {
    if runtime(DriverKind::IoUring).is_none() {
        return;
    }
    for executor in EXECUTORS {
        println!("{executor:?}");
        let small = NativeRt::builder()
            .require(DriverKind::IoUring)
            .queue_depth(1);
        let rt = small.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        // One by one, so that the ring is full most of the time.
        let source = std::thread::spawn(move || {
            for n in 0..20_u64 {
                std::thread::sleep(Duration::from_millis(2));
                writer.write_all(&n.to_ne_bytes()).unwrap();
            }
        });
        let executor = *executor;
        let sum = within("all reads are done", move || {
            let reads = (0..20).map(|_| read_number(file.clone())).collect();
            executor.run(&rt, Box::pin(sum(reads)))
        });
        source.join().unwrap();
        assert_eq!(sum, (0..20).sum());
    }
}

async fn read_number(file: File) -> u64 {
    file.read_value_at::<u64>(0).await.unwrap()
}

/// Awaits all at once, and adds up what comes.
async fn sum<F: Future<Output = u64> + Send>(futures: Vec<F>) -> u64 {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut sum = 0;
    std::future::poll_fn(move |cx| {
        futures.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(n) => {
                sum += n;
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            Poll::Ready(sum)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// The system may take less than it was given; what is left is given again.
#[test]
fn a_short_transfer_goes_on() {
    for rt in runtimes() {
        let (mut reader, writer) = stream_to_read();
        let file = File::from_std(&rt, writer);
        let bytes: Vec<u8> = (0..1 << 20).map(byte_at).collect();
        let received = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        let (result, bytes) = within("all of it is written", move || {
            rt.block_on(file.write_all_buf_at(bytes, 0))
        });
        result.unwrap();
        let received = within("all of it arrives", move || received.join().unwrap()).unwrap();
        assert_eq!(received.len(), bytes.len());
        assert!(received == bytes, "it arrives in order");
    }
}

/// A pipe's writing end, to be used by a runtime, and its reading end.
pub(super) fn stream_to_read() -> (StdFile, StdFile) {
    let (reader, writer) = pipe();
    (StdFile::from(reader), writer)
}

/// A file that the ring has registered would stay open when its descriptor closes. The lock tells:
/// it goes when the file is closed everywhere.
#[test]
fn a_file_that_is_used_often_closes_all_the_same() {
    let dir = Dir::new();
    let path = dir.file("locked", 100);
    for rt in runtimes() {
        let open = || {
            let options = StdFile::options().read(true).write(true).open(&path);
            options.unwrap()
        };
        let locked = open();
        locked.lock().unwrap();
        let file = File::from_std(&rt, locked);
        for n in 0..1000_u64 {
            rt.block_on(file.write_value_at(&7_u8, n % 8)).unwrap();
        }
        assert!(
            open().try_lock().is_err(),
            "it is locked as long as it is open"
        );
        drop(file);
        eventually("it is closed", || open().try_lock().is_ok());
    }
}

/// The end of an operation is told after the operation has given the file back.
#[test]
fn who_hears_of_the_end_finds_the_file_free() {
    for rt in runtimes() {
        let (mut reader, mut writer) = pipe();
        for n in 0..3000_u32 {
            let file = File::from_owned_fd(&rt, reader);
            writer.write_all(&n.to_ne_bytes()).unwrap();
            assert_eq!(rt.block_on(file.read_value_at::<u32>(0)).unwrap(), n);
            rt.block_on(file.len()).unwrap();
            reader = file.into_owned_fd().expect("nobody uses the file any more");
        }
    }
}
