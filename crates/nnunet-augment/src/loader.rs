//! The threads that make batches ahead of time.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::batch::{Batch, BatchAddress};
use crate::queue::OrderedQueue;
use crate::sample::{BatchMaker, Workbench};
use crate::statistics::LoaderStatistics;
use crate::{AugmentError, CaseSource, LoaderConfig};

type Made = Result<(Batch, LoaderStatistics), AugmentError>;

/// Makes batches in threads of its own and delivers them in the order in which they were
/// requested, whichever thread finishes first.
///
/// Ask for batches with [`request`](Self::request) and take them with the iterator. A batch that
/// fails is delivered as an error in its place; the ones after it are not affected. Dropping the
/// loader stops the threads after the sample that they are at.
#[derive(Debug)]
pub struct BatchLoader {
    maker: Arc<BatchMaker>,
    queue: Arc<OrderedQueue<Made>>,
    workers: Vec<JoinHandle<()>>,
    statistics: BTreeMap<u64, LoaderStatistics>,
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
        let queue = Arc::new(OrderedQueue::new(config.prefetch));
        let mut loader = Self {
            maker: Arc::new(BatchMaker::new(cases, config)?),
            queue,
            workers: Vec::with_capacity(threads),
            statistics: BTreeMap::new(),
        };
        for number in 0..threads {
            let (maker, queue) = (Arc::clone(&loader.maker), Arc::clone(&loader.queue));
            let worker = thread::Builder::new()
                .name(format!("augment-{number}"))
                .spawn(move || work(&maker, &queue))
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
    /// [`prefetch`](LoaderConfig::prefetch) allows; request the next epoch before this one ends
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
        let waited = begin.elapsed();
        Some(made.map(|(batch, mut times)| {
            times.waited = waited;
            (self.statistics.entry(batch.address.epoch).or_default()).add(&times);
            batch
        }))
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

fn work(maker: &BatchMaker, queue: &OrderedQueue<Made>) {
    let mut bench = Workbench::default();
    while let Some((number, address)) = queue.claim() {
        let made = make_caught(maker, address, &mut bench, queue);
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
    queue: &OrderedQueue<Made>,
) -> Result<Option<(Batch, LoaderStatistics)>, AugmentError> {
    // The bench holds plain buffers that are overwritten before they are read, so what a panic
    // leaves in it does no harm.
    let attempt = AssertUnwindSafe(|| maker.make(address, bench, || queue.is_closed()));
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
