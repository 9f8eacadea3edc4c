use std::fs;
use std::path::Path;

use nnunet_image::FormatRegistry;
use nnunet_phantom::{Phantom, PhantomConfig, PhantomDataset, PhantomError, write_dataset};
use nnunet_schema::{DatasetDescription, NoProgress};

fn tiny() -> PhantomDataset {
    PhantomDataset {
        name: "Dataset901_Tiny".to_owned(),
        training_cases: 3,
        test_cases: 2,
        config: PhantomConfig {
            contrast: nnunet_phantom::Contrast::Complementary,
            ..PhantomConfig::tiny()
        },
        ..PhantomDataset::default()
    }
}

fn write(root: &Path, dataset: &PhantomDataset) -> Result<std::path::PathBuf, PhantomError> {
    write_dataset(root, dataset, &FormatRegistry::default(), &NoProgress)
}

#[test]
fn the_folder_has_the_raw_layout_and_reads_back() {
    let root = tempfile::tempdir().unwrap();
    let folder = write(root.path(), &tiny()).unwrap();
    assert_eq!(folder, root.path().join("Dataset901_Tiny"));
    let count = |part: &str| fs::read_dir(folder.join(part)).unwrap().count();
    let counts = ["imagesTr", "labelsTr", "imagesTs", "labelsTs"].map(count);
    assert_eq!(counts, [6, 3, 4, 2]);

    let description = DatasetDescription::load(&folder.join("dataset.json")).unwrap();
    assert_eq!(description.num_training, 3);
    assert_eq!(description.channels(), 2);
    let scheme = description.label_scheme().unwrap();
    assert_eq!(scheme.names(), ["organ", "vessel", "lesion"]);

    let formats = FormatRegistry::default();
    let phantom = Phantom::generate(&tiny().config, 1).unwrap();
    let labels = formats
        .read_labels(&folder.join("labelsTr/phantom_001.nii.gz"))
        .unwrap();
    assert_eq!(labels.labels, phantom.labels.labels);
    let image = formats
        .read_image(&folder.join("imagesTr/phantom_001_0001.nii.gz"))
        .unwrap();
    assert_eq!(image.data.index_axis(ndarray::Axis(0), 0), {
        phantom.image.data.index_axis(ndarray::Axis(0), 1)
    });
    let (found, wanted) = (image.geometry, phantom.image.geometry);
    assert_eq!(found.spacing, wanted.spacing);
    assert_eq!(found.origin, wanted.origin);
}

#[test]
fn a_second_run_writes_the_same_bytes_and_other_files_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = write(root.path(), &tiny()).unwrap();
    let file = folder.join("imagesTs/phantom_test_001_0000.nii.gz");
    let before = fs::read(&file).unwrap();
    write(root.path(), &tiny()).unwrap();
    assert_eq!(fs::read(&file).unwrap(), before);

    let fewer = PhantomDataset {
        test_cases: 1,
        ..tiny()
    };
    let error = write(root.path(), &fewer).unwrap_err();
    assert!(matches!(error, PhantomError::ForeignFile { .. }), "{error}");
    assert!(error.to_string().contains("phantom_test_001"), "{error}");
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let bytes = |threads: usize| {
        let root = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let folder = (pool.build().unwrap())
            .install(|| write(root.path(), &tiny()))
            .unwrap();
        [
            "imagesTr/phantom_002_0001.nii.gz",
            "labelsTs/phantom_test_000.nii.gz",
        ]
        .map(|file| fs::read(folder.join(file)).unwrap())
    };
    assert_eq!(bytes(1), bytes(4));
}
