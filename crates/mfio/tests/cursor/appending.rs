//! Cursors over what puts every write at its end: they know where that is.

use crate::adapters::{Adapter, Cursor, give_up};
use crate::object::{Answer, Scripted};
use mfio::error::ErrorKind;
use std::io::SeekFrom;

fn read(io: &Scripted, adapter: Adapter, cursor: &mut Cursor<'_>, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let n = io.run(adapter.read(cursor, &mut bytes)).unwrap();
    bytes.truncate(n);
    bytes
}

fn write(io: &Scripted, adapter: Adapter, cursor: &mut Cursor<'_>, bytes: &[u8]) {
    assert_eq!(io.run(adapter.write(cursor, bytes)).unwrap(), bytes.len());
    io.run(adapter.flush(cursor)).unwrap();
}

#[test]
fn a_write_to_an_appending_object_leaves_the_position_at_its_end() {
    for adapter in Adapter::ALL {
        for answer in [Answer::Now, Answer::Late] {
            let io = Scripted::new(*b"0123456789").appending();
            let mut cursor = Cursor::new(&io);
            let seek = |cursor: &mut Cursor<'_>, to| io.run(adapter.seek(cursor, to)).unwrap();
            assert_eq!(read(&io, adapter, &mut cursor, 2), b"01");
            io.answer([answer]);
            write(&io, adapter, &mut cursor, b"new");
            assert_eq!(cursor.position(), 13, "{adapter:?}");
            assert_eq!(io.sent().last(), Some(&("write", 10, 3)));
            assert_eq!(read(&io, adapter, &mut cursor, 4), b"");
            assert_eq!(seek(&mut cursor, SeekFrom::Current(-3)), 10);
            assert_eq!(read(&io, adapter, &mut cursor, 2), b"ne");
            assert_eq!(seek(&mut cursor, SeekFrom::Start(4)), 4);
            io.answer([answer]);
            write(&io, adapter, &mut cursor, b"er");
            assert_eq!(seek(&mut cursor, SeekFrom::Current(0)), 15);
            assert_eq!(seek(&mut cursor, SeekFrom::End(-1)), 14);
            assert_eq!(io.bytes(), b"0123456789newer");
        }
    }
}

#[test]
fn an_accepted_append_ends_where_it_went_though_others_append_too() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"0123").appending();
        let (mut one, mut other) = (Cursor::new(&io), Cursor::new(&io));
        io.answer([Answer::Late]);
        assert!(give_up(Adapter::Own.write(&mut one, b"one")).is_some());
        assert_eq!(one.position(), 7, "as far as is known");
        // The other one is faster.
        write(&io, Adapter::Own, &mut other, b"faster");
        assert_eq!(other.position(), 10);
        io.run(adapter.flush(&mut one)).unwrap();
        assert_eq!(io.bytes(), b"0123fasterone");
        assert_eq!(one.position(), 13, "{adapter:?}");
        assert_eq!(read(&io, adapter, &mut one, 9), b"");
        assert_eq!(read(&io, adapter, &mut other, 9), b"one");
    }
}

#[test]
fn an_append_that_fails_half_way_leaves_the_position_at_the_end() {
    for adapter in Adapter::ALL {
        let io = Scripted::new(*b"0123").appending();
        let mut cursor = Cursor::new(&io);
        io.answer([Answer::Part(2, ErrorKind::StorageFull)]);
        assert!(give_up(Adapter::Own.write(&mut cursor, b"abc")).is_some());
        assert!(io.run(adapter.flush(&mut cursor)).is_err());
        assert_eq!(cursor.position(), 6, "{adapter:?}");
        assert_eq!(io.bytes(), b"0123ab");
    }
}
