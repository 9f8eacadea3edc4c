//! Small datasets on disk, right unless a test spoils them.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4};
use nnunet_fingerprint::{VerifyReport, verify};
use nnunet_image::{FormatRegistry, Geometry, Image, LabelMap, RawDataset};
use nnunet_schema::{NoProgress, Spacing};

pub(crate) const SHAPE: [usize; 3] = [4, 5, 6];

/// A dataset of some cases `c0`, `c1`, … with `channels` channels and the labels 0 and 1.
pub(crate) struct Dataset {
    dir: tempfile::TempDir,
    registry: FormatRegistry,
}

impl Dataset {
    pub(crate) fn new(cases: usize, channels: usize) -> Self {
        let dataset = Self {
            dir: tempfile::tempdir().unwrap(),
            registry: FormatRegistry::default(),
        };
        fs::create_dir(dataset.path("imagesTr")).unwrap();
        fs::create_dir(dataset.path("labelsTr")).unwrap();
        dataset.describe(cases, channels, r#"{"background": 0, "a": 1}"#);
        for case in 0..cases {
            for channel in 0..channels {
                let file = image_file(case, channel);
                dataset.write_image(&file, &image(SHAPE, 1.0));
            }
            dataset.write_labels(&label_file(case), &labels(SHAPE, 1));
        }
        dataset
    }

    /// Writes `dataset.json`.
    pub(crate) fn describe(&self, cases: usize, channels: usize, labels: &str) {
        let names: Vec<String> = (0..channels).map(|c| format!("\"{c}\": \"MRI\"")).collect();
        let text = format!(
            "{{\"channel_names\": {{{}}}, \"labels\": {labels}, \"numTraining\": {cases}, \
             \"file_ending\": \".nii.gz\"}}",
            names.join(", ")
        );
        fs::write(self.path("dataset.json"), text).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub(crate) fn write_image(&self, file: &str, image: &Image) {
        self.registry.write_image(&self.path(file), image).unwrap();
    }

    pub(crate) fn write_labels(&self, file: &str, labels: &LabelMap) {
        self.registry
            .write_labels(&self.path(file), labels)
            .unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    pub(crate) fn verify(&self) -> VerifyReport {
        let dataset = RawDataset::scan(self.folder()).unwrap();
        verify(&dataset, &self.registry, &NoProgress).unwrap()
    }
}

pub(crate) fn image_file(case: usize, channel: usize) -> String {
    format!("imagesTr/c{case}_{channel:04}.nii.gz")
}

pub(crate) fn label_file(case: usize) -> String {
    format!("labelsTr/c{case}.nii.gz")
}

pub(crate) fn geometry() -> Geometry {
    Geometry::axis_aligned(Spacing::new([3.0, 1.0, 0.5]).unwrap())
}

/// One channel: `value` everywhere.
pub(crate) fn image([z, y, x]: [usize; 3], value: f32) -> Image {
    Image {
        data: Array4::from_elem((1, z, y, x), value),
        geometry: geometry(),
    }
}

/// Background, with `label` in the last two voxels.
pub(crate) fn labels([z, y, x]: [usize; 3], label: i16) -> LabelMap {
    let mut labels = Array3::zeros((z, y, x));
    labels[[z - 1, y - 1, x - 1]] = label;
    labels[[z - 1, y - 1, x - 2]] = label;
    LabelMap {
        labels,
        geometry: geometry(),
    }
}
