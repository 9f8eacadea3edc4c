//! Ensembles of configurations: the mean of saved probabilities, read side by side.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use nnunet_image::{FormatRegistry, LabelMap};
use nnunet_schema::{DatasetDescription, Progress, SchemaError, atomic, layout};

use crate::averaging::Decision;
use crate::probabilities::{NpzReader, NpzWriter};
use crate::{Averaging, CaseFailure, ExistingOutputs, InferError, PredictReport, ProbabilityStore};

/// Voxels of a class that are averaged at once.
const BLOCK: usize = 1 << 20;

/// How folders of predictions become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnsembleOptions {
    /// What happens to cases that have an output already.
    pub existing: ExistingOutputs,
    /// Whether the mean is saved too, as `CASE.npz`.
    pub npz: bool,
}

/// Averages the probabilities of the same cases in several folders, of different configurations
/// say, and writes the label maps `output/CASE.nii.gz`.
///
/// Each folder holds `dataset.json`, and for each case `CASE.zarr` (if there are both, this) or
/// `CASE.npz`, of this program or the Python program, and the label map, whose geometry the
/// result has. All are read side by side in blocks: beside those, a case takes six bytes per
/// voxel, however many classes and folders there are. A case that fails is reported and does not
/// stop the others.
///
/// # Errors
/// [`InferError::Ensemble`] if there are no folders or no cases, or a case is not in all of
/// them; [`InferError::Schema`] if a description cannot be read or written, or a folder not be
/// listed. Nothing was written then.
pub fn ensemble_folders(
    folders: &[PathBuf],
    output: &Path,
    options: EnsembleOptions,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<PredictReport, InferError> {
    let Some(first) = folders.first() else {
        return Err(InferError::Ensemble {
            problem: "no folder is given, expected at least one".to_owned(),
        });
    };
    let dataset = DatasetDescription::load(&layout::dataset_json(first))?;
    let decision = Decision::new(&dataset.label_scheme()?, Averaging::Probabilities)?;
    formats.for_ending(&dataset.file_ending)?;
    let cases = common_cases(folders)?;
    dataset.save(&layout::dataset_json(output))?;
    let mut report = PredictReport::default();
    let task = progress.start("ensemble", cases.len());
    for case in cases {
        let name = format!("{case}{}", dataset.file_ending);
        let target = output.join(&name);
        if options.existing == ExistingOutputs::Keep && target.is_file() {
            report.kept.push(case);
            continue;
        }
        let job = Job {
            folders,
            case: &case,
            decision: &decision,
            npz: options.npz.then(|| output.join(format!("{case}.npz"))),
        };
        let written = (formats
            .read_labels(&first.join(&name))
            .map_err(InferError::from))
        .and_then(|like| job.run(like))
        .and_then(|labels| Ok(formats.write_labels(&target, &labels)?));
        task.step(&case);
        match written {
            Ok(()) => report.predicted.push(case),
            Err(error) => report.failed.push(CaseFailure { case, error }),
        }
    }
    Ok(report)
}

/// The label map of the mean of the saved probabilities of one case, each in the folder at its
/// place among `folders`; on the grid of `like`.
///
/// The probabilities are read side by side in blocks, as [`ensemble_folders`] does it.
///
/// # Errors
/// [`InferError::Probabilities`] if probabilities are missing or damaged, [`InferError::Ensemble`]
/// if there are no folders or the probabilities have another shape than `dataset` and `like` say.
pub fn ensemble_case(
    folders: &[PathBuf],
    case: &str,
    dataset: &DatasetDescription,
    like: LabelMap,
) -> Result<LabelMap, InferError> {
    if folders.is_empty() {
        return Err(InferError::Ensemble {
            problem: format!("case `{case}`: no folder is given, expected at least one"),
        });
    }
    let decision = Decision::new(&dataset.label_scheme()?, Averaging::Probabilities)?;
    let job = Job {
        folders,
        case,
        decision: &decision,
        npz: None,
    };
    job.run(like)
}

/// Whether a folder has saved probabilities of a case that [`ensemble_case`] can read.
#[must_use]
pub fn has_probabilities(folder: &Path, case: &str) -> bool {
    folder.join(format!("{case}.zarr")).is_dir() || folder.join(format!("{case}.npz")).is_file()
}

/// Removes the saved probabilities of a case from a folder, if there are any: those of another
/// network than the one whose label map is there.
///
/// # Errors
/// [`InferError::Schema`] if they cannot be removed.
pub fn remove_probabilities(folder: &Path, case: &str) -> Result<(), InferError> {
    let chunked = folder.join(format!("{case}.zarr"));
    let whole = folder.join(format!("{case}.npz"));
    for (path, removed) in [
        (&chunked, fs::remove_dir_all(&chunked)),
        (&whole, fs::remove_file(&whole)),
    ] {
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(InferError::Schema(SchemaError::Io {
                    action: "remove",
                    path: path.clone(),
                    source,
                }));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The cases with probabilities, which must be the same in all folders.
fn common_cases(folders: &[PathBuf]) -> Result<Vec<String>, InferError> {
    let mut common: Option<(&Path, Vec<String>)> = None;
    for folder in folders {
        let found = cases(folder)?;
        let fail = |problem| Err(InferError::Ensemble { problem });
        if found.is_empty() {
            let folder = folder.display();
            return fail(format!(
                "{folder} has no probabilities: predict with probabilities saved first"
            ));
        }
        let Some((first, cases)) = &common else {
            common = Some((folder, found));
            continue;
        };
        let missing =
            |from: &[String], of: &[String]| of.iter().find(|c| !from.contains(c)).cloned();
        if let Some(case) = missing(&found, cases) {
            let (here, there) = (folder.display(), first.display());
            return fail(format!("{here} lacks the case `{case}` of {there}"));
        }
        if let Some(case) = missing(cases, &found) {
            let (here, there) = (first.display(), folder.display());
            return fail(format!("{here} lacks the case `{case}` of {there}"));
        }
    }
    Ok(common.map(|(_, cases)| cases).unwrap_or_default())
}

/// The cases of a folder with probabilities, sorted.
fn cases(folder: &Path) -> Result<Vec<String>, InferError> {
    let entries = fs::read_dir(folder).map_err(|source| SchemaError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    })?;
    let names = entries.filter_map(Result::ok);
    let mut cases: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| {
            let case = name.strip_suffix(".zarr").or(name.strip_suffix(".npz"))?;
            Some(case.to_owned())
        })
        .collect();
    cases.sort_unstable();
    cases.dedup();
    Ok(cases)
}

/// One case of all folders.
struct Job<'a> {
    folders: &'a [PathBuf],
    case: &'a str,
    decision: &'a Decision,
    npz: Option<PathBuf>,
}

