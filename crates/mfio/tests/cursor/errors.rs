//! Errors are reported once, and never as the end of the data; accepted bytes are not lost.

use crate::adapters::{Adapter, Cursor, give_up};
use crate::object::{Answer, Scripted};
use mfio::error::{Error, ErrorKind};
use std::io::SeekFrom;

/// An error of ours, out of one of std's.
fn ours(error: std::io::Error) -> Error {
    error.downcast().expect("an error of ours is inside")
}

fn read(
    io: &Scripted,
    adapter: Adapter,
    cursor: &mut Cursor<'_>,
    len: usize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len];
    let n = io.run(adapter.read(cursor, &mut bytes)).map_err(ours)?;
    bytes.truncate(n);
    Ok(bytes)
}

#[test]
fn an_error_is_never_the_end_of_the_data() {
    for adapter in Adapter::ALL {
        let kinds = [
            ErrorKind::TimedOut,
            ErrorKind::WouldBlock,
            ErrorKind::Dropped,
            ErrorKind::WriteZero,
        ];
        for kind in kinds {
            let io = Scripted::new(*b"abcdef");
            let mut cursor = Cursor::new(&io);
            for answer in [Answer::Part(0, kind), Answer::PartNow(0, kind)] {
                io.answer([answer]);
                let error = read(&io, adapter, &mut cursor, 4).unwrap_err();
                assert_eq!(error.kind(), kind, "{adapter:?}");
                assert_eq!(error.get_object(), Some("the script"));
                assert_eq!(error.get_offset(), Some(0));
                assert_eq!(cursor.position(), 0);
            }
            assert_eq!(read(&io, adapter, &mut cursor, 9).unwrap(), b"abcdef");
            assert_eq!(read(&io, adapter, &mut cursor, 9).unwrap(), b"");
        }
    }
}

#[test]
fn bytes_before_an_error_come_first_and_the_error_next() {
    for adapter in Adapter::ALL {
        for answer in [
            Answer::Part(3, ErrorKind::Busy),
            Answer::PartNow(3, ErrorKind::Busy),
        ] {
            let io = Scripted::new(*b"abcdef");
            let mut cursor = Cursor::new(&io);
            io.answer([answer]);
            assert_eq!(read(&io, adapter, &mut cursor, 6).unwrap(), b"abc");
            let error = read(&io, adapter, &mut cursor, 2).unwrap_err();
            assert_eq!(
                (error.kind(), error.get_offset()),
                (ErrorKind::Busy, Some(3))
            );
            assert_eq!(
                read(&io, adapter, &mut cursor, 2).unwrap(),
                b"de",
                "told once"
            );
        }
    }
}

#[test]
fn bytes_of_an_abandoned_read_go_to_the_next_one() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"abcdef");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Late]);
        assert!(give_up(Adapter::Own.read(&mut cursor, &mut [0; 5])).is_none());
        assert_eq!(cursor.position(), 0, "nothing was given out");
        assert_eq!(read(&io, adapter, &mut cursor, 0).unwrap(), b"");
        assert_eq!(read(&io, adapter, &mut cursor, 2).unwrap(), b"ab");
        assert_eq!(cursor.position(), 2);
        assert_eq!(read(&io, adapter, &mut cursor, 100).unwrap(), b"cde");
        assert_eq!(io.sent(), [("read", 0, 5)], "{adapter:?} asked again");
        assert_eq!(read(&io, adapter, &mut cursor, 100).unwrap(), b"f");
    }
}

#[test]
fn an_error_of_an_abandoned_read_is_returned_by_the_next_one() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"abcdef");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Part(0, ErrorKind::TimedOut)]);
        assert!(give_up(Adapter::Own.read(&mut cursor, &mut [0; 5])).is_none());
        let error = read(&io, adapter, &mut cursor, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(read(&io, adapter, &mut cursor, 2).unwrap(), b"ab");
    }
}

#[test]
fn a_seek_elsewhere_discards_read_ahead_and_a_position_query_does_not() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"abcdef");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Late]);
        assert!(give_up(Adapter::Own.read(&mut cursor, &mut [0; 5])).is_none());
        assert_eq!(
            io.run(adapter.seek(&mut cursor, SeekFrom::Current(0)))
                .unwrap(),
            0
        );
        assert_eq!(read(&io, adapter, &mut cursor, 1).unwrap(), b"a");
        assert_eq!(io.sent().len(), 1);
        assert_eq!(
            io.run(adapter.seek(&mut cursor, SeekFrom::End(-2)))
                .unwrap(),
            4
        );
        assert_eq!(read(&io, adapter, &mut cursor, 9).unwrap(), b"ef");
    }
}

/// Accepts ten bytes at 2, of which 3 will be written.
fn accepted(io: &Scripted) -> Cursor<'_> {
    let mut cursor = Cursor::new(io);
    assert_eq!(
        io.run(Adapter::Own.seek(&mut cursor, SeekFrom::Start(2)))
            .unwrap(),
        2
    );
    io.answer([Answer::Part(3, ErrorKind::StorageFull)]);
    let n = give_up(Adapter::Own.write(&mut cursor, b"0123456789"));
    assert_eq!(n.expect("accepted at once").unwrap(), 10);
    assert_eq!(cursor.position(), 12);
    cursor
}

