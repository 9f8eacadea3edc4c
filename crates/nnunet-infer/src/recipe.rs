use nnunet_model::Device;
use nnunet_preprocess::CaseProperties;
use nnunet_preprocess::resample::ResampleMethod;
use nnunet_schema::plans::ResamplingFunction;
use nnunet_schema::{Configuration, DatasetDescription, Plans, Shape};

use crate::averaging::{Decision, label_values};
use crate::memory::{Needs, Wishes};
use crate::mirror::mirrorings;
use crate::sliding::automatic_batch;
use crate::{Averaging, InferError, MemoryPlan, Precision, PredictOptions, Tiling, WindowBatch};

/// Everything about predicting with a configuration but the networks: checked once, used for
/// all cases.
#[derive(Clone, Debug)]
pub struct Recipe {
    configuration: Configuration,
    name: String,
    channels: usize,
    /// The labels that the previous stage predicts, ascending; none without one.
    previous_labels: Vec<i16>,
    averaging: Averaging,
    pub(crate) decision: Decision,
    pub(crate) mirrorings: Vec<Vec<i64>>,
    resampling: ResamplingFunction,
    step: f64,
    pub(crate) precision: Precision,
    pub(crate) wishes: Wishes,
}

impl Recipe {
    /// The recipe of the configuration `name` of `plans`, for networks that were trained with
    /// mirroring along `mirror_axes` (0 is the first spatial axis of the network's input).
    ///
    /// # Errors
    /// [`InferError::Schema`] if the configuration or the labels are wrong,
    /// [`InferError::Resampling`] if the plans resample outputs other than linearly or by the
    /// nearest voxel, [`InferError::MirrorAxes`], [`InferError::Step`].
    pub fn new(
        plans: &Plans,
        name: &str,
        dataset: &DatasetDescription,
        mirror_axes: &[usize],
        options: &PredictOptions,
    ) -> Result<Self, InferError> {
        let configuration = plans.configuration(name)?;
        let scheme = dataset.label_scheme()?;
        let previous_labels = match configuration.previous_stage {
            Some(_) => label_values(&scheme.foreground_labels())?,
            None => Vec::new(),
        };
        let averaging = Averaging::of(plans.rule_set());
        let spatial = configuration.patch_size.len();
        let recipe = Self {
            resampling: resampling_function(name, &configuration)?,
            name: name.to_owned(),
            channels: dataset.channels(),
            previous_labels,
            averaging,
            decision: Decision::new(&scheme, averaging)?,
            mirrorings: mirrorings(mirror_axes, spatial, options.mirroring)?,
            step: options.step,
            precision: options.precision,
            wishes: Wishes::new(options),
            configuration,
        };
        recipe.tiling(Shape::new([1; 3]))?;
        Ok(recipe)
    }

    /// Name of the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Number of image channels.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// The configuration whose label maps this one continues, if it is the second stage of a
    /// cascade.
    #[must_use]
    pub fn previous_stage(&self) -> Option<&str> {
        self.configuration.previous_stage.as_deref()
    }

    /// The labels that the previous stage predicts, ascending; each becomes a channel of zeros and
    /// ones. Empty without a previous stage.
    #[must_use]
    pub fn previous_labels(&self) -> &[i16] {
        &self.previous_labels
    }

    /// Number of channels of the network's input: those of the image, and one for each label of
    /// the previous stage.
    #[must_use]
    pub const fn input_channels(&self) -> usize {
        self.channels + self.previous_labels.len()
    }

    /// Number of network outputs: labels with background, or regions.
    #[must_use]
    pub const fn heads(&self) -> usize {
        self.decision.heads()
    }

    /// What is averaged over windows, mirrorings and folds.
    #[must_use]
    pub const fn averaging(&self) -> Averaging {
        self.averaging
    }

    /// Passes of each window through each network: 1 without mirroring.
    #[must_use]
    pub const fn passes(&self) -> usize {
        self.mirrorings.len()
    }

    /// The windows of a preprocessed image of this shape.
    ///
    /// # Errors
    /// Does not fail: the step was checked.
    pub fn tiling(&self, image: Shape) -> Result<Tiling, InferError> {
        let window = self.configuration.patch_shape();
        Tiling::new(
            image,
            window,
            self.configuration.dimensionality(),
            self.step,
        )
    }

    /// Windows that go through a network on `device` at once, unless fewer fit a limit.
    #[must_use]
    pub fn windows_at_once(&self, device: Device) -> usize {
        match self.wishes.batch {
            WindowBatch::Windows(count) => count.get(),
            WindowBatch::Automatic => {
                automatic_batch(device, self.configuration.patch_shape().volume())
            }
        }
    }

    /// What predicting a case on `device` takes, for a case that becomes `preprocessed` voxels and
    /// whose image has `whole`: the first way that fits the limits, or, where none does, the most
    /// frugal.
    ///
    /// # Errors
    /// Does not fail: the step was checked.
    pub fn memory_plan(
        &self,
        preprocessed: Shape,
        whole: Shape,
        device: Device,
    ) -> Result<MemoryPlan, InferError> {
        Ok((self.needs(preprocessed, whole, device)?).plan(&self.wishes))
    }

    /// As [`Self::memory_plan`], for the case of this name.
    ///
    /// # Errors
    /// [`InferError::MemoryLimit`] if nothing fits the limits, with what would.
    pub fn fitting_plan(
        &self,
        case: &str,
        preprocessed: Shape,
        whole: Shape,
        device: Device,
    ) -> Result<MemoryPlan, InferError> {
        (self.needs(preprocessed, whole, device)?).fitting_plan(case, &self.wishes)
    }

    fn needs(
        &self,
        preprocessed: Shape,
        whole: Shape,
        device: Device,
    ) -> Result<Needs, InferError> {
        let tiling = self.tiling(preprocessed)?;
        Ok(Needs {
            batch: self.windows_at_once(device).min(tiling.windows().len()),
            tiling,
            channels: self.input_channels(),
            heads: self.heads(),
            whole,
            device,
        })
    }

    /// How this case's outputs are resampled to its own spacing. Whether a coarse axis is
    /// handled apart is judged by the configuration's spacing first, then by the case's.
    pub(crate) fn resampling(
        &self,
        properties: &CaseProperties,
    ) -> Result<ResampleMethod, InferError> {
        let own = properties
            .transpose_forward
            .apply_spacing(properties.spacing);
        let current = self.configuration.target_spacing(own)?;
        let arguments = &self.configuration.resampling_fn_probabilities_kwargs;
        let function = self.resampling;
        Ok(ResampleMethod::planned(function, current, own, arguments)?)
    }
}

/// The function that the plans resample network outputs with.
fn resampling_function(
    name: &str,
    configuration: &Configuration,
) -> Result<ResamplingFunction, InferError> {
    let fail = |key, problem| InferError::Resampling {
        configuration: name.to_owned(),
        key,
        problem,
    };
    let function = ResamplingFunction::from_name(&configuration.resampling_fn_probabilities)
        .map_err(|unknown| fail("resampling_fn_probabilities", unknown.to_string()))?;
    if function == ResamplingFunction::Spline {
        let arguments = &configuration.resampling_fn_probabilities_kwargs;
        let orders = [
            ("resampling_fn_probabilities_kwargs.order", arguments.order),
            (
                "resampling_fn_probabilities_kwargs.order_z",
                arguments.order_z,
            ),
        ];
        for (key, found) in orders {
            if found > 1 {
                let problem = format!("is {found}, expected 1 (linear) or 0 (nearest)");
                return Err(fail(key, problem));
            }
        }
    }
    Ok(function)
}
