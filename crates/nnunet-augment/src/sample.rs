//! One batch from start to end, on one thread.

use std::sync::Arc;
use std::time::Instant;

use nnunet_schema::Shape;

use crate::batch::{Batch, BatchAddress, Target};
use crate::config::LoaderMode;
use crate::random::{Purpose, SampleAddress};
use crate::statistics::LoaderStatistics;
use crate::targets::{downsample_labels, target_shape};
use crate::transforms::{PatchMut, Scratch, encode_previous_stage};
use crate::{
    AugmentError, CaseSource, CropDraw, LoaderConfig, SampleDraw, Stage, draw_crop, fill_patch,
};

/// Makes batches; shared by all threads.
#[derive(Debug)]
pub(crate) struct BatchMaker {
    cases: Vec<Arc<dyn CaseSource>>,
    config: LoaderConfig,
    /// Of the images, without those of a previous stage.
    image_channels: usize,
    target_shapes: Vec<Shape>,
}

/// What a thread keeps from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct Workbench {
    scratch: Scratch,
    labels: Vec<i16>,
    previous: Vec<i16>,
    /// What is being done just now, for the message of a panic.
    pub(crate) trace: Trace,
}

/// How far a sample has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    pub(crate) case: Option<usize>,
    pub(crate) stage: Stage,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            case: None,
            stage: Stage::Crop,
        }
    }
}

impl BatchMaker {
    pub(crate) fn new(
        cases: Vec<Arc<dyn CaseSource>>,
        config: LoaderConfig,
    ) -> Result<Self, AugmentError> {
        config.check()?;
        let first = cases.first().ok_or(AugmentError::NoCases)?;
        let channels = first.channels();
        for case in &cases {
            if case.channels() != channels || channels == 0 {
                return Err(AugmentError::Channels {
                    case: case.id().to_owned(),
                    found: case.channels(),
                    first: first.id().to_owned(),
                    expected: channels.max(1),
                });
            }
            if case.shape().volume() == 0 {
                return Err(AugmentError::Shape {
                    case: case.id().to_owned(),
                    what: "image",
                    found: case.shape(),
                    expected: Shape::new([1; 3]),
                });
            }
            if !config.previous_labels.is_empty() && !case.has_previous_stage() {
                return Err(AugmentError::NoPreviousStage {
                    case: case.id().to_owned(),
                });
            }
        }
        let target_shapes = (config.output_divisors.iter())
            .map(|divisor| target_shape(config.setup.patch, *divisor))
            .collect();
        Ok(Self {
            cases,
            config,
            image_channels: channels,
            target_shapes,
        })
    }

    /// Channels of the network's input.
    fn channels(&self) -> usize {
        self.image_channels + self.config.previous_labels.len()
    }

    /// Bytes of the buffers of a batch.
    pub(crate) fn batch_bytes(&self) -> usize {
        let data = self.channels() * self.config.setup.patch.volume() * size_of::<f32>();
        let labels: usize = self.target_shapes.iter().map(|s| s.volume()).sum();
        self.config.batch_size * (data + labels * size_of::<i16>())
    }

    pub(crate) fn config(&self) -> &LoaderConfig {
        &self.config
    }

    pub(crate) fn case_id(&self, number: usize) -> Option<&str> {
        self.cases.get(number).map(|case| case.id())
    }

    /// An empty batch of the right shape, in the buffers of a spare one if there is one. What is
    /// in them is overwritten sample by sample.
    fn begin(&self, address: BatchAddress, spare: Option<Batch>) -> Batch {
        let mut batch = spare.unwrap_or_default();
        let samples = self.config.batch_size;
        let [z, y, x] = self.config.setup.patch.voxels();
        batch.address = address;
        batch.shape = [samples, self.channels(), z, y, x];
        let length = batch.shape.iter().product();
        if batch.data.len() != length {
            batch.data = vec![0.0; length];
        }
        batch
            .targets
            .resize_with(self.target_shapes.len(), Target::default);
        for (target, shape) in batch.targets.iter_mut().zip(&self.target_shapes) {
            target.begin(samples, *shape);
        }
        batch.cases.clear();
        batch
    }

