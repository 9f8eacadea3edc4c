//! One case from the file's grid and intensities to the network's.

mod channels;
mod checks;
mod crop;

use ndarray::{Array3, Array4, ArrayView3};
use nnunet_image::{Image, LabelMap};
use nnunet_schema::plans::ResamplingFunction;
use nnunet_schema::{
    AxisPermutation, Configuration, DatasetDescription, LabelScheme, Plans, RuleSet, Shape, Spacing,
};

use crate::memory::zeros;
use crate::normalize::{Convention, NormalizationContext, Normalizers};
use crate::resample::{resample_labels, resample_spent_image};
use crate::{CaseProperties, ClassLocations, PreprocessError, PreprocessedCase};
use channels::{ChannelRule, ResamplingRule, channel_rules, resampling_rules};
use crop::{CroppedCase, in_order};

/// The preprocessing of one configuration of a plan.
///
/// The order of steps is the rule set's: transpose, crop to nonzero, then resample and normalise
/// (paper) or normalise and resample (nnU-Net v2). A 2D configuration resamples in plane only.
#[derive(Clone, Debug)]
pub struct CasePipeline {
    configuration_name: String,
    configuration: Configuration,
    transpose: AxisPermutation,
    labels: LabelScheme,
    channels: Vec<ChannelRule>,
    data_resampling: ResamplingRule,
    label_resampling: ResamplingRule,
    rules: RuleSet,
}

impl CasePipeline {
    /// The pipeline of the configuration `configuration` of `plans`, with the normalisation
    /// schemes of nnU-Net v2.
    ///
    /// # Errors
    /// [`PreprocessError::Schema`] if the plans or the labels are malformed or have no such
    /// configuration; [`PreprocessError::Configuration`] if the plans ask for something that is
    /// not implemented, or for other channels than the dataset has.
    pub fn new(
        plans: &Plans,
        configuration: &str,
        dataset: &DatasetDescription,
    ) -> Result<Self, PreprocessError> {
        Self::with_normalizers(plans, configuration, dataset, &Normalizers::default())
    }

