//! What training sees: patches of a case as they are and as they are augmented.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::{Array2, ArrayView3, Axis};
use nnunet_augment::transforms::{IntensityDraw, PatchMut, Scratch, SpatialDraw};
use nnunet_augment::{
    CaseSource, Crop, LoaderConfig, LoaderMode, Purpose, SampleAddress, SampleDraw, draw_crop,
    fill_patch,
};
use nnunet_draw::overlay::label_names;
use nnunet_draw::{GridCell, Picture, draw_grid, percentiles};
use nnunet_image::CropBox;
use nnunet_preprocess::{CaseStore, StoredCase};
use nnunet_schema::{DatasetId, Spacing};

use super::prepare::require;
use super::{AugmentationChoice, Pipeline, PipelineError};

/// Pixels from top to bottom of a slice.
const PANEL: usize = 192;
/// Percentiles of the patch as it is that are black and white in all its versions.
const WINDOW: [f64; 2] = [1.0, 99.0];

/// What to show.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// Name of the plans.
    pub plans_name: String,
    /// The configuration, e.g. `3d_fullres`; it must be preprocessed.
    pub configuration: String,
    /// The case; by default the first.
    pub case: Option<String>,
    /// Channel of the image, counted from 0.
    pub channel: usize,
    /// Patches, one per row: drawn as those of a batch of so many are, so that the last third of
    /// them holds foreground.
    pub patches: NonZeroUsize,
    /// Augmented versions of each patch.
    pub versions: NonZeroUsize,
    /// What is done to the patches.
    pub augmentation: AugmentationChoice,
    /// Seed of patches and versions.
    pub seed: u64,
}

/// A sheet of patches.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The case that is shown.
    pub case: String,
    /// Per row: the slice of the case with the patch framed, the patch as it is, its versions;
    /// the labels are drawn over all of them.
    pub picture: Picture,
    /// What happened to each version, row by row.
    pub draws: Vec<Vec<SampleDraw>>,
}

impl Pipeline {
    /// Draws patches of a preprocessed case as training sees them.
    ///
    /// # Errors
    /// If the configuration is not preprocessed, or there is no such case or channel.
    pub fn preview_augmentation(&self, request: &PreviewRequest) -> Result<Preview, PipelineError> {
        let dataset = self.layout.resolve(&request.dataset)?;
        let plans = self.plans(&dataset, &request.plans_name)?;
        let name = &request.configuration;
        let configuration = plans.configuration(name)?;
        let folder = self.store_folder(&dataset, &plans, name)?;
        require(&folder, || format!("nnunet preprocess {dataset} -c {name}"))?;
        let store = CaseStore::open(&folder)?;
        let case = Arc::new(chosen_case(&store, request.case.as_deref())?);
        if request.channel >= case.channels() {
            return Err(PipelineError::NoChannel {
                case: case.id().to_owned(),
                asked: request.channel,
                channels: case.channels(),
            });
        }

        let mode = LoaderMode::Training(request.augmentation.augmentation(&plans));
        let mut config = LoaderConfig::for_configuration(mode, &configuration);
        config.batch_size = request.patches.get();
        config.seed = request.seed;
        let current = plans
            .transpose_forward
            .apply_spacing(case.properties().spacing);
        let sheet = Sheet {
            case,
            config,
            channel: request.channel,
            versions: request.versions.get() as u64,
        };
        let mut rows = Vec::new();
        let mut draws = Vec::new();
        for sample in 0..request.patches.get() as u64 {
            let (row, drawn) = sheet.row(sample)?;
            rows.push(row);
            draws.push(drawn);
        }
        let spacing = configuration.target_spacing(current)?;
        let names = label_names(&self.description(&dataset)?)?;
        Ok(Preview {
            case: sheet.case.id().to_owned(),
            picture: draw_grid(&rows, in_plane(spacing), &names, PANEL)?,
            draws,
        })
    }
}

/// Spacing of rows and columns of slices along the first axis, mm.
fn in_plane(spacing: Spacing) -> [f64; 2] {
    [spacing[1], spacing[2]]
}

