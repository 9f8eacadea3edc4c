use std::time::Duration;

use crate::FillTimes;

/// Where the time of a loader went. Times of workers add up over threads; only
/// [`waited`](Self::waited) was lost to whoever takes the batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoaderStatistics {
    /// Batches delivered.
    pub batches: u64,
    /// Samples in them.
    pub samples: u64,
    /// Reading from the cases.
    pub read: Duration,
    /// Rotating and scaling.
    pub spatial: Duration,
    /// Transforms of intensities, mirroring and masking.
    pub intensity: Duration,
    /// Encoding and disturbing the previous stage of a cascade.
    pub cascade: Duration,
    /// Making the targets of the outputs.
    pub targets: Duration,
    /// Waiting of the consumer for a batch.
    pub waited: Duration,
    /// Time of the consumer from batch to batch, waiting included.
    pub elapsed: Duration,
}

impl LoaderStatistics {
    /// Milliseconds per sample of one of the times; 0 before the first sample.
    #[must_use]
    pub fn milliseconds_per_sample(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1000.0 / self.samples.max(1) as f64
    }

    /// All the workers' time.
    #[must_use]
    pub fn work(&self) -> Duration {
        self.read + self.spatial + self.intensity + self.cascade + self.targets
    }

    /// The share of its time, 0 to 1, that the consumer waited for batches; 0 before the first.
    #[must_use]
    pub fn wait_share(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        self.waited.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.samples += other.samples;
        self.add_fill(FillTimes {
            read: other.read,
            spatial: other.spatial,
        });
        self.intensity += other.intensity;
        self.cascade += other.cascade;
        self.targets += other.targets;
        self.waited += other.waited;
        self.elapsed += other.elapsed;
    }

    pub(crate) fn add_fill(&mut self, times: FillTimes) {
        self.read += times.read;
        self.spatial += times.spatial;
    }
}
