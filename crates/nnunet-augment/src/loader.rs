//! The threads that make batches ahead of time.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::batch::{Batch, BatchAddress};
use crate::pool::{BatchPool, LentBatch};
use crate::queue::OrderedQueue;
use crate::sample::{BatchMaker, Workbench};
use crate::statistics::LoaderStatistics;
use crate::{AugmentError, CaseSource, LoaderConfig};

/// Batches ahead for each thread. A sample that is rotated takes ten times as long as one that is
/// not: with fewer, the other threads soon wait for the one that has it.
const AHEAD_PER_THREAD: usize = 4;

type Made = Result<(Batch, LoaderStatistics), AugmentError>;

/// Makes batches in threads of its own and delivers them in the order in which they were
/// requested, whichever thread finishes first.
///
/// Ask for batches with [`request`](Self::request) and take them with the iterator. A batch that
/// fails is delivered as an error in its place; the ones after it are not affected. Dropping the
/// loader stops the threads after the sample that they are at.
///
/// Batches are large, and making room for them takes time: give them back when they are used up
/// ([`recycle`](Self::recycle)), or [borrow](Self::next_lent) them in the first place.
#[derive(Debug)]
pub struct BatchLoader {
    maker: Arc<BatchMaker>,
    queue: Arc<OrderedQueue<Made>>,
    pool: Arc<BatchPool>,
    workers: Vec<JoinHandle<()>>,
    statistics: BTreeMap<u64, LoaderStatistics>,
    last_delivery: Option<Instant>,
}

impl BatchLoader {
    /// Starts `threads` threads (at least one) that sample from these cases, all of which must
    /// have the same channels.
    ///
    /// # Errors
    /// [`AugmentError::Setting`], [`AugmentError::NoCases`] or [`AugmentError::Channels`] if it
    /// cannot work, [`AugmentError::Thread`] if a thread does not start.
    pub fn new(
        cases: Vec<Arc<dyn CaseSource>>,
        config: LoaderConfig,
        threads: usize,
    ) -> Result<Self, AugmentError> {
        if threads == 0 {
            return Err(AugmentError::setting("threads", threads, "at least 1"));
        }
        let maker = BatchMaker::new(cases, config)?;
        let ahead = batches_ahead(maker.config(), maker.batch_bytes(), threads);
        let mut loader = Self {
            maker: Arc::new(maker),
            queue: Arc::new(OrderedQueue::new(ahead)),
            pool: Arc::default(),
            workers: Vec::with_capacity(threads),
            statistics: BTreeMap::new(),
            last_delivery: None,
        };
        for number in 0..threads {
            let (maker, queue) = (Arc::clone(&loader.maker), Arc::clone(&loader.queue));
            let pool = Arc::clone(&loader.pool);
            let worker = thread::Builder::new()
                .name(format!("augment-{number}"))
                .spawn(move || work(&maker, &queue, &pool))
                .map_err(|source| AugmentError::Thread { number, source })?;
            loader.workers.push(worker);
        }
        Ok(loader)
    }

    /// What the loader was told.
    #[must_use]
    pub fn config(&self) -> &LoaderConfig {
        self.maker.config()
    }

    /// Appends iterations of an epoch to what is to be made. Making begins at once, as far as
    /// [`prefetch`](LoaderConfig::prefetch) and
    /// [`prefetch_bytes`](LoaderConfig::prefetch_bytes) allow; request the next epoch before this one ends
    /// and the threads never idle.
    pub fn request(&mut self, epoch: u64, iterations: Range<u64>) {
        self.queue.request(epoch, iterations);
    }

    /// Takes back the requests that no thread has begun with; those begun are still delivered.
    pub fn forget_requests(&mut self) {
        self.queue.forget_requests();
    }