fn chosen_case(store: &CaseStore, asked: Option<&str>) -> Result<StoredCase, PipelineError> {
    let cases = store.cases()?;
    let found = match asked {
        Some(asked) => cases.iter().find(|case| *case == asked),
        None => cases.first(),
    };
    let Some(case) = found else {
        return Err(PipelineError::NoCase {
            folder: store.folder().to_path_buf(),
            asked: asked.unwrap_or("any").to_owned(),
            cases: cases.len(),
        });
    };
    Ok(store.open_case(case)?)
}

/// A patch with its labels, `(channel, z, y, x)` and `(z, y, x)`, contiguous.
struct Patch {
    data: Vec<f32>,
    labels: Vec<i16>,
}

/// What all rows have in common.
struct Sheet {
    case: Arc<StoredCase>,
    config: LoaderConfig,
    channel: usize,
    versions: u64,
}

impl Sheet {
    fn row(&self, sample: u64) -> Result<(Vec<GridCell>, Vec<SampleDraw>), PipelineError> {
        // Versions differ by their epoch; the patch is that of the first.
        let address = |epoch| SampleAddress {
            seed: self.config.seed,
            fold: self.config.fold,
            epoch,
            iteration: 0,
            sample,
        };
        let cases = [Arc::clone(&self.case) as Arc<dyn CaseSource>];
        let mut generator = address(0).generator(Purpose::TrainingCrop);
        let crop = draw_crop(&cases, &self.config, sample, &mut generator)?.crop;

        let plain = self.patch(&crop, &SampleDraw::default())?;
        let slice = self.best_slice(&plain);
        let window = percentiles(self.slice(&plain, slice).0, WINDOW);
        let mut row = vec![self.overview(&crop, slice, window)?];
        row.push(self.cell(&plain, slice, window, vec!["as it is".to_owned()]));
        let mut draws = Vec::new();
        for version in 0..self.versions {
            let draw = self.draw(address(version));
            let patch = self.patch(&crop, &draw)?;
            // The same part of the patient, as far as mirroring goes.
            let [depth, ..] = self.config.setup.patch.voxels();
            let shown = if draw.mirror[0] {
                depth - 1 - slice
            } else {
                slice
            };
            row.push(self.cell(&patch, shown, window, captions(&draw)));
            draws.push(draw);
        }
        Ok((row, draws))
    }

    fn draw(&self, address: SampleAddress) -> SampleDraw {
        let LoaderMode::Training(augmentation) = &self.config.mode else {
            return SampleDraw::default();
        };
        let mut generator = address.generator(Purpose::TrainingTransforms);
        let channels = CaseSource::channels(self.case.as_ref());
        augmentation.draw(&self.config.setup, channels, &mut generator)
    }

    /// The patch of a crop, after what was drawn.
    fn patch(&self, crop: &Crop, draw: &SampleDraw) -> Result<Patch, PipelineError> {
        let setup = &self.config.setup;
        let volume = setup.patch.volume();
        let mut made = Patch {
            data: vec![0.0; volume * CaseSource::channels(self.case.as_ref())],
            labels: vec![0; volume],
        };
        let mut patch = PatchMut::new(setup.patch.voxels(), &mut made.data, &mut made.labels)?;
        let (spatial, mut scratch) = (draw.spatial.as_ref(), Scratch::default());
        let case = self.case.as_ref();
        fill_patch(
            case,
            crop,
            spatial,
            setup.geometry,
            &mut patch,
            &mut scratch,
        )?;
        draw.finish(&mut patch, &self.config.masked_channels, &mut scratch);
        Ok(made)
    }

    /// The slice of a patch with most foreground; the middle one if there is none.
    fn best_slice(&self, patch: &Patch) -> usize {
        let [depth, rows, columns] = self.config.setup.patch.voxels();
        let foreground = |slice: &[i16]| slice.iter().filter(|label| **label > 0).count();
        let counts = patch
            .labels
            .chunks(rows * columns)
            .map(foreground)
            .enumerate();
        match counts.max_by_key(|(_, count)| *count) {
            Some((slice, count)) if count > 0 => slice,
            _ => depth / 2,
        }
    }