impl Job<'_> {
    /// The label map of the mean, on the grid of `like`.
    fn run(&self, like: LabelMap) -> Result<LabelMap, InferError> {
        let mut sources = (self.folders.iter())
            .map(|folder| Source::open(folder, self.case))
            .collect::<Result<Vec<_>, _>>()?;
        let [z, y, x] = like.shape().voxels();
        let expected = [self.decision.heads(), z, y, x];
        for (source, folder) in sources.iter().zip(self.folders) {
            let found = source.shape();
            if found != expected {
                let folder = folder.display();
                return Err(InferError::Ensemble {
                    problem: format!(
                        "case `{}`: the probabilities in {folder} are {found:?}, expected \
                         {expected:?} by dataset.json and the label map of the first folder",
                        self.case
                    ),
                });
            }
        }
        let Some(path) = &self.npz else {
            return self.average(&mut sources, like, None);
        };
        let mut labels = None;
        let mut failed = None;
        let written = atomic::write_with(path, |file| {
            let mut npz = NpzWriter::new(file, expected)?;
            match self.average(&mut sources, like, Some(&mut npz)) {
                Ok(found) => labels = Some(found),
                Err(error) => {
                    failed = Some(error);
                    return Err(io::Error::other("the mean could not be made"));
                }
            }
            npz.finish()
        });
        if let Some(error) = failed {
            return Err(error);
        }
        written?;
        labels.ok_or_else(|| InferError::Internal {
            case: self.case.to_owned(),
            problem: "no label map was made".to_owned(),
        })
    }

    /// Goes through all classes, one after the other, keeping the best of each voxel so far.
    fn average(
        &self,
        sources: &mut [Source],
        like: LabelMap,
        mut npz: Option<&mut NpzWriter<'_>>,
    ) -> Result<LabelMap, InferError> {
        let LabelMap { labels, geometry } = like;
        let shape = labels.dim();
        let voxels = labels.len();
        drop(labels);
        let mut labels = vec![0_i16; voxels];
        let mut best = vec![f32::NEG_INFINITY; voxels];
        let (mut mean, mut own) = (vec![0.0; BLOCK], vec![0.0; BLOCK]);
        let share = 1.0 / sources.len() as f32;
        for class in 0..self.decision.heads() {
            let blocks = labels.chunks_mut(BLOCK).zip(best.chunks_mut(BLOCK));
            for (labels, best) in blocks {
                let length = labels.len();
                mean.resize(length, 0.0);
                own.resize(length, 0.0);
                mean.fill(0.0);
                for source in sources.iter_mut() {
                    source.read(&mut own)?;
                    for (mean, own) in mean.iter_mut().zip(&own) {
                        *mean += own;
                    }
                }
                mean.iter_mut().for_each(|value| *value *= share);
                if let Some(npz) = &mut npz {
                    npz.write(&mean).map_err(|source| SchemaError::Io {
                        action: "write",
                        path: self.npz.clone().unwrap_or_default(),
                        source,
                    })?;
                }
                self.decision.update(class, &mean, best, labels);
            }
        }
        let labels = Array3::from_shape_vec(shape, labels);
        let labels = labels.map_err(|error| InferError::Internal {
            case: self.case.to_owned(),
            problem: error.to_string(),
        })?;
        Ok(LabelMap { labels, geometry })
    }
}

