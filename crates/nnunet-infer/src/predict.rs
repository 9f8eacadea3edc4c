//! One preprocessed case: from windows to a label map.

use std::time::{Duration, Instant};

use ndarray::{Array3, ArrayView4, Axis};
use nnunet_image::LabelMap;
use nnunet_model::Device;
use nnunet_preprocess::CaseProperties;
use nnunet_schema::{NoProgress, Shape, Task};

use crate::accumulator::SliceSink;
use crate::export::LabelExport;
use crate::next_stage::{Exports, NextGrid};
use crate::probabilities::ProbabilityStream;
use crate::sliding::SlidingWindow;
use crate::{InferError, Network, ProbabilitySink, Recipe};

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
/// [`InferError::DeviceMemory`], [`InferError::NetworkOutput`] and [`InferError::NonFinite`] for
/// networks that misbehave, and [`InferError::Model`] or [`InferError::Torch`] from the network.
pub fn predict_with_networks(
    networks: &[&dyn Network],
    recipe: &Recipe,
    case: &str,
    data: ArrayView4<'_, f32>,
    properties: &CaseProperties,
) -> Result<LabelMap, InferError> {
    let wanted = Wanted::default();
    let predicted = predict_case(networks, recipe, case, data, properties, wanted)?;
    Ok(predicted.labels)
}

/// What is wanted of a prediction beside the label map.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    /// Receives the probabilities of all classes.
    pub(crate) probabilities: Option<&'a mut dyn ProbabilitySink>,
    /// Shapes of other preprocessed grids of the case that labels are wanted on.
    pub(crate) next_shapes: &'a [Shape],
    /// Told of every window.
    pub(crate) progress: Option<&'a dyn Task>,
}

/// What a prediction gives.
pub(crate) struct Predicted {
    pub(crate) labels: LabelMap,
    /// Labels for each of [`Wanted::next_shapes`].
    pub(crate) next_stages: Vec<Array3<i16>>,
    pub(crate) times: CaseTimes,
}

/// How long the parts of a prediction took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CaseTimes {
    /// Cutting windows, running networks, adding up.
    pub(crate) network: Duration,
    /// From outputs to labels, and probabilities if there are any.
    pub(crate) export: Duration,
}

/// As [`predict_with_networks`], with what else is wanted.
pub(crate) fn predict_case(
    networks: &[&dyn Network],
    recipe: &Recipe,
    case: &str,
    data: ArrayView4<'_, f32>,
    properties: &CaseProperties,
    wanted: Wanted<'_>,
) -> Result<Predicted, InferError> {
    let start = Instant::now();
    let (channels, z, y, x) = data.dim();
    if channels != recipe.input_channels() {
        return Err(InferError::Channels {
            case: case.to_owned(),
            found: channels,
            expected: recipe.input_channels(),
        });
    }
    let shape = Shape::new([z, y, x]);
    check_properties(case, shape, properties)?;
    let tiling = recipe.tiling(shape)?;
    let device = networks.first().map_or(Device::Cpu, |n| n.device());
    let plan = recipe.fitting_plan(case, shape, properties.shape_before_cropping, device)?;
    let window = SlidingWindow {
        case,
        networks,
        tiling: &tiling,
        dimensionality: recipe.configuration().dimensionality(),
        mirrorings: &recipe.mirrorings,
        averaging: recipe.averaging(),
        classes: recipe.decision.classes(),
        heads: recipe.heads(),
        precision: recipe.precision,
        plan,
        progress: wanted.progress.unwrap_or(&NoProgress),
    };
    let grids: Vec<NextGrid> = (wanted.next_shapes.iter())
        .map(|shape| recipe.next_grid(properties, *shape))
        .collect::<Result<_, _>>()?;
    let on_grids = grids.iter().map(|grid| grid.export(recipe, case));
    let probabilities = wanted.probabilities.map(|sink| sink as _);
    let mut export = Timed {
        sink: Exports::new(
            exporter(recipe, case, properties, probabilities)?,
            on_grids.collect(),
        ),
        spent: Duration::ZERO,
    };
    window.run(data, &mut export)?;
    let Timed { sink, mut spent } = export;
    let last = Instant::now();
    let (labels, next_stages) = sink.finish()?;
    spent += last.elapsed();
    let times = CaseTimes {
        network: start.elapsed().saturating_sub(spent),
        export: spent,
    };
    Ok(Predicted {
        labels,
        next_stages,
        times,
    })
}

impl Recipe {
    /// The label map of averaged outputs `(class, z, y, x)` of a preprocessed case, as
    /// [`WindowSum`](crate::WindowSum) gives them: resampled to the grid of the image, decided,
    /// put back where the case was cropped. `probabilities`, if any, receives those of all
    /// classes.
    ///
    /// # Errors
    /// [`InferError::Outputs`] if the outputs have another shape than the case, and
    /// [`InferError::Properties`]; whatever `probabilities` says.
    pub fn label(
        &self,
        case: &str,
        outputs: ArrayView4<'_, f32>,
        properties: &CaseProperties,
        probabilities: Option<&mut dyn ProbabilitySink>,
    ) -> Result<LabelMap, InferError> {
        let (heads, z, y, x) = outputs.dim();
        check_properties(case, Shape::new([z, y, x]), properties)?;
        if heads != self.heads() {
            return Err(InferError::Outputs {
                case: case.to_owned(),
                found: heads,
                expected: self.heads(),
            });
        }
        let mut export = exporter(self, case, properties, probabilities.map(|sink| sink as _))?;
        let mut buffer = None;
        for slice in outputs.axis_iter(Axis(1)) {
            let mut values: Vec<f32> = buffer.take().unwrap_or_default();
            values.clear();
            for class in slice.outer_iter() {
                match class.as_slice() {
                    Some(class) => values.extend_from_slice(class),
                    None => values.extend(class),
                }
            }
            buffer = export.take(values)?;
        }
        export.finish()
    }
}

fn exporter<'a>(
    recipe: &'a Recipe,
    case: &'a str,
    properties: &'a CaseProperties,
    probabilities: Option<&'a mut dyn ProbabilitySink>,
) -> Result<LabelExport<'a>, InferError> {
    let method = recipe.resampling(properties)?;
    let (heads, averaging) = (recipe.heads(), recipe.averaging());
    let classes = recipe.decision.classes();
    let stream = probabilities
        .map(|sink| ProbabilityStream::new(sink, properties, heads, averaging, classes));
    let export = LabelExport::new(case, properties, &recipe.decision, method);
    Ok(export.with_probabilities(stream.transpose()?))
}

/// Measures how long the export takes.
struct Timed<S> {
    sink: S,
    spent: Duration,
}

impl<S: SliceSink> SliceSink for Timed<S> {
    fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError> {
        let start = Instant::now();
        let taken = self.sink.take(slice);
        self.spent += start.elapsed();
        taken
    }
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
