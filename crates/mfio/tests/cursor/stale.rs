//! Nothing that a cursor has kept from a call that was given up is taken for the answer to a new
//! one.

use crate::adapters::{Adapter, give_up};
use crate::object::{Answer, Scripted};
use mfio::cursor::Cursor;
use std::io::SeekFrom;

#[test]
fn a_seek_to_the_end_queries_the_length_again_after_an_abandoned_one() {
    for adapter in Adapter::ALL {
        for knows in [true, false] {
            // These cannot tell a new seek from the next poll of the old one, unless the object
            // knows its length.
            if !knows && matches!(adapter, Adapter::Futures | Adapter::Own) {
                continue;
            }
            let io = Scripted::new(*b"0123");
            let io = if knows { io.knowing_len() } else { io };
            let mut cursor = Cursor::new(&io);
            let given_up = give_up(adapter.seek(&mut cursor, SeekFrom::End(0)));
            assert_eq!(given_up.is_none(), adapter != Adapter::Std);
            io.grow(b"456");
            let pos = io.run(adapter.seek(&mut cursor, SeekFrom::End(0))).unwrap();
            assert_eq!(pos, 7, "{adapter:?}, {knows}");
        }
    }
}

#[test]
fn an_abandoned_seek_is_forgotten_by_any_other_call() {
    for adapter in Adapter::ALL {
        for call in 0..4 {
            let io = Scripted::new(*b"0123");
            let mut cursor = Cursor::new(&io);
            assert!(give_up(Adapter::Own.seek(&mut cursor, SeekFrom::End(0))).is_none());
            io.grow(b"456");
            io.run(async {
                match call {
                    0 => adapter.flush(&mut cursor).await.unwrap(),
                    1 => drop(adapter.read(&mut cursor, &mut [0; 2]).await.unwrap()),
                    2 => drop(adapter.write(&mut cursor, b"x").await.unwrap()),
                    _ => drop(adapter.seek(&mut cursor, SeekFrom::End(-1)).await.unwrap()),
                }
            });
            let pos = io.run(adapter.seek(&mut cursor, SeekFrom::End(0))).unwrap();
            assert_eq!(pos, 7, "{adapter:?}, call {call}");
        }
    }
}

#[test]
fn a_seek_discards_bytes_kept_by_an_abandoned_read() {
    for adapter in Adapter::ALL {
        for to in [SeekFrom::Start(0), SeekFrom::End(-4)] {
            let io = Scripted::new(*b"0123");
            let mut cursor = Cursor::new(&io);
            io.answer([Answer::Late]);
            assert!(give_up(Adapter::Own.read(&mut cursor, &mut [0; 4])).is_none());
            io.release();
            io.set(0, b'x');
            assert_eq!(io.run(adapter.seek(&mut cursor, to)).unwrap(), 0);
            let mut bytes = [0; 4];
            assert_eq!(io.run(adapter.read(&mut cursor, &mut bytes)).unwrap(), 4);
            assert_eq!(&bytes, b"x123", "{adapter:?}");
        }
    }
}
