//! Writing the archive.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nnunet_evaluate::select::ModelName;
use nnunet_schema::{DatasetDescription, Plans, SchemaError, layout};
use sha2::{Digest, Sha256};
use tracing::info_span;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::checksums::{Checksum, Checksums};
use super::content::{Content, Entry, EntrySource};
use super::request::ExportRequest;
use super::scratch::Scratch;
use super::{CHECKSUMS, SharedModel, SharingError};
use crate::pipeline::exchange::write_python_checkpoint;
use crate::pipeline::stage::Stage;
use crate::pipeline::{Pipeline, PipelineError};

/// Bytes that are copied at once.
const BLOCK: usize = 1 << 20;
/// Files above this get the fields of zip64, a little below what the others can say.
const LARGE: u64 = u32::MAX as u64 - (1 << 24);
/// Endings of files whose bytes hardly get fewer: deflating weights saves 7 % and takes ten times
/// as long as copying them.
const DENSE: [&str; 4] = ["pth", "safetensors", "png", "pdf"];

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportReport {
    /// Name of the dataset.
    pub dataset: String,
    /// The archive.
    pub archive: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Number of files in it.
    pub files: usize,
    /// The models in it.
    pub models: Vec<SharedModel>,
    /// The winner of the selection, one model or two, if the selection is in it.
    pub selected: Option<Vec<ModelName>>,
    /// What went along or stayed behind unasked.
    pub notes: Vec<String>,
}

impl Pipeline {
    /// Writes trained models into a zip archive that the Python program's
    /// `nnUNetv2_install_pretrained_model_from_zip` and [`Pipeline::install_model`] take: plans,
    /// descriptions and fingerprints, checkpoints as the Python program's, curves, the summaries of
    /// the validations, and the selection with its postprocessing if its winner goes along.
    ///
    /// Files are copied block by block; of checkpoints, one network at a time is in memory. The
    /// archive is renamed to its name when it is whole and flushed. When `stop` becomes true,
    /// what was written is removed.
    ///
    /// # Errors
    /// [`SharingError::NothingToExport`] and [`SharingError::Incomplete`] if models or folds are
    /// missing, [`SharingError::Stopped`] when stopped, [`PipelineError::StageMissing`] if the
    /// selection is asked for and there is none; and if a file cannot be read or written.
    pub fn export_model(
        &self,
        request: &ExportRequest,
        stop: &AtomicBool,
    ) -> Result<ExportReport, PipelineError> {
        let content = Content::find(self, request)?;
        let _stage = Stage::begin(info_span!("export", dataset = content.dataset));
        let unfinished = Scratch::beside(&request.output)?;
        let mut writer = ArchiveWriter::new(unfinished.path(), &request.output, stop)?;
        let task = self.progress.start("export", content.entries.len());
        for entry in &content.entries {
            writer.add(entry)?;
            task.step(&entry.name);
        }
        let bytes = writer.finish(&format!("{}/{CHECKSUMS}", content.dataset))?;
        unfinished.rename(&request.output)?;
        Ok(ExportReport {
            dataset: content.dataset,
            archive: request.output.clone(),
            bytes,
            files: content.entries.len() + 1,
            models: content.models,
            selected: content.selected,
            notes: content.notes,
        })
    }
}

/// An archive that is being written.
struct ArchiveWriter<'a> {
    zip: ZipWriter<BufWriter<File>>,
    /// What the archive will be called, for messages and for files that lie beside it meanwhile.
    target: &'a Path,
    checksums: Checksums,
    stop: &'a AtomicBool,
}

impl<'a> ArchiveWriter<'a> {
    fn new(path: &Path, target: &'a Path, stop: &'a AtomicBool) -> Result<Self, PipelineError> {
        let file = File::create_new(path).map_err(|source| io_error("write", target, source))?;
        Ok(Self {
            zip: ZipWriter::new(BufWriter::new(file)),
            target,
            checksums: Checksums::default(),
            stop,
        })
    }

    fn add(&mut self, entry: &Entry) -> Result<(), PipelineError> {
        match &entry.source {
            EntrySource::File(path) => self.add_file(&entry.name, path),
            EntrySource::Text(text) => {
                self.add_bytes(&entry.name, text.len() as u64, &mut text.as_bytes())
            }
            EntrySource::PythonCheckpoint { checkpoint, model } => {
                let plans = Plans::load(&layout::model_plans(model))?;
                let dataset = DatasetDescription::load(&layout::dataset_json(model))?;
                let converted = Scratch::beside(&self.target.with_extension("pth"))?;
                write_python_checkpoint(checkpoint, converted.path(), &plans, &dataset)?;
                self.add_file(&entry.name, converted.path())
            }
        }
    }

    fn add_file(&mut self, name: &str, path: &Path) -> Result<(), PipelineError> {
        let read = |source| io_error("read", path, source);
        let mut file = File::open(path).map_err(read)?;
        let size = file.metadata().map_err(read)?.len();
        self.add_bytes(name, size, &mut file)
    }

    /// Adds what a reader has as a file; its `size` is only needed to tell large files.
    fn add_bytes(
        &mut self,
        name: &str,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<(), PipelineError> {
        let is_dense = Path::new(name)
            .extension()
            .is_some_and(|e| DENSE.iter().any(|d| e == *d));
        let method = match is_dense {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(size > LARGE)
            .unix_permissions(0o644);
        (self.zip.start_file(name, options)).map_err(|error| self.failed(name, &error))?;
        let mut hasher = Sha256::new();
        let mut block = vec![0; BLOCK];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(SharingError::Stopped.into());
            }
            let read = reader
                .read(&mut block)
                .map_err(|error| self.failed(name, &error))?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            hasher.update(bytes);
            self.zip
                .write_all(bytes)
                .map_err(|error| self.failed(name, &error))?;
        }
        let checksum = Checksum::new(hasher.finalize().into());
        self.checksums.0.insert(name.to_owned(), checksum);
        Ok(())
    }

    /// Adds the checksums as a file of this name and flushes everything to the disk; the size.
    fn finish(mut self, name: &str) -> Result<u64, PipelineError> {
        let text = self.checksums.to_string();
        self.add_bytes(name, text.len() as u64, &mut text.as_bytes())?;
        let target = self.target;
        let write = |source| io_error("write", target, source);
        let writer = self.zip.finish().map_err(|error| write(error.into()))?;
        let file = writer
            .into_inner()
            .map_err(|error| write(error.into_error()))?;
        file.sync_all().map_err(write)?;
        Ok(file.metadata().map_err(write)?.len())
    }

    fn failed(&self, name: &str, error: &dyn std::error::Error) -> SharingError {
        SharingError::Archive {
            archive: self.target.to_path_buf(),
            problem: format!("`{name}` cannot be written: {error}"),
        }
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> SchemaError {
    SchemaError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
