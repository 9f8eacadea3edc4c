use nnunet_schema::Shape;

/// Which batch of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BatchAddress {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Iteration within the epoch, from 0.
    pub iteration: u64,
}

/// What a network is fed in one step, and what it should answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Which one it is.
    pub address: BatchAddress,
    /// Intensities, contiguous; in a cascade the labels of the previous stage follow, as one
    /// channel of zeros and ones each.
    pub data: Vec<f32>,
    /// Axes of the intensities: `(sample, channel, z, y, x)`; one slice in 2D.
    pub shape: [usize; 5],
    /// Labels for each output of the network, highest resolution first.
    pub targets: Vec<Target>,
    /// The case that each sample comes from.
    pub cases: Vec<String>,
}

/// Labels at one resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Labels, contiguous, none below 0.
    pub labels: Vec<i16>,
    /// Axes of the labels: `(sample, z, y, x)`; one slice in 2D.
    pub shape: [usize; 4],
}

impl Target {
    /// No labels yet, but room for so many samples of this shape.
    pub(crate) fn begin(&mut self, samples: usize, shape: Shape) {
        let [z, y, x] = shape.voxels();
        self.labels.clear();
        self.labels.reserve_exact(samples * shape.volume());
        self.shape = [samples, z, y, x];
    }
}