    /// As [`Self::new`], with normalisers of one's own.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_normalizers(
        plans: &Plans,
        configuration: &str,
        dataset: &DatasetDescription,
        normalizers: &Normalizers,
    ) -> Result<Self, PreprocessError> {
        let name = configuration;
        let configuration = plans.configuration(name)?;
        let [data_resampling, label_resampling] = resampling_rules(name, &configuration)?;
        let channels = channel_rules(plans, name, &configuration, normalizers)?;
        if channels.len() != dataset.channels() {
            return Err(PreprocessError::Configuration {
                configuration: name.to_owned(),
                key: "normalization_schemes".to_owned(),
                problem: format!(
                    "has {} entries, but dataset.json has {} channels; expected one per channel",
                    channels.len(),
                    dataset.channels()
                ),
            });
        }
        Ok(Self {
            configuration_name: name.to_owned(),
            configuration,
            transpose: plans.transpose_forward,
            labels: dataset.label_scheme()?,
            channels,
            data_resampling,
            label_resampling,
            rules: plans.rule_set(),
        })
    }

    /// Name of the configuration.
    #[must_use]
    pub fn configuration_name(&self) -> &str {
        &self.configuration_name
    }

    /// Preprocesses one case. `image` and `labels` are in the file's axes; `case_id` only names
    /// the case in errors. Without labels the result has 0 inside the nonzero region and -1
    /// outside, and no class locations.
    ///
    /// An image that is zero everywhere is not cropped.
    ///
    /// Runs on the current rayon pool. The memory of the image is used again: beyond image and
    /// result a case takes two bytes per voxel while it is cropped, and, when the image is no longer
    /// there, four per voxel of the class whose locations are drawn.
    ///
    /// # Errors
    /// [`PreprocessError`] with the case, what was found and what was expected, if the image has
    /// other channels than the plans, is empty or has voxels that are not finite; if the labels
    /// have another shape or values that the dataset does not know; if a channel cannot be
    /// normalised.
    pub fn run(
        &self,
        case_id: &str,
        image: Image,
        labels: Option<LabelMap>,
    ) -> Result<PreprocessedCase, PreprocessError> {
        self.check(case_id, &image, labels.as_ref())?;
        let has_labels = labels.is_some();
        let geometry = image.geometry;
        let cropped = CroppedCase::new(image, labels, self.transpose).map_err(|error| {
            PreprocessError::Internal {
                case: case_id.to_owned(),
                problem: error.to_string(),
            }
        })?;

        let current = self.transpose.apply_spacing(geometry.spacing);
        let target = self.configuration.target_spacing(current)?;
        let shape = if self.data_resampling.function == ResamplingFunction::Keep {
            cropped.bbox.shape()
        } else {
            cropped.bbox.shape().resampled(current, target)
        };
        let CroppedCase {
            shape_before_cropping,
            bbox,
            mut data,
            labels,
        } = cropped;
        let resampled_labels = |labels| self.resample_labels(labels, shape, current, target);
        let labels = match Convention::from(self.rules) {
            Convention::Paper => {
                data = self.resample_data(data, shape, current, target)?;
                let labels = resampled_labels(labels)?;
                self.normalize(case_id, &mut data, labels.view())?;
                labels
            }
            Convention::V2 => {
                self.normalize(case_id, &mut data, labels.view())?;
                data = self.resample_data(data, shape, current, target)?;
                resampled_labels(labels)?
            }
        };
        let class_locations = if has_labels {
            ClassLocations::draw(labels.view(), &self.labels)
        } else {
            ClassLocations::default()
        };
        let properties = CaseProperties {
            spacing: geometry.spacing,
            geometry,
            transpose_forward: self.transpose,
            shape_before_cropping,
            bbox_used_for_cropping: bbox,
            shape_after_cropping_and_before_resampling: bbox.shape(),
            shape_after_resampling: shape,
            class_locations,
        };
        Ok(PreprocessedCase {
            data,
            labels,
            properties,
        })
    }

    fn normalize(
        &self,
        case_id: &str,
        data: &mut Array4<f32>,
        labels: ArrayView3<'_, i16>,
    ) -> Result<(), PreprocessError> {
        let convention = Convention::from(self.rules);
        for (channel, (values, rule)) in data.outer_iter_mut().zip(&self.channels).enumerate() {
            let context = NormalizationContext {
                labels,
                region: rule.region,
                intensities: rule.intensities.as_ref(),
                convention,
            };
            (rule.normalizer.normalize(values, &context)).map_err(|problem| {
                PreprocessError::Normalization {
                    case: case_id.to_owned(),
                    channel,
                    scheme: rule.scheme.clone(),
                    problem: problem.to_string(),
                }
            })?;
        }
        Ok(())
    }

    fn resample_data(
        &self,
        mut data: Array4<f32>,
        to: Shape,
        current: Spacing,
        target: Spacing,
    ) -> Result<Array4<f32>, PreprocessError> {
        let (channels, z, y, x) = data.dim();
        if Shape::new([z, y, x]) == to {
            return Ok(in_order(data));
        }
        let method = self.data_resampling.method(current, target)?;
        let [z, y, x] = to.voxels();
        let mut result = zeros([channels, z, y, x])?;
        for (source, target) in data.outer_iter_mut().zip(result.outer_iter_mut()) {
            resample_spent_image(source, target, &method)?;
        }
        Ok(result)
    }

    fn resample_labels(
        &self,
        labels: Array3<i16>,
        to: Shape,
        current: Spacing,
        target: Spacing,
    ) -> Result<Array3<i16>, PreprocessError> {
        let (z, y, x) = labels.dim();
        if Shape::new([z, y, x]) == to {
            return Ok(in_order(labels));
        }
        let method = self.label_resampling.method(current, target)?;
        resample_labels(labels.view(), to, &method)
    }
}