    fn slice(&self, patch: &Patch, slice: usize) -> (Array2<f32>, Array2<i16>) {
        let shape = self.config.setup.patch.voxels();
        let volume = self.config.setup.patch.volume();
        let channel = patch
            .data
            .chunks(volume)
            .nth(self.channel)
            .unwrap_or_default();
        (cut(shape, channel, slice), cut(shape, &patch.labels, slice))
    }

    fn cell(
        &self,
        patch: &Patch,
        slice: usize,
        window: [f32; 2],
        caption: Vec<String>,
    ) -> GridCell {
        let (image, labels) = self.slice(patch, slice);
        GridCell {
            caption,
            image,
            window,
            labels: Some(labels),
            frame: None,
        }
    }

    /// The slice of the case that goes through a slice of the patch, with the patch framed.
    fn overview(
        &self,
        crop: &Crop,
        slice: usize,
        window: [f32; 2],
    ) -> Result<GridCell, PipelineError> {
        let [depth, rows, columns] = self.case.shape().voxels();
        let patch = self.config.setup.patch;
        // The patch lies in the middle of the crop.
        let start = [0, 1, 2]
            .map(|axis| crop.start[axis] + (crop.shape[axis] as i64 - patch[axis] as i64) / 2);
        let z = (start[0] + slice as i64).clamp(0, depth as i64 - 1) as usize;
        let region = CropBox::between([z, 0, 0], [z + 1, rows, columns]);
        let region = region.unwrap_or_else(|| CropBox::whole(self.case.shape()));
        let data = self.case.read_data(region)?;
        let labels = self.case.read_labels(region)?;
        let frame = |axis: usize| start[axis]..start[axis] + patch[axis] as i64;
        Ok(GridCell {
            caption: vec![self.case.id().to_owned(), format!("slice {z}")],
            image: (data
                .index_axis(Axis(0), self.channel)
                .index_axis(Axis(0), 0))
            .to_owned(),
            window,
            labels: Some(labels.index_axis(Axis(0), 0).to_owned()),
            frame: Some([frame(1), frame(2)]),
        })
    }
}

/// One slice of a contiguous volume; empty if there is none.
fn cut<T: Copy + Default>(shape: [usize; 3], volume: &[T], slice: usize) -> Array2<T> {
    let volume = ArrayView3::from_shape(shape, volume).ok();
    let slice = volume.map(|volume| volume.index_axis_move(Axis(0), slice).to_owned());
    slice.unwrap_or_default()
}

/// What was drawn, in a few words.
fn captions(draw: &SampleDraw) -> Vec<String> {
    let mut moved = Vec::new();
    if let Some(SpatialDraw { angles, scale, .. }) = &draw.spatial {
        if angles.iter().any(|angle| *angle != 0.0) {
            let degrees = angles.map(|angle| format!("{:.0}", angle.to_degrees()));
            moved.push(format!("turned {}", degrees.join(" ")));
        }
        if *scale != 1.0 {
            moved.push(format!("scaled {:.2}", 1.0 / scale));
        }
    }
    let mirrored: String = (draw.mirror.iter().zip(["z", "y", "x"]))
        .filter_map(|(is_mirrored, axis)| is_mirrored.then_some(axis))
        .collect();
    if !mirrored.is_empty() {
        moved.push(format!("mirrored {mirrored}"));
    }
    let changed: Vec<&str> = draw.intensity.iter().map(name).collect();
    let or_nothing = |words: Vec<String>| {
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join(", ")
        }
    };
    vec![
        or_nothing(moved),
        or_nothing(changed.into_iter().map(str::to_owned).collect()),
    ]
}

fn name(draw: &IntensityDraw) -> &'static str {
    match draw {
        IntensityDraw::Noise { .. } => "noise",
        IntensityDraw::Blur { .. } => "blur",
        IntensityDraw::Brightness { .. } => "brightness",
        IntensityDraw::Contrast { .. } => "contrast",
        IntensityDraw::LowResolution { .. } => "low res",
        IntensityDraw::Gamma { .. } => "gamma",
        _ => "other",
    }
}
