//! What a training consumes.

use std::fmt::Debug;
use std::ops::Range;

use nnunet_augment::BatchLoader;
pub use nnunet_augment::LoaderStatistics;
pub use nnunet_augment::{Batch, BatchAddress, Target};

/// Why a batch could not be made.
pub type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// Makes the batches of a training: those that are requested, in that order.
///
/// A [`crate::Trainer`] requests an epoch before it is through with the one before, so that a
/// source with threads can work ahead.
pub trait BatchSource: Debug {
    /// Appends these iterations of an epoch (both from 0) to what is to be made.
    fn request(&mut self, epoch: usize, iterations: Range<usize>);

    /// The next batch; none if everything requested has been delivered.
    fn next_batch(&mut self) -> Option<Result<Batch, LoadError>>;

    /// Where the time of the batches of an epoch went, if the source knows; asked once, after the
    /// last of them.
    fn take_statistics(&mut self, epoch: usize) -> Option<LoaderStatistics> {
        let _ = epoch;
        None
    }

    /// Takes back a batch that is done with, so that its memory can be used again.
    fn recycle(&mut self, batch: Batch) {
        drop(batch);
    }
}

impl BatchSource for BatchLoader {
    fn request(&mut self, epoch: usize, iterations: Range<usize>) {
        let Range { start, end } = iterations;
        Self::request(self, epoch as u64, start as u64..end as u64);
    }

    fn next_batch(&mut self) -> Option<Result<Batch, LoadError>> {
        Some(Self::next_batch(self)?.map_err(Into::into))
    }

    fn take_statistics(&mut self, epoch: usize) -> Option<LoaderStatistics> {
        Some(Self::take_statistics(self, epoch as u64))
    }

    fn recycle(&mut self, batch: Batch) {
        Self::recycle(self, batch);
    }
}
