use ndarray::ArrayView4;
use nnunet_image::LabelMap;
use nnunet_model::Device;
use nnunet_preprocess::CaseProperties;
use nnunet_preprocess::resample::ResampleMethod;
use nnunet_schema::plans::ResamplingFunction;
use nnunet_schema::{Configuration, DatasetDescription, Plans, Shape};

use crate::averaging::Decision;
use crate::export::LabelExport;
use crate::mirror::mirrorings;
use crate::sliding::{SlidingWindow, automatic_batch};
use crate::{
    Averaging, InferError, MemoryPlan, Network, Precision, PredictOptions, Tiling, WindowBatch,
};

/// Everything about predicting with a configuration but the networks: checked once, used for
/// all cases.
#[derive(Clone, Debug)]
pub struct Recipe {
    configuration: Configuration,
    name: String,
    channels: usize,
    averaging: Averaging,
    decision: Decision,
    mirrorings: Vec<Vec<i64>>,
    resampling: ResamplingFunction,
    step: f64,
    batch: WindowBatch,
    precision: Precision,
    memory_limit: Option<u64>,
}

impl Recipe {
    /// The recipe of the configuration `name` of `plans`, for networks that were trained with
    /// mirroring along `mirror_axes` (0 is the first spatial axis of the network's input).
    ///
    /// # Errors
    /// [`InferError::Schema`] if the configuration or the labels are wrong,
    /// [`InferError::Cascade`] if it is the second stage of a cascade,
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
        if let Some(previous) = &configuration.previous_stage {
            return Err(InferError::Cascade {
                configuration: name.to_owned(),
                previous: previous.clone(),
            });
        }
        let averaging = Averaging::of(plans.rule_set());
        let spatial = configuration.patch_size.len();
        let recipe = Self {
            resampling: resampling_function(name, &configuration)?,
            name: name.to_owned(),
            channels: dataset.channels(),
            averaging,
            decision: Decision::new(&dataset.label_scheme()?, averaging)?,
            mirrorings: mirrorings(mirror_axes, spatial, options.mirroring)?,
            step: options.step,
            batch: options.windows_per_batch,
            precision: options.precision,
            memory_limit: options.memory_limit,
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

    /// Windows that go through a network on `device` at once.
    #[must_use]
    pub fn windows_at_once(&self, device: Device) -> usize {
        match self.batch {
            WindowBatch::Windows(count) => count.get(),
            WindowBatch::Automatic => {
                automatic_batch(device, self.configuration.patch_shape().volume())
            }
        }
    }

    /// How this case's outputs are resampled to its own spacing. Whether a coarse axis is
    /// handled apart is judged by the configuration's spacing first, then by the case's.
    fn resampling(&self, properties: &CaseProperties) -> Result<ResampleMethod, InferError> {
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
    let given = &configuration.resampling_fn_probabilities;
    let function = ResamplingFunction::from_name(given).ok_or_else(|| {
        let names = ResamplingFunction::ALL.map(ResamplingFunction::name);
        let problem = format!("is `{given}`, expected one of {}", names.join(", "));
        fail("resampling_fn_probabilities", problem)
    })?;
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

/// Predicts a preprocessed case with a network in memory: the seam for the validation at the
/// end of a training. `data` is `(channel, z, y, x)`, axes as transposed by the plan; the label
/// map has the grid and the geometry of the file that the case came from.
///
/// # Errors
/// As [`predict_with_networks`].
pub fn predict_with_network(
    network: &dyn Network,
    recipe: &Recipe,
    case: &str,
    data: ArrayView4<'_, f32>,
    properties: &CaseProperties,
) -> Result<LabelMap, InferError> {
    predict_with_networks(&[network], recipe, case, data, properties)
}

/// As [`predict_with_network`], averaged over several networks (the folds).
///
/// Work is spread over the current rayon pool and libtorch's threads.
///
/// # Errors
/// [`InferError::NoNetworks`], [`InferError::Channels`], [`InferError::Properties`] if the data
/// is not what the properties say, [`InferError::MemoryLimit`], [`InferError::OutOfMemory`],
/// [`InferError::NetworkOutput`] and [`InferError::NonFinite`] for networks that misbehave, and
/// [`InferError::Model`] or [`InferError::Torch`] from the network.
pub fn predict_with_networks(
    networks: &[&dyn Network],
    recipe: &Recipe,
    case: &str,
    data: ArrayView4<'_, f32>,
    properties: &CaseProperties,
) -> Result<LabelMap, InferError> {
    let (channels, z, y, x) = data.dim();
    if channels != recipe.channels {
        return Err(InferError::Channels {
            case: case.to_owned(),
            found: channels,
            expected: recipe.channels,
        });
    }
    check_properties(case, Shape::new([z, y, x]), properties)?;
    let tiling = recipe.tiling(Shape::new([z, y, x]))?;
    let device = networks.first().map_or(Device::Cpu, |n| n.device());
    let batch = recipe.windows_at_once(device).min(tiling.windows().len());
    let heads = recipe.heads();
    let whole = properties.shape_before_cropping;
    let needed = MemoryPlan::new(&tiling, channels, heads, batch, whole).total();
    if let Some(limit) = recipe.memory_limit.filter(|limit| needed > *limit) {
        return Err(InferError::MemoryLimit {
            case: case.to_owned(),
            needed,
            limit,
        });
    }
    let method = recipe.resampling(properties)?;
    let mut export = LabelExport::new(case, properties, &recipe.decision, method);
    let window = SlidingWindow {
        case,
        networks,
        tiling: &tiling,
        dimensionality: recipe.configuration.dimensionality(),
        mirrorings: &recipe.mirrorings,
        averaging: recipe.averaging,
        classes: recipe.decision.classes(),
        heads,
        batch,
        precision: recipe.precision,
    };
    window.run(data, &mut export)?;
    export.finish()
}

/// Refuses properties that contradict the data or themselves.
fn check_properties(
    case: &str,
    found: Shape,
    properties: &CaseProperties,
) -> Result<(), InferError> {
    let fail = |problem: String| {
        Err(InferError::Properties {
            case: case.to_owned(),
            problem,
        })
    };
    let expected = properties.shape_after_resampling;
    if found != expected {
        return fail(format!(
            "it has {found} voxels, its properties say {expected}"
        ));
    }
    let (crop, whole) = (
        properties.bbox_used_for_cropping,
        properties.shape_before_cropping,
    );
    let cropped = properties.shape_after_cropping_and_before_resampling;
    if !crop.fits(whole) || crop.shape() != cropped || found.volume() == 0 {
        return fail(format!(
            "its properties say that {crop:?} of {whole} voxels is {cropped} and becomes {found}"
        ));
    }
    Ok(())
}
