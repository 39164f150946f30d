//! Cursors over files that are appended to, beside the standard library.
#![cfg(target_os = "linux")]

mod common;

use common::{Dir, runtimes};
use mfio::backend::IoBackendExt;
use mfio::cursor::{BlockingCursor, Cursor};
use mfio_layers::{AttachBackend, Cache, Mirror, Trace, Window};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};
use std::future::poll_fn;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

fn open(rt: &NativeRt, path: &Path) -> File {
    std::fs::write(path, b"0123456789").unwrap();
    let options = OpenOptions::new().read(true).append(true);
    rt.block_on(rt.open(path, &options)).unwrap()
}

/// Uses a file, and returns the positions and lengths that it reports meanwhile.
fn observe(mut file: impl Read + Write + Seek) -> Vec<u64> {
    let mut seen = vec![file.stream_position().unwrap()];
    let mut bytes = [0; 4];
    seen.push(file.read(&mut bytes[..2]).unwrap() as u64);
    file.write_all(b"new").unwrap();
    seen.push(file.stream_position().unwrap());
    seen.push(file.read(&mut bytes).unwrap() as u64);
    seen.push(file.seek(SeekFrom::Current(-4)).unwrap());
    seen.push(file.read(&mut bytes[..2]).unwrap() as u64);
    seen.extend(bytes.map(u64::from));
    seen.push(file.seek(SeekFrom::Start(5)).unwrap());
    file.write_all(b"er").unwrap();
    file.flush().unwrap();
    seen.push(file.stream_position().unwrap());
    seen.push(file.seek(SeekFrom::End(-1)).unwrap());
    seen
}

#[test]
fn a_cursor_over_an_append_file_is_where_std_is() {
    let dir = Dir::new();
    let path = dir.path("append");
    std::fs::write(&path, b"0123456789").unwrap();
    let mut options = std::fs::OpenOptions::new();
    let std = observe(options.read(true).append(true).open(&path).unwrap());
    for rt in runtimes() {
        assert_eq!(observe(BlockingCursor::new(open(&rt, &path))), std);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789newer");
        assert_eq!(
            observe(BlockingCursor::new(Trace::new(open(&rt, &path)))),
            std
        );
        let window = Window::new(open(&rt, &path), 0, 1000);
        assert_eq!(observe(BlockingCursor::new(window)), std);
        let cache = Cache::new(open(&rt, &path), 1 << 16, 4096).unwrap();
        assert_eq!(observe(BlockingCursor::new(cache)), std);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789newer");
        let paths = ["left", "right"].map(|name| dir.path(name));
        let replicas = paths.each_ref().map(|path| open(&rt, path));
        let mirror = AttachBackend::new(Mirror::<_>::new(replicas).unwrap(), rt.clone());
        assert_eq!(observe(BlockingCursor::new(mirror)), std);
        for path in paths {
            assert_eq!(std::fs::read(path).unwrap(), b"0123456789newer");
        }
    }
}

#[test]
fn an_asynchronous_cursor_over_an_append_file_is_at_its_end_after_a_write() {
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.path("async");
        let file = open(&rt, &path);
        let mut cursor = Cursor::new(file.clone());
        let mut other = Cursor::new(file);
        rt.block_on(async {
            let mut bytes = [0; 4];
            let written = poll_fn(|cx| cursor.poll_write(cx, b"new")).await;
            assert_eq!((written.unwrap(), cursor.position()), (3, 13));
            let read = poll_fn(|cx| cursor.poll_read(cx, &mut bytes)).await;
            assert_eq!((read.unwrap(), cursor.position()), (0, 13));
            poll_fn(|cx| other.poll_write(cx, b"er")).await.unwrap();
            let look = mfio::cursor::SeekFrom::Current(0);
            let pos = poll_fn(|cx| other.poll_seek(cx, look)).await;
            assert_eq!(pos.unwrap(), 15);
            let read = poll_fn(|cx| cursor.poll_read(cx, &mut bytes)).await;
            assert_eq!((read.unwrap(), &bytes[..2]), (2, &b"er"[..]));
        });
    }
}
