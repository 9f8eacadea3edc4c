use std::collections::BTreeMap;
use std::time::Instant;

use nnunet_image::{CropBox, FormatRegistry, Image, LabelMap, RawCase, RawDataset, nonzero_box};
use nnunet_schema::{DatasetFingerprint, Progress, Shape, Spacing};
use rayon::prelude::*;
use serde_json::Map;

use crate::sampling::{Moments, Sampler, properties};
use crate::tally::TallyStack;
use crate::{FingerprintError, IntensitySampling, statistics};

/// How a fingerprint is made.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ExtractOptions {
    /// Which foreground voxels the intensity statistics are made of; default: the paper's.
    pub sampling: IntensitySampling,
}

impl ExtractOptions {
    /// With this sampling.
    #[must_use]
    pub const fn with_sampling(sampling: IntensitySampling) -> Self {
        Self { sampling }
    }
}

/// Reads every training case once and makes the dataset's fingerprint (paper, online methods,
/// "Dataset fingerprint").
///
/// Cases are cropped to the box of their nonzero voxels first; shapes and intensities are those
/// inside. Cases run in parallel on the current rayon pool. The result does not depend on the
/// number of threads.
///
/// # Errors
/// [`FingerprintError`] of the first case that is found to be wrong; [`verify`](crate::verify())
/// finds them all.
pub fn extract(
    dataset: &RawDataset,
    registry: &FormatRegistry,
    options: &ExtractOptions,
    progress: &dyn Progress,
) -> Result<DatasetFingerprint, FingerprintError> {
    let channels = dataset.description.channels();
    if dataset.cases.is_empty() {
        return Err(FingerprintError::NoCases {
            dataset: dataset.name.clone(),
        });
    }
    let task = progress.start("fingerprint", dataset.cases.len());
    let add_case = |mut facts: Facts, case: &RawCase| {
        let began = Instant::now();
        let (image, labels) = read(case, registry, channels)?;
        facts.add(&image, &labels, options.sampling, dataset.cases.len());
        let seconds = began.elapsed().as_secs_f64();
        tracing::debug!(case = case.id, seconds, shape = %labels.shape(), "looked at");
        task.step(&case.id);
        Ok::<_, FingerprintError>(facts)
    };
    let facts = (dataset.cases.par_iter())
        .try_fold(|| Facts::none(channels), add_case)
        .try_reduce(|| Facts::none(channels), |a, b| Ok(a.with(b)))?;
    Ok(facts.fingerprint())
}

/// Reads image and labels of a case and checks that they can be used together.
fn read(
    case: &RawCase,
    registry: &FormatRegistry,
    channels: usize,
) -> Result<(Image, LabelMap), FingerprintError> {
    let image = case.read_image(registry)?;
    if image.channels() != channels {
        return Err(FingerprintError::ChannelCount {
            case: case.id.clone(),
            expected: channels,
            found: image.channels(),
        });
    }
    let wrong = image.data.indexed_iter().find(|(_, v)| !v.is_finite());
    if let Some(((channel, z, y, x), value)) = wrong {
        return Err(FingerprintError::NotFinite {
            case: case.id.clone(),
            path: case
                .file_of_channel(channel)
                .map(Into::into)
                .unwrap_or_default(),
            voxel: [z, y, x],
            value: *value,
        });
    }
    let labels = case
        .read_labels(registry)?
        .ok_or_else(|| FingerprintError::NoLabel {
            case: case.id.clone(),
        })?;
    if labels.shape() != image.shape() {
        return Err(FingerprintError::LabelShape {
            case: case.id.clone(),
            path: case.label.clone().unwrap_or_default(),
            image: image.shape(),
            labels: labels.shape(),
        });
    }
    Ok((image, labels))
}

/// What is known of some of the cases, which follow each other in the dataset.
#[derive(Debug)]
struct Facts {
    shapes: Vec<Shape>,
    spacings: Vec<Spacing>,
    relative_sizes: Vec<f64>,
    /// Per channel, per case.
    moments: Vec<Vec<Moments>>,
    /// Per channel.
    tallies: Vec<TallyStack>,
}

impl Facts {
    fn none(channels: usize) -> Self {
        Self {
            shapes: Vec::new(),
            spacings: Vec::new(),
            relative_sizes: Vec::new(),
            moments: vec![Vec::new(); channels],
            tallies: vec![TallyStack::default(); channels],
        }
    }

    fn add(&mut self, image: &Image, labels: &LabelMap, sampling: IntensitySampling, cases: usize) {
        // An empty image is kept whole.
        let whole = CropBox::whole(image.shape());
        let inside = nonzero_box(image.data.view()).unwrap_or(whole);
        self.shapes.push(inside.shape());
        self.spacings.push(image.geometry.spacing);
        let relative = inside.shape().volume() as f64 / image.shape().volume() as f64;
        self.relative_sizes.push(relative);

        let labels = labels.labels.view();
        let mut sampler = Sampler::new(sampling, cases, inside.view(&labels));
        let channels = image.data.outer_iter();
        for ((channel, moments), tally) in channels.zip(&mut self.moments).zip(&mut self.tallies) {
            let sample = sampler.next(inside.view(&channel));
            moments.push(sample.moments);
            tally.push(sample.tally);
        }
    }

    fn with(mut self, later: Self) -> Self {
        self.shapes.extend(later.shapes);
        self.spacings.extend(later.spacings);
        self.relative_sizes.extend(later.relative_sizes);
        for (moments, later) in self.moments.iter_mut().zip(later.moments) {
            moments.extend(later);
        }
        for (tally, later) in self.tallies.iter_mut().zip(later.tallies) {
            tally.append(later);
        }
        self
    }

    fn fingerprint(self) -> DatasetFingerprint {
        let channels = self.moments.into_iter().zip(self.tallies).enumerate();
        let intensities: BTreeMap<_, _> = channels
            .map(|(channel, (moments, tally))| {
                (channel.to_string(), properties(moments.into_iter(), tally))
            })
            .collect();
        DatasetFingerprint {
            foreground_intensity_properties_per_channel: intensities,
            median_relative_size_after_cropping: statistics::median(&self.relative_sizes)
                .unwrap_or(f64::NAN),
            shapes_after_crop: self.shapes,
            spacings: self.spacings,
            extra: Map::new(),
        }
    }
}