#[test]
fn an_accepted_write_that_fails_is_reported_once_by_the_next_call() {
    for adapter in Adapter::ALL {
        for call in 0..4 {
            let io = Scripted::new(*b"......");
            let mut cursor = accepted(&io);
            // Another handle may be the one that hears of it.
            let mut clone = cursor.clone();
            let error = io.run(async {
                match call {
                    0 => adapter.flush(&mut cursor).await.map(drop),
                    1 => adapter.write(&mut clone, b"x").await.map(drop),
                    2 => adapter.read(&mut cursor, &mut [0; 4]).await.map(drop),
                    _ => adapter.seek(&mut clone, SeekFrom::End(0)).await.map(drop),
                }
            });
            let error = ours(error.unwrap_err());
            assert_eq!(
                error.to_string(),
                "write of 7 bytes at offset 5 of the script failed: no space left",
                "{adapter:?}, call {call}"
            );
            assert_eq!(cursor.position(), 5);
            assert_eq!(io.bytes(), b"..012.");
            io.run(adapter.flush(&mut cursor)).expect("told once");
            assert_eq!(read(&io, adapter, &mut clone, 9).unwrap(), b".");
        }
    }
}

#[test]
fn a_write_that_fails_at_once_accepts_nothing() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"......");
        let mut cursor = Cursor::new(&io);
        io.answer([
            Answer::PartNow(0, ErrorKind::ReadOnly),
            Answer::PartNow(2, ErrorKind::ReadOnly),
        ]);
        let error = io.run(adapter.write(&mut cursor, b"abc")).unwrap_err();
        assert_eq!(ours(error).kind(), ErrorKind::ReadOnly);
        assert_eq!(cursor.position(), 0);
        assert_eq!(io.run(adapter.write(&mut cursor, b"abc")).unwrap(), 2);
        io.run(adapter.flush(&mut cursor))
            .expect("the caller knows that one byte is left");
        assert_eq!((cursor.position(), io.bytes()), (2, b"ab....".to_vec()));
    }
}

#[test]
fn an_accepted_write_outlives_its_cursor() {
    let io = Scripted::new(*b"......");
    let mut cursor = Cursor::new(&io);
    io.answer([Answer::Late]);
    assert_eq!(
        give_up(Adapter::Tokio.write(&mut cursor, b"abc"))
            .unwrap()
            .unwrap(),
        3
    );
    drop(cursor);
    assert!(io.release());
    assert_eq!(io.bytes(), b"abc...");
}

#[test]
fn a_write_abandoned_while_pending_has_written_nothing() {
    for adapter in [
        Adapter::Own,
        Adapter::Tokio,
        Adapter::Futures,
        Adapter::Embedded,
    ] {
        let io = Scripted::new(*b"......");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Late]);
        assert_eq!(
            give_up(adapter.write(&mut cursor, b"ab")).unwrap().unwrap(),
            2
        );
        assert!(give_up(adapter.write(&mut cursor, b"cd")).is_none());
        io.run(adapter.flush(&mut cursor)).unwrap();
        assert_eq!((cursor.position(), io.bytes()), (2, b"ab....".to_vec()));
    }
}

#[test]
fn seeks_that_lead_nowhere_say_so() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"abc");
        let mut cursor = Cursor::new(&io);
        for to in [SeekFrom::End(-4), SeekFrom::Current(-1)] {
            let error = ours(io.run(adapter.seek(&mut cursor, to)).unwrap_err());
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(
                error.to_string(),
                "seek at offset 0 of the script failed: invalid input; \
                 the position would be before the start, or beyond 2^64 - 1"
            );
        }
        io.run(adapter.seek(&mut cursor, SeekFrom::Start(u64::MAX)))
            .unwrap();
        assert!(
            io.run(adapter.seek(&mut cursor, SeekFrom::Current(1)))
                .is_err()
        );
        assert_eq!(cursor.position(), u64::MAX);
        assert_eq!(read(&io, adapter, &mut cursor, 4).unwrap(), b"");
        let error = ours(io.run(adapter.write(&mut cursor, b"x")).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_length_that_a_write_has_changed_is_queried_again() {
    let io = Scripted::new(*b"abc");
    let mut cursor = Cursor::new(&io);
    let mut other = cursor.clone();
    // The length comes at the second poll.
    assert!(give_up(Adapter::Own.seek(&mut cursor, SeekFrom::End(0))).is_none());
    io.run(async {
        Adapter::Own
            .seek(&mut other, SeekFrom::Start(3))
            .await
            .unwrap();
        Adapter::Own.write(&mut other, b"def").await.unwrap();
    });
    assert_eq!(
        io.run(Adapter::Own.seek(&mut cursor, SeekFrom::End(0)))
            .unwrap(),
        6
    );
}

#[test]
fn an_abandoned_seek_has_not_happened() {
    for adapter in [
        Adapter::Own,
        Adapter::Tokio,
        Adapter::Futures,
        Adapter::Embedded,
    ] {
        let io = Scripted::new(*b"abc");
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Late]);
        assert!(give_up(Adapter::Own.write(&mut cursor, b"x")).is_some());
        assert!(give_up(adapter.seek(&mut cursor, SeekFrom::Start(0))).is_none());
        assert_eq!(read(&io, adapter, &mut cursor, 9).unwrap(), b"bc");
        assert_eq!(io.bytes(), b"xbc");
    }
}