    /// Makes one batch; gives up with `None` if `is_cancelled` between two samples.
    pub(crate) fn make(
        &self,
        address: BatchAddress,
        bench: &mut Workbench,
        spare: Option<Batch>,
        is_cancelled: impl Fn() -> bool,
    ) -> Result<Option<(Batch, LoaderStatistics)>, AugmentError> {
        let patch = self.config.setup.patch;
        let sample_length = self.channels() * patch.volume();
        let mut batch = self.begin(address, spare);
        let mut statistics = LoaderStatistics {
            batches: 1,
            ..LoaderStatistics::default()
        };
        for (sample, data) in batch.data.chunks_exact_mut(sample_length).enumerate() {
            if is_cancelled() {
                return Ok(None);
            }
            let address = SampleAddress {
                seed: self.config.seed,
                fold: self.config.fold,
                epoch: address.epoch,
                iteration: address.iteration,
                sample: sample as u64,
            };
            let case = self.make_sample(address, data, bench, &mut statistics)?;
            batch.cases.push(case.id().to_owned());
            let begin = Instant::now();
            bench.trace.stage = Stage::Targets;
            for (target, shape) in batch.targets.iter_mut().zip(&self.target_shapes) {
                downsample_labels(&bench.labels, patch, *shape, &mut target.labels);
            }
            statistics.targets += begin.elapsed();
        }
        Ok(Some((batch, statistics)))
    }

    /// Makes the intensities in `data` and the labels in the bench.
    fn make_sample(
        &self,
        address: SampleAddress,
        data: &mut [f32],
        bench: &mut Workbench,
        statistics: &mut LoaderStatistics,
    ) -> Result<&dyn CaseSource, AugmentError> {
        let Workbench {
            scratch,
            labels,
            previous,
            trace,
        } = bench;
        *trace = Trace::default();
        let begin = Instant::now();
        let CropDraw { case, crop } = self.draw_crop(address)?;
        trace.case = Some(case);
        let case = &*self.cases[case];
        let draw = self.draw_transforms(address);
        let drawn = begin.elapsed();

        trace.stage = Stage::Read;
        let setup = &self.config.setup;
        let volume = setup.patch.volume();
        labels.resize(volume, 0);
        let (image, encoded) = data.split_at_mut(self.image_channels * volume);
        let mut patch = PatchMut::new(setup.patch.voxels(), image, labels)?;
        if !encoded.is_empty() {
            previous.resize(volume, 0);
            patch = patch.with_previous_stage(previous)?;
        }
        let spatial = draw.spatial.as_ref();
        let geometry = setup.geometry;
        let times = fill_patch(case, &crop, spatial, geometry, &mut patch, scratch)?;

        trace.stage = Stage::Intensity;
        let begin = Instant::now();
        let masked_channels = match self.config.mode {
            LoaderMode::Training(_) => self.config.masked_channels.as_slice(),
            LoaderMode::Validation => &[],
        };
        draw.finish(&mut patch, masked_channels, scratch);
        statistics.samples += 1;
        statistics.add_fill(times);
        statistics.intensity += begin.elapsed();
        statistics.read += drawn;

        if !encoded.is_empty() {
            trace.stage = Stage::Cascade;
            let begin = Instant::now();
            encode_previous_stage(
                previous,
                setup.patch.voxels(),
                &self.config.previous_labels,
                &draw.cascade,
                geometry,
                encoded,
            );
            statistics.cascade += begin.elapsed();
        }
        Ok(case)
    }

    fn draw_crop(&self, address: SampleAddress) -> Result<CropDraw, AugmentError> {
        let purpose = match self.config.mode {
            LoaderMode::Training(_) => Purpose::TrainingCrop,
            LoaderMode::Validation => Purpose::ValidationCrop,
        };
        let mut generator = address.generator(purpose);
        draw_crop(&self.cases, &self.config, address.sample, &mut generator)
    }

    fn draw_transforms(&self, address: SampleAddress) -> SampleDraw {
        match &self.config.mode {
            LoaderMode::Validation => SampleDraw::default(),
            LoaderMode::Training(augmentation) => {
                let mut generator = address.generator(Purpose::TrainingTransforms);
                let setup = &self.config.setup;
                let mut draw = augmentation.draw(setup, self.image_channels, &mut generator);
                let labels = self.config.previous_labels.len();
                let mut generator = address.generator(Purpose::TrainingCascade);
                draw.cascade = augmentation.draw_cascade(labels, &mut generator);
                draw
            }
        }
    }
}
