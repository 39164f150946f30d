//! Making the object of a [`Cursor`] durable.

use super::async_cursor::Cursor;
use super::state_lock::Half;
use super::syncs::SyncCall;
use crate::control::{ControlIo, ControlOp};
use crate::error::Result;
use core::future::poll_fn;

impl<Io: ControlIo> Cursor<Io> {
    /// Flushes, then makes the data of the object durable: all bytes that were accepted before,
    /// with the metadata that is needed to find them. See
    /// [`IoControl::sync_data`](crate::traits::IoControl::sync_data).
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::cursor::Cursor;
    /// use mfio::memory::Memory;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// let io = Memory::new([0; 8]);
    /// let mut cursor = Cursor::new(&io);
    /// io.block_on(async {
    ///     cursor.write_all(b"durable").await?;
    ///     cursor.sync_data().await?;
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// # Ok::<_, std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The failure of an accepted write, and then nothing is synced; the failure of the sync. After
    /// that the state of unsynced data is unknown, and a second call that succeeds proves nothing.
    ///
    /// Syncs of one cursor are carried out one after the other. A failure is returned by all that
    /// wait at that time; if it was that of a dropped future, and none waits, by the next sync or
    /// flush.
    ///
    /// # Cancel safety
    /// A sync whose future is dropped goes on. The next one waits for it, returns its failure, and
    /// otherwise syncs anew.
    #[doc(alias = "fdatasync")]
    pub async fn sync_data(&mut self) -> Result<()> {
        self.sync(ControlOp::SyncData).await
    }

    /// Flushes, then makes data and metadata of the object durable. Errors and cancel safety are
    /// those of [`sync_data`](Self::sync_data).
    #[doc(alias = "fsync")]
    pub async fn sync_all(&mut self) -> Result<()> {
        self.sync(ControlOp::SyncAll).await
    }

    async fn sync(&mut self, op: ControlOp) -> Result<()> {
        self.forget_seek();
        let mut call = SyncCall::default();
        poll_fn(|cx| {
            self.poll_with(Half::Write, cx, |io, state, cx| {
                state.poll_sync(io, cx, op, &mut call)
            })
        })
        .await
    }
}
