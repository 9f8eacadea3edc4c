//! Taking models from an archive.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nnunet_evaluate::select::{InferenceInformation, ModelName};
use nnunet_model::{CheckpointKind, CheckpointMetadata};
use nnunet_schema::{DatasetDescription, Fold, Plans, SchemaError, layout};
use tracing::info_span;

use super::archive::{ArchivedFile, ModelArchive, UnpackError};
use super::checksums::{Checksum, Checksums};
use super::documents::{models_of, relocated};
use super::place::Place;
use super::scratch::Scratch;
use super::{Damage, DamageKind, ENSEMBLES, INFORMATION, SharedModel, SharingError};
use crate::pipeline::select::{ORDER, POSTPROCESSING, folds_of};
use crate::pipeline::stage::Stage;
use crate::pipeline::{Existing, Pipeline, PipelineError};

/// What is installed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallRequest {
    /// The archive: of [`Pipeline::export_model`] or the Python program.
    pub archive: PathBuf,
    /// What to do about models that are there already: [`Existing::Keep`] refuses.
    pub existing: Existing,
    /// What the files of the archive may have together.
    pub limit: SizeLimit,
}

impl InstallRequest {
    /// Installs without replacing anything.
    #[must_use]
    pub fn new(archive: PathBuf) -> Self {
        Self {
            archive,
            existing: Existing::Keep,
            limit: SizeLimit::default(),
        }
    }
}

/// Bytes that the files of an archive may have together, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit(pub u64);

impl Default for SizeLimit {
    /// 100 GB: five folds of four large configurations, in both formats, are a fifth of it.
    fn default() -> Self {
        Self(100_000_000_000)
    }
}

/// What was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Name of the dataset.
    pub dataset: String,
    /// Its folder of models.
    pub folder: PathBuf,
    /// The models.
    pub models: Vec<SharedModel>,
    /// The winner of the selection, one model or two, if [`Pipeline::predict_selected`] can be used.
    pub selected: Option<Vec<ModelName>>,
    /// Number of files, and their bytes.
    pub files: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Whether the files are those that were exported.
    pub verification: Verification,
    /// What somebody should know.
    pub notes: Vec<String>,
}

/// What is known of the files of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// They have the checksums that were listed when they were exported.
    Checksums,
    /// The archive has no list, as those of the Python program: only damage that the zip format
    /// sees itself would have been found.
    ZipOnly,
}

impl Pipeline {
    /// Installs the models of an archive into the folder of results.
    ///
    /// The archive is not trusted: entries that lead out of the folder, links, devices, absurd
    /// sizes and overlapping entries are refused before anything is written, and nothing in it is
    /// run. Files are unpacked beside the folder's datasets, flushed, compared with their checksums
    /// and read as the documents and checkpoints that they should be; then whole model folders are
    /// renamed to their places. If that fails, what was replaced is put back.
    ///
    /// # Errors
    /// [`SharingError::Refused`], [`SharingError::Damaged`] with every damaged file,
    /// [`SharingError::NoModel`], [`SharingError::Occupied`] if a model is there already,
    /// [`SharingError::Stopped`] when `stop` becomes true; and if a file cannot be read or written.
    pub fn install_model(
        &self,
        request: &InstallRequest,
        stop: &AtomicBool,
    ) -> Result<Installation, PipelineError> {
        let _stage = Stage::begin(info_span!("install", archive = %request.archive.display()));
        let mut archive = ModelArchive::open(&request.archive, request.limit.0)?;
        let checksums = archive.checksums()?;
        let folder = self.layout.results.join(&archive.dataset);
        let pieces = Pieces::of(&archive);
        let replaced = pieces.there_already(&folder);
        if request.existing == Existing::Keep && !replaced.is_empty() {
            return Err(SharingError::Occupied { paths: replaced }.into());
        }
        let unpacked = Scratch::beside(&self.layout.results.join("install"))?;
        self.unpack(
            &mut archive,
            request,
            checksums.as_ref(),
            unpacked.path(),
            stop,
        )?;

        let staged = unpacked.path().join(&archive.dataset);
        let models = usable_models(request, &archive, unpacked.path())?;
        let mut notes: Vec<String> = (archive.ignored.iter())
            .map(|name| {
                format!(
                    "`{}` is not installed: exports have no such file",
                    name.escape_debug()
                )
            })
            .collect();
        let selected = match pieces.has_information {
            true => settle_selection(&staged, &folder, &models, &mut notes)?,
            false => None,
        };
        pieces.move_to(&staged, &folder, &unpacked.path().join("replaced"))?;
        Ok(Installation {
            dataset: archive.dataset,
            folder,
            models,
            selected,
            files: archive.files.len(),
            bytes: archive.files.iter().map(|file| file.bytes).sum(),
            verification: match checksums {
                Some(_) => Verification::Checksums,
                None => Verification::ZipOnly,
            },
            notes,
        })
    }

