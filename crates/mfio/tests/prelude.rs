//! The prelude stands beside those of std, tokio and futures: every call here has one meaning only.
#![cfg(unix)]

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
            io.write_all(0, b"positions").await?;
            assert_eq!(io.read::<u8>(0).await?, b'p');
            assert_eq!(io.io_len().await?, 16);
            let mut cursor = Seekable::new(shared);
            cursor.seek(SeekFrom::Start(4)).await?;
            cursor.write_all(b"cursor").await?;
            cursor.rewind().await?;
            let mut bytes = [0; 10];
            cursor.read_exact(&mut bytes).await?;
            Ok::<_, std::io::Error>(bytes)
        });
        assert_eq!(&runtime.unwrap().block_on(drive).unwrap(), b"posicursor");
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
        let mut cursor = Seekable::new(&io);
        cursor.write_all(b"cursor").unwrap();
        cursor.rewind().unwrap();
        let mut bytes = [0; 2];
        cursor.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"cu");

        io.blocking().write_all(2, b"stom").unwrap();
        let read = io.read_to_vec(0, 6).map(|read| read.unwrap());
        let reads = futures_util::stream::once(read).collect::<Vec<_>>();
        assert_eq!(io.block_on(reads), [b"custom"]);
    }
}
