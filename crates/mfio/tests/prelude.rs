//! The prelude stands beside those of std, tokio and futures: every call here has one meaning only.
#![cfg(any(unix, windows))]

mod beside_tokio {
    use mfio::memory::Memory;
    use mfio::prelude::*;
    use std::io::SeekFrom;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    #[test]
    fn prelude_and_tokios_io_traits_do_not_collide() {
        let io = Arc::new(Memory::new(vec![0; 16]));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let shared = io.clone();
        let drive = mfio::backend::Null::run_with(io, async move |io: &Arc<Memory>| {
            io.write_all_at(b"positions", 0).await?;
            assert_eq!(io.read_value_at::<u8>(0).await?, b'p');
            assert_eq!(io.io_len().await?, 16);
            let mut cursor = Cursor::new(shared);
            cursor.seek(SeekFrom::Start(4)).await?;
            cursor.write_all(b"cursor").await?;
            cursor.rewind().await?;
            let mut bytes = [0; 10];
            cursor.read_exact(&mut bytes).await?;
            Ok::<_, std::io::Error>(bytes)
        });
        assert_eq!(&runtime.unwrap().block_on(drive).unwrap(), b"posicursor");
    }

    #[test]
    fn streams_and_tokios_io_traits_do_not_collide() {
        let (reads, writes) = mfio::memory::pipe(64);
        let (reads, writes) = (Arc::new(reads), Arc::new(writes));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let drive = mfio::backend::Null::run_with(reads, async move |reads: &Arc<_>| {
            let mut cursor = ByteStream::new(reads.clone());
            let mut sink = ByteStream::new(&*writes);
            let (mut bytes, mut plain) = ([0; 6], &b"slices"[..]);
            plain.read_exact(&mut bytes).await?;
            writes.write_all(&bytes).await?;
            sink.write_all(b" and cursors").await?;
            sink.flush().await?;
            reads.read_exact(&mut bytes).await?;
            assert_eq!(&bytes, b"slices");
            assert_eq!(reads.read(&mut bytes[..5]).await?, 5);
            cursor.read_exact(&mut bytes).await?;
            Ok::<_, std::io::Error>(bytes)
        });
        assert_eq!(&runtime.unwrap().block_on(drive).unwrap(), b"cursor");
    }
}

mod beside_std_and_futures {
    use futures_util::{FutureExt, StreamExt};
    use mfio::memory::Memory;
    use mfio::prelude::*;
    use std::io::prelude::*;

    #[test]
    fn prelude_and_those_of_std_and_futures_do_not_collide() {
        let io = Memory::new(vec![0; 16]);
        let mut cursor = BlockingCursor::new(&io);
        cursor.write_all(b"cursor").unwrap();
        cursor.rewind().unwrap();
        let mut bytes = [0; 2];
        cursor.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"cu");

        io.blocking().write_all_at(b"stom", 2).unwrap();
        let read = io.read_vec_at(0, 6).map(|read| read.unwrap());
        let reads = futures_util::stream::once(read).collect::<Vec<_>>();
        assert_eq!(io.block_on(reads), [b"custom"]);
    }

    #[test]
    fn streams_and_the_io_traits_of_std_do_not_collide() {
        let (reads, writes) = mfio::memory::pipe(64);
        let mut cursor = BlockingByteStream::new(&reads);
        let mut sink = BlockingByteStream::new(&writes);
        let (mut bytes, mut all) = ([0; 6], Vec::new());
        (&b"slices"[..]).read_exact(&mut bytes).unwrap();
        writes.blocking().write_all(&bytes).unwrap();
        reads.block_on(writes.write_all(b" and")).unwrap();
        sink.write_all(b" cursors").unwrap();
        assert_eq!(all.write(b"a vector of ").unwrap(), 12);
        reads.blocking().read_exact(&mut bytes).unwrap();
        assert_eq!(reads.block_on(reads.read(&mut bytes[..5])).unwrap(), 5);
        drop(sink);
        drop(writes);
        assert_eq!(cursor.read(&mut bytes[..3]).unwrap(), 3);
        assert_eq!(reads.block_on(reads.read_to_end(&mut all)).unwrap(), 4);
        assert_eq!(all, b"a vector of sors");
    }
}
