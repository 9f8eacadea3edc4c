//! Datasets of the Medical Segmentation Decathlon, made here byte by byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nnunet_image::{FormatRegistry, ImageError, RawDataset, convert_msd};
use nnunet_schema::{NoProgress, Progress};

use crate::raw::{Raw, save};

struct Task {
    folder: tempfile::TempDir,
}

impl Task {
    /// Two training cases of two channels, one 4D image to predict, and hidden files.
    fn new() -> Self {
        let task = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for part in ["imagesTr", "labelsTr", "imagesTs"] {
            fs::create_dir_all(task.source().join(part)).unwrap();
        }
        for (case, first) in [("BRATS_001", 10), ("BRATS_002", 20)] {
            task.image("imagesTr", case, first);
            let label = Raw::new(&[3, 2, 1], 2, vec![0, 1, 2, 0, 1, 2]);
            label.save(&task.source().join("labelsTr"), &format!("{case}.nii.gz"));
            save(
                &task.source().join("imagesTr"),
                &format!("._{case}.nii.gz"),
                b"x",
            );
        }
        task.image("imagesTs", "BRATS_003", 30);
        task.describe(DOCUMENT);
        task
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("Task01_BrainTumour")
    }

    fn raw(&self) -> PathBuf {
        self.folder.path().join("raw")
    }

    /// Big-endian 16-bit values, scaled, with an extension before them.
    fn image(&self, part: &str, case: &str, first: i16) {
        let values = (0..12).flat_map(|v: i16| (first + v).to_be_bytes());
        let mut raw = Raw::new(&[3, 2, 1, 2], 4, vec![7; 16]);
        raw.voxels.extend(values);
        raw.vox_offset = 368.0;
        raw.big_endian = true;
        raw.slope = 2.0;
        raw.pixdim = [1.0, 0.5, 0.75, 3.0, 1.0, 0.0, 0.0, 0.0];
        raw.save(&self.source().join(part), &format!("{case}.nii.gz"));
    }

    fn describe(&self, text: &str) {
        save(&self.source(), "dataset.json", text.as_bytes());
    }

    fn error(&self, id: Option<u16>) -> ImageError {
        let error = convert_msd(&self.source(), &self.raw(), id, &NoProgress).unwrap_err();
        // Nothing half made is left behind.
        let left: Vec<_> = fs::read_dir(self.raw()).into_iter().flatten().collect();
        let left = left.into_iter().map(|e| e.unwrap().file_name());
        let hidden: Vec<_> = left
            .filter(|n| n.to_string_lossy().starts_with('.'))
            .collect();
        assert!(hidden.is_empty(), "{hidden:?}");
        error
    }
}

const DOCUMENT: &str = r#"{
    "name": "BRATS", "licence": "CC-BY-SA 4.0", "tensorImageSize": "4D",
    "modality": {"0": "FLAIR", "1": "T1w"},
    "labels": {"0": "Background", "1": "edema", "2": "core"},
    "numTraining": 2, "numTest": 1,
    "training": [
        {"image": "./imagesTr/BRATS_002.nii.gz", "label": "./labelsTr/BRATS_002.nii.gz"},
        {"image": "./imagesTr/._BRATS_001.nii.gz", "label": "./labelsTr/._BRATS_001.nii.gz"},
        {"image": "./imagesTr/BRATS_001.nii.gz", "label": "./labelsTr/BRATS_001.nii.gz"}
    ],
    "test": ["./imagesTs/BRATS_003.nii.gz"]
}"#;

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_task_becomes_a_dataset_that_can_be_opened() {
    let task = Task::new();
    let made = convert_msd(&task.source(), &task.raw(), None, &NoProgress).unwrap();
    assert_eq!(made.name, "Dataset001_BrainTumour");
    assert_eq!((made.channels, made.training, made.test), (2, 2, 1));
    assert_eq!(made.folder, task.raw().join("Dataset001_BrainTumour"));

    let registry = FormatRegistry::default();
    let dataset = RawDataset::open(&made.folder).unwrap();
    assert_eq!(
        dataset.description.ordered_channel_names(),
        ["FLAIR", "T1w"]
    );
    assert_eq!(dataset.description.num_training, 2);
    let scheme = dataset.description.label_scheme().unwrap();
    assert_eq!(scheme.names(), ["edema", "core"]);
    let image = dataset
        .case("BRATS_002")
        .unwrap()
        .read_image(&registry)
        .unwrap();
    let wanted: Vec<f32> = (20_u8..32).map(|v| f32::from(v) * 2.0).collect();
    assert_eq!(image.data.as_slice().unwrap(), wanted);
    assert_eq!(image.geometry.spacing.mm(), [3.0, 0.75, 0.5]);
    let whole = task.source().join("imagesTr/BRATS_002.nii.gz");
    assert_eq!(
        registry.read_image(&whole).unwrap().geometry,
        image.geometry
    );
    let labels = dataset
        .case("BRATS_001")
        .unwrap()
        .read_labels(&registry)
        .unwrap();
    assert_eq!(
        labels.unwrap().labels.as_slice().unwrap(),
        [0, 1, 2, 0, 1, 2]
    );
    assert!(made.folder.join("imagesTs/BRATS_003_0001.nii.gz").is_file());

    let document = text(&made.folder.join("dataset.json"));
    for kept in [
        "\"licence\": \"CC-BY-SA 4.0\"",
        "\"numTest\": 1",
        "\"file_ending\": \".nii.gz\"",
    ] {
        assert!(document.contains(kept), "{document}");
    }
    for gone in ["training\"", "modality", "\"test\""] {
        assert!(!document.contains(gone), "{document}");
    }
}

