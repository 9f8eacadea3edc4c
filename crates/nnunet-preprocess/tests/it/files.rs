//! Datasets of files that a test writes.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;

use nnunet_image::{FormatRegistry, Image, LabelMap, RawCase, RawDataset};
use nnunet_preprocess::{
    CaseStore, PreprocessOptions, PreprocessReport, StoreHeader, StoredCase, preprocess_dataset,
};
use nnunet_schema::{Plans, Progress};
use serde_json::json;

use crate::support::{description, plans};

/// Warnings that were given.
#[derive(Debug, Default)]
pub(crate) struct Warnings(pub(crate) Mutex<Vec<String>>);

impl Progress for Warnings {
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// A folder with the files of a dataset and a store.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    cases: Vec<RawCase>,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            cases: Vec::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a case; gives back the paths of its image and of its labels.
    pub(crate) fn add(&mut self, id: &str, image: &Image, labels: &LabelMap) -> [PathBuf; 2] {
        let paths = [
            self.path(&format!("{id}_0000.nii")),
            self.path(&format!("{id}.nii")),
        ];
        let formats = FormatRegistry::default();
        formats.write_image(&paths[0], image).unwrap();
        formats.write_labels(&paths[1], labels).unwrap();
        self.cases.push(RawCase {
            id: id.to_owned(),
            images: vec![paths[0].clone()],
            label: Some(paths[1].clone()),
        });
        paths
    }

    pub(crate) fn dataset(&self) -> RawDataset {
        RawDataset {
            folder: self.folder.path().to_path_buf(),
            name: "Dataset001_Test".into(),
            description: description(json!({"background": 0, "a": 1, "b": 2}), 1),
            cases: self.cases.clone(),
            misnamed: Vec::new(),
        }
    }

    /// Preprocesses all cases, by the rules of nnU-Net v2.
    pub(crate) fn run(&self, configuration: &str) -> (PreprocessReport, CaseStore, Vec<String>) {
        self.run_by(&plans(1, "v2"), configuration)
    }

    pub(crate) fn run_by(
        &self,
        plans: &Plans,
        configuration: &str,
    ) -> (PreprocessReport, CaseStore, Vec<String>) {
        let dataset = self.dataset();
        let header = StoreHeader::new(plans, configuration, &dataset.description).unwrap();
        let store = CaseStore::create(&self.path(configuration), header).unwrap();
        let warnings = Warnings::default();
        let report = preprocess_dataset(
            &dataset,
            &FormatRegistry::default(),
            plans,
            configuration,
            &store,
            &PreprocessOptions::with_threads(NonZeroUsize::new(2).unwrap()),
            &warnings,
        );
        let warnings = warnings.0.into_inner().unwrap();
        (report.unwrap(), store, warnings)
    }

    /// The only case, which must have been done without a word.
    pub(crate) fn only(&self, configuration: &str) -> StoredCase {
        let (report, store, warnings) = self.run(configuration);
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert_eq!(warnings, [] as [&str; 0]);
        store.open_case(&self.cases[0].id).unwrap()
    }

    /// What was wrong with the only case.
    pub(crate) fn failure(&self, configuration: &str) -> String {
        let (report, store, _) = self.run(configuration);
        assert_eq!(store.cases().unwrap(), [] as [&str; 0]);
        let [(case, error)] = &report.failed[..] else {
            panic!("{report:?}");
        };
        assert_eq!(*case, self.cases[0].id);
        error.to_string()
    }
}

/// Changes bytes of a file.
pub(crate) fn patch(path: &std::path::Path, offset: usize, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap();
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).unwrap();
}

/// Floats as they lie in a file.
pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
