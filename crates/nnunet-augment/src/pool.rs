//! Buffers of batches that nobody needs any more.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::Batch;

/// A consumer gives back one batch for each that it takes, so that few lie here at a time.
const SPARE: usize = 2;

/// Shared by a loader, its threads and the batches that it lent.
#[derive(Debug, Default)]
pub(crate) struct BatchPool(Mutex<Vec<Batch>>);

impl BatchPool {
    /// Takes in a batch; it is freed if there are enough already.
    pub(crate) fn put(&self, batch: Batch) {
        let mut spare = self.lock();
        if spare.len() < SPARE && !batch.data.is_empty() {
            spare.push(batch);
        }
    }

    pub(crate) fn take(&self) -> Option<Batch> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch whose buffers go back to its loader when it is dropped, to be filled again.
#[derive(Debug)]
pub struct LentBatch {
    batch: Batch,
    pool: Arc<BatchPool>,
}

impl LentBatch {
    pub(crate) fn new(batch: Batch, pool: Arc<BatchPool>) -> Self {
        Self { batch, pool }
    }

    /// The batch, to keep.
    #[must_use]
    pub fn into_batch(mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }
}

impl Deref for LentBatch {
    type Target = Batch;

    fn deref(&self) -> &Batch {
        &self.batch
    }
}

impl DerefMut for LentBatch {
    fn deref_mut(&mut self) -> &mut Batch {
        &mut self.batch
    }
}

impl Drop for LentBatch {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.batch));
    }
}