    /// Unpacks all files and compares them with the list.
    fn unpack(
        &self,
        archive: &mut ModelArchive,
        request: &InstallRequest,
        checksums: Option<&Checksums>,
        folder: &Path,
        stop: &AtomicBool,
    ) -> Result<(), PipelineError> {
        let files = archive.files.clone();
        let mut damages = Vec::new();
        let task = self.progress.start("install", files.len());
        for file in &files {
            let kind = match archive.unpack(file, &folder.join(&file.name), stop) {
                Ok(found) => checksums.and_then(|list| difference(list, &file.name, found)),
                Err(UnpackError::Damaged(kind)) => Some(kind),
                Err(UnpackError::Other(error)) => return Err(error),
            };
            damages.extend(kind.map(|kind| Damage {
                file: file.name.clone(),
                kind,
            }));
            task.step(&file.name);
        }
        if let Some(list) = checksums {
            let there: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
            let missing = list.0.keys().filter(|name| !there.contains(name.as_str()));
            damages.extend(missing.map(|name| Damage {
                file: name.clone(),
                kind: DamageKind::Missing,
            }));
        }
        if damages.is_empty() {
            return Ok(());
        }
        let archive = request.archive.clone();
        Err(SharingError::Damaged { archive, damages }.into())
    }
}

/// How a file differs from what the list says of it.
fn difference(list: &Checksums, name: &str, found: Checksum) -> Option<DamageKind> {
    match list.0.get(name) {
        Some(expected) if *expected == found => None,
        Some(_) => Some(DamageKind::Altered),
        None => Some(DamageKind::Unlisted),
    }
}

/// The models among the unpacked files, each of which is read as far as a prediction begins.
fn usable_models(
    request: &InstallRequest,
    archive: &ModelArchive,
    unpacked: &Path,
) -> Result<Vec<SharedModel>, PipelineError> {
    let name = request.archive.display().to_string();
    // Messages of readers name the file where it lies for the moment.
    let beside = format!("{}/", unpacked.display());
    let unusable = |problem: String| SharingError::NoModel {
        archive: request.archive.clone(),
        problem: problem.replace(&beside, ""),
    };
    let mut names: Vec<ModelName> = Vec::new();
    for file in &archive.files {
        match &file.place {
            Place::Model(name) if !names.contains(name) => names.push(name.clone()),
            _ => {}
        }
    }
    names.sort_by_key(|name| {
        let place = ORDER.iter().position(|known| *known == name.configuration);
        (place.unwrap_or(ORDER.len()), name.to_string())
    });
    let mut models = Vec::new();
    for name in names {
        let folder = unpacked.join(&archive.dataset).join(name.to_string());
        let plans = Plans::load(&layout::model_plans(&folder));
        let plans = plans.map_err(|error| unusable(error.to_string()))?;
        let configuration = plans.configuration(&name.configuration);
        configuration.map_err(|error| unusable(error.to_string()))?;
        let description = DatasetDescription::load(&layout::dataset_json(&folder));
        description.map_err(|error| unusable(error.to_string()))?;
        let mut folds: Vec<Fold> = Vec::new();
        for (fold, checkpoint) in checkpoints(&folder) {
            CheckpointMetadata::read(&checkpoint).map_err(|error| unusable(error.to_string()))?;
            if !folds.contains(&fold) {
                folds.push(fold);
            }
        }
        if folds.is_empty() {
            return Err(unusable(format!("`{name}` has no fold with a checkpoint")).into());
        }
        models.push(SharedModel { name, folds });
    }
    if models.is_empty() {
        return Err(unusable(format!("{name} has no model folder")).into());
    }
    Ok(models)
}

/// All checkpoints in the folds of a model folder, by fold.
fn checkpoints(model: &Path) -> Vec<(Fold, PathBuf)> {
    let entries = fs::read_dir(model).into_iter().flatten().flatten();
    let mut folds: Vec<(Fold, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let fold = name.to_str()?.strip_prefix("fold_")?.parse().ok()?;
            Some((fold, entry.path()))
        })
        .collect();
    folds.sort_by_key(|(fold, _)| match fold {
        Fold::Number(number) => (0, *number),
        Fold::All => (1, 0),
    });
    let kinds = [
        CheckpointKind::Final,
        CheckpointKind::Best,
        CheckpointKind::Latest,
    ];
    let of_fold = |(fold, folder): &(Fold, PathBuf)| -> Vec<(Fold, PathBuf)> {
        let paths = kinds
            .iter()
            .flat_map(|kind| [kind.path(folder), kind.python_path(folder)]);
        paths
            .filter(|path| path.is_file())
            .map(|path| (*fold, path))
            .collect()
    };
    folds.iter().flat_map(of_fold).collect()
}