    /// The next batch, waiting for it; `None` if everything requested has been delivered.
    ///
    /// # Errors
    /// Whatever kept this batch from being made: [`AugmentError::Source`],
    /// [`AugmentError::Shape`] or [`AugmentError::Panic`].
    pub fn next_batch(&mut self) -> Option<Result<Batch, AugmentError>> {
        let begin = Instant::now();
        let made = self.queue.next()?;
        let now = Instant::now();
        let since = self.last_delivery.replace(now).unwrap_or(begin);
        Some(made.map(|(batch, mut times)| {
            times.waited = now - begin;
            times.elapsed = now - since;
            (self.statistics.entry(batch.address.epoch).or_default()).add(&times);
            batch
        }))
    }

    /// The next batch as [`next_batch`](Self::next_batch), on loan: its buffers are used again
    /// once it is dropped.
    ///
    /// # Errors
    /// As [`next_batch`](Self::next_batch).
    pub fn next_lent(&mut self) -> Option<Result<LentBatch, AugmentError>> {
        let made = self.next_batch()?;
        Some(made.map(|batch| LentBatch::new(batch, Arc::clone(&self.pool))))
    }

    /// Takes back a batch that is used up; its buffers are filled again.
    pub fn recycle(&self, batch: Batch) {
        self.pool.put(batch);
    }

    /// Where the time of the batches delivered of an epoch went; counting starts anew.
    pub fn take_statistics(&mut self, epoch: u64) -> LoaderStatistics {
        self.statistics.remove(&epoch).unwrap_or_default()
    }
}

impl Iterator for BatchLoader {
    type Item = Result<Batch, AugmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch()
    }
}

impl Drop for BatchLoader {
    fn drop(&mut self) {
        self.queue.close();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of the work; there is nobody left to tell of another.
            let _ = worker.join();
        }
    }
}

/// How many batches of so many bytes may be finished or in the making.
fn batches_ahead(config: &LoaderConfig, bytes: usize, threads: usize) -> usize {
    let wanted = config.prefetch.max(AHEAD_PER_THREAD * threads);
    wanted.min(config.prefetch_bytes / bytes.max(1)).max(1)
}

fn work(maker: &BatchMaker, queue: &OrderedQueue<Made>, pool: &BatchPool) {
    let mut bench = Workbench::default();
    while let Some((number, address)) = queue.claim() {
        let made = make_caught(maker, address, &mut bench, pool.take(), queue);
        match made {
            Ok(Some(made)) => queue.finish(number, Ok(made)),
            Ok(None) => return,
            Err(error) => queue.finish(number, Err(error)),
        }
    }
}

fn make_caught(
    maker: &BatchMaker,
    address: BatchAddress,
    bench: &mut Workbench,
    spare: Option<Batch>,
    queue: &OrderedQueue<Made>,
) -> Result<Option<(Batch, LoaderStatistics)>, AugmentError> {
    // The bench holds plain buffers that are overwritten before they are read, so what a panic
    // leaves in it does no harm.
    let attempt = AssertUnwindSafe(|| maker.make(address, bench, spare, || queue.is_closed()));
    catch_unwind(attempt).unwrap_or_else(|payload| {
        let case = bench.trace.case.and_then(|number| maker.case_id(number));
        Err(AugmentError::Panic {
            case: case.unwrap_or("-").to_owned(),
            stage: bench.trace.stage,
            message: panic_message(&*payload),
        })
    })
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = (payload.downcast_ref::<&str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AugmentationSetup, LoaderMode, PatchGeometry};

    #[test]
    fn batches_ahead_are_bounded_in_number_and_in_bytes() {
        let setup = AugmentationSetup::for_patch([8; 3].into(), PatchGeometry::Volume);
        let mut config = LoaderConfig::new(LoaderMode::Validation, setup, 2);
        config.prefetch = 4;
        config.prefetch_bytes = 1000;
        assert_eq!(batches_ahead(&config, 100, 1), 4);
        assert_eq!(batches_ahead(&config, 100, 2), 8);
        assert_eq!(batches_ahead(&config, 100, 60), 10);
        assert_eq!(batches_ahead(&config, 300, 6), 3);
        assert_eq!(batches_ahead(&config, 3000, 6), 1);
    }
}