#[test]
fn a_3d_image_and_a_label_map_are_copied_byte_by_byte() {
    let task = Task::new();
    task.describe(
        r#"{"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "a", "2": "b"},
            "training": [{"image": "labelsTr/BRATS_001.nii.gz", "label": "labelsTr/BRATS_001.nii.gz"}]}"#,
    );
    let made = convert_msd(&task.source(), &task.raw(), Some(42), &NoProgress).unwrap();
    assert_eq!(made.name, "Dataset042_BrainTumour");
    let whole = fs::read(task.source().join("labelsTr/BRATS_001.nii.gz")).unwrap();
    for copy in [
        "imagesTr/BRATS_001_0000.nii.gz",
        "labelsTr/BRATS_001.nii.gz",
    ] {
        assert_eq!(fs::read(made.folder.join(copy)).unwrap(), whole, "{copy}");
    }
}

#[test]
fn a_dataset_that_is_there_is_not_touched() {
    let task = Task::new();
    let folder = task.raw().join("Dataset001_BrainTumour");
    fs::create_dir_all(&folder).unwrap();
    convert_msd(&task.source(), &task.raw(), None, &NoProgress).unwrap();
    let error = task.error(None);
    assert!(matches!(error, ImageError::DatasetExists { .. }), "{error}");
    let other = task.raw().join("Dataset005_Other");
    fs::create_dir_all(&other).unwrap();
    let error = task.error(Some(5)).to_string();
    assert!(
        error.contains("Dataset005_Other") && error.contains("another number"),
        "{error}"
    );
}

#[test]
fn what_stands_in_the_way_is_named() {
    let task = Task::new();
    for (from, to, words) in [
        ("\"1\": \"T1w\"", "\"2\": \"T1w\"", ["modality", "[0, 2]"]),
        (", \"1\": \"T1w\"", "", ["2 channels", "says 1"]),
        (
            "\"2\": \"core\"",
            "\"2\": \"edema\"",
            ["labels", "same name"],
        ),
        (
            "\"0\": \"Background\"",
            "\"x\": \"Background\"",
            ["dataset.json", "labels"],
        ),
        ("\"modality\"", "\"channels\"", ["dataset.json", "modality"]),
        (
            "./imagesTr/BRATS_002",
            "./imagesTr/BRATS_009",
            ["BRATS_009.nii.gz", "open"],
        ),
        (
            "./imagesTr/BRATS_002",
            "./imagesTr/BRATS_001",
            ["BRATS_001", "twice"],
        ),
        (
            "BRATS_003.nii.gz",
            "BRATS_003.mha",
            ["BRATS_003.mha", ".nii.gz"],
        ),
    ] {
        task.describe(&DOCUMENT.replace(from, to));
        let error = task.error(None).to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    task.describe(DOCUMENT);
    let image = task.source().join("imagesTr/BRATS_002.nii.gz");
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() - 12]).unwrap();
    let error = task.error(None).to_string();
    assert!(error.contains("BRATS_002.nii.gz is damaged"), "{error}");
    assert!(!task.raw().join("Dataset001_BrainTumour").exists());
}

#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn images_that_are_not_listed_or_not_there_are_told() {
    let task = Task::new();
    task.image("imagesTr", "BRATS_777", 1);
    fs::remove_dir_all(task.source().join("imagesTs")).unwrap();
    let warnings = Warnings::default();
    let made = convert_msd(&task.source(), &task.raw(), None, &warnings).unwrap();
    assert_eq!((made.training, made.test), (2, 0));
    let warnings = warnings.0.into_inner().unwrap();
    assert!(
        warnings.iter().any(|w| w.contains("1 of the images")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().any(|w| w.contains("imagesTs")),
        "{warnings:?}"
    );
}