/// Makes the outcome of a selection speak of this machine's folders, or leaves it out if it cannot
/// be followed. Says what it chose.
fn settle_selection(
    staged: &Path,
    folder: &Path,
    models: &[SharedModel],
    notes: &mut Vec<String>,
) -> Result<Option<Vec<ModelName>>, PipelineError> {
    let path = staged.join(INFORMATION);
    let information = InferenceInformation::load(&path)?;
    let (winner, folds) = (information.models(), folds_of(&information));
    let is_there = |name: &ModelName| {
        let mut same = models.iter().filter(|model| model.name == *name);
        same.any(|model| folds.iter().all(|fold| model.folds.contains(fold)))
    };
    let candidate = models_of(&winner).filter(|_| winner.iter().all(is_there));
    let collected = candidate.map(|candidate| candidate.collected(Path::new(""), &folds));
    let usable = collected.filter(|below| staged.join(below).join(POSTPROCESSING).is_file());
    let Some(below) = usable else {
        let names: Vec<String> = winner.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "the selection is not installed: its winner, {}, is not in the archive with all its \
             folds and its postprocessing",
            names.join(" + ")
        ));
        remove(&path)?;
        return Ok(None);
    };
    let place = folder.join(&below);
    let relocated = relocated(information, &place, |path| {
        path.strip_prefix(folder)
            .is_ok_and(|below| staged.join(below).is_file())
    });
    relocated.save(&path)?;
    Ok(Some(winner))
}

fn remove(path: &Path) -> Result<(), SchemaError> {
    fs::remove_file(path).map_err(|source| SchemaError::Io {
        action: "remove",
        path: path.to_path_buf(),
        source,
    })
}

/// The folders and files of a dataset that are moved as a whole.
#[derive(Debug)]
struct Pieces {
    /// Below the dataset's folder.
    paths: Vec<PathBuf>,
    has_information: bool,
}

impl Pieces {
    fn of(archive: &ModelArchive) -> Self {
        let piece = |file: &ArchivedFile| match &file.place {
            Place::Model(name) => Some(PathBuf::from(name.to_string())),
            Place::Ensemble(name) => Some(Path::new(ENSEMBLES).join(name)),
            Place::Information => Some(PathBuf::from(INFORMATION)),
            _ => None,
        };
        let paths: BTreeSet<PathBuf> = archive.files.iter().filter_map(piece).collect();
        Self {
            has_information: paths.contains(Path::new(INFORMATION)),
            paths: paths.into_iter().collect(),
        }
    }

    /// Those that are in the folder of the installed models.
    fn there_already(&self, folder: &Path) -> Vec<PathBuf> {
        let paths = self.paths.iter().map(|path| folder.join(path));
        paths
            .filter(|path| path.symlink_metadata().is_ok())
            .collect()
    }

    /// Renames each from `staged` to its place in `folder`; what is there goes to `replaced`.
    fn move_to(&self, staged: &Path, folder: &Path, replaced: &Path) -> Result<(), SchemaError> {
        let mut done = Vec::new();
        for path in &self.paths {
            if !staged.join(path).exists() {
                continue;
            }
            let step = Move {
                from: staged.join(path),
                to: folder.join(path),
                replaced: replaced.join(path),
            };
            if let Err((path, source)) = step.run() {
                done.iter().rev().for_each(Move::undo);
                return Err(SchemaError::Io {
                    action: "write",
                    path,
                    source,
                });
            }
            done.push(step);
        }
        Ok(())
    }
}

/// A renaming that can be taken back.
struct Move {
    from: PathBuf,
    to: PathBuf,
    /// Where what was at the place goes.
    replaced: PathBuf,
}

impl Move {
    fn run(&self) -> Result<(), (PathBuf, std::io::Error)> {
        let make_parent = |path: &Path| {
            let parent = path.parent().unwrap_or(path).to_path_buf();
            fs::create_dir_all(&parent).map_err(|error| (parent, error))
        };
        let failed = |error| (self.to.clone(), error);
        make_parent(&self.to)?;
        if self.to.symlink_metadata().is_ok() {
            make_parent(&self.replaced)?;
            fs::rename(&self.to, &self.replaced).map_err(failed)?;
        }
        fs::rename(&self.from, &self.to).map_err(|error| {
            self.restore();
            failed(error)
        })
    }

    fn undo(&self) {
        // The error that led here is the one to tell; the old models matter more than the new.
        if fs::rename(&self.to, &self.from).is_ok() {
            self.restore();
        }
    }

    fn restore(&self) {
        if self.replaced.symlink_metadata().is_ok() {
            let _ = fs::rename(&self.replaced, &self.to);
        }
    }
}