/// Probabilities of a case on disk, read in the order of memory.
enum Source {
    Chunked {
        store: Box<ProbabilityStore>,
        blocks: Box<dyn Iterator<Item = (usize, usize, usize)>>,
        /// What was read and not yet handed out.
        left: std::vec::IntoIter<f32>,
    },
    Npz(NpzReader),
}

impl Source {
    fn open(folder: &Path, case: &str) -> Result<Self, InferError> {
        let chunked = folder.join(format!("{case}.zarr"));
        if !chunked.is_dir() {
            let path = folder.join(format!("{case}.npz"));
            return Ok(Self::Npz(NpzReader::open(&path)?));
        }
        let store = ProbabilityStore::open(&chunked)?;
        Ok(Self::Chunked {
            blocks: Box::new(store.blocks()),
            left: Vec::new().into_iter(),
            store: Box::new(store),
        })
    }

    fn shape(&self) -> [usize; 4] {
        match self {
            Self::Chunked { store, .. } => store.shape(),
            Self::Npz(npz) => npz.shape(),
        }
    }

    fn read(&mut self, values: &mut [f32]) -> Result<(), InferError> {
        let (store, blocks, left) = match self {
            Self::Npz(npz) => return npz.read(values),
            Self::Chunked {
                store,
                blocks,
                left,
            } => (store, blocks, left),
        };
        let mut filled = 0;
        while let Some(rest) = values.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            if left.len() == 0
                && let Some((class, start, end)) = blocks.next()
            {
                *left = store.read(class, start, end)?.into_iter();
            }
            let count = left.len().min(rest.len());
            if count == 0 {
                return Ok(());
            }
            for (value, read) in rest.iter_mut().zip(left.by_ref().take(count)) {
                *value = read;
            }
            filled += count;
        }
        Ok(())
    }
}
