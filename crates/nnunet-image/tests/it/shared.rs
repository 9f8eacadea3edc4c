//! Real files of many programs. Sums were computed from the files' bytes by a script.

use std::path::PathBuf;

use nnunet_image::{FormatRegistry, ImageError, RawDataset, nonzero_box};

/// The folder of shared fixtures, or `None` with a note on how that was.
fn shared(test: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var_os("NNUNET_SHARED").map_or_else(|| beside.into(), PathBuf::from);
    if folder.join("data").is_dir() {
        return Some(folder);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}

#[test]
fn images_of_other_programs_are_read() {
    let Some(folder) = shared("images_of_other_programs_are_read") else {
        return;
    };
    let registry = FormatRegistry::default();
    for (name, shape, min, max, sum) in [
        (
            "example_ct.nii.gz",
            [1, 112, 101, 122],
            -1207.0,
            3382.0,
            -496_851_173.0,
        ),
        (
            "example_mr_sm.nii.gz",
            [1, 20, 91, 117],
            -47.0,
            833.0,
            41_238_711.0,
        ),
        (
            "fmri_fmri_r.nii.gz",
            [30, 6, 34, 34],
            7.5,
            1799.75,
            67_251_195.5,
        ),
        (
            "mt_t1w.nii.gz",
            [1, 5, 40, 40],
            2.666_656_5,
            580.666_7,
            1_662_114.828,
        ),
        (
            "monai/anatomical.nii",
            [1, 25, 41, 33],
            -610.0,
            30_393.0,
            284_166_082.0,
        ),
        (
            "monai/reoriented_anat_moved.nii",
            [1, 22, 26, 21],
            0.0,
            21_199.936,
            32_739_769.449,
        ),
    ] {
        let path = folder.join("data/readers").join(name);
        let image = registry.read_image(&path).unwrap();
        assert_eq!(image.data.shape(), shape, "{name}");
        let found_min = image.data.iter().copied().fold(f32::MAX, f32::min);
        let found_max = image.data.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!((found_min, found_max), (min, max), "{name}");
        let found: f64 = image.data.iter().map(|v| f64::from(*v)).sum();
        assert!((found - sum).abs() < 1e-6 * sum.abs(), "{name}: {found}");
    }
}

#[test]
fn label_maps_of_other_programs_are_read() {
    let Some(folder) = shared("label_maps_of_other_programs_are_read") else {
        return;
    };
    let registry = FormatRegistry::default();
    for (name, sum) in [
        ("example_seg.nii.gz", 2_734_697),
        ("monai/anatomical_label.nii.gz", 330),
        ("monai/reoriented_anat_moved_label.nii.gz", 75),
    ] {
        let path = folder.join("data/readers").join(name);
        let map = registry.read_labels(&path).unwrap();
        assert_eq!(
            map.labels.iter().map(|v| i64::from(*v)).sum::<i64>(),
            sum,
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    let Some(folder) = shared("what_cannot_be_used_is_refused") else {
        return;
    };
    let registry = FormatRegistry::default();
    let readers = folder.join("data/readers");
    let colours = registry.read_image(&readers.join("rgb_test_file.nii.gz"));
    let text = colours.unwrap_err().to_string();
    assert!(
        text.contains("rgb_test_file") && text.contains("RGB"),
        "{text}"
    );

    let soft = registry.read_labels(&readers.join("mt_mt1_gmseg.nii.gz"));
    assert!(matches!(soft, Err(ImageError::LabelValue { .. })));

    let channels = registry.read_labels(&readers.join("fmri_fmri_r.nii.gz"));
    assert!(matches!(
        channels,
        Err(ImageError::LabelChannels { channels: 30, .. })
    ));

    let colours = readers.join("png_tif/sub-png/micr/sub-png_sample-8rgb_SEM.png");
    assert!(matches!(
        registry.read_labels(&colours),
        Err(ImageError::LabelChannels { channels: 3, .. })
    ));
}

/// Origin and direction as SimpleITK gives them for the same files.
#[test]
fn geometry_is_that_of_itk() {
    let Some(folder) = shared("geometry_is_that_of_itk") else {
        return;
    };
    let registry = FormatRegistry::default();
    for (dataset, case) in [
        ("Dataset102_T2sGM", "t2s"),
        ("Dataset102_T2sGM", "t2su"),
        ("Dataset104_SpineMulti", "unf01"),
        ("Dataset004_Hippocampus", "hippocampus_001"),
    ] {
        let properties = folder
            .join("fixtures/preprocess")
            .join(dataset)
            .join(format!("3d_fullres/{case}_props.json"));
        let text = std::fs::read_to_string(properties).unwrap();
        let properties: serde_json::Value = serde_json::from_str(&text).unwrap();
        let numbers = |name: &str| -> Vec<f64> {
            serde_json::from_value(properties["sitk_stuff"][name].clone()).unwrap()
        };
        let image = format!("data/{dataset}/imagesTr/{case}_0000.nii.gz");
        let found = registry.read_image(&folder.join(image)).unwrap().geometry;
        let [z, y, x] = found.spacing.mm();
        assert_eq!(numbers("spacing"), [x, y, z], "{case}");
        for (name, found) in [
            ("origin", found.origin.to_vec()),
            ("direction", found.direction.concat()),
        ] {
            for (a, b) in found.iter().zip(numbers(name)) {
                assert!((a - b).abs() < 1e-6, "{case} {name}: {a} for {b}");
            }
        }
    }
}

#[test]
fn real_datasets_are_opened_and_stacked() {
    let Some(folder) = shared("real_datasets_are_opened_and_stacked") else {
        return;
    };
    let registry = FormatRegistry::default();
    let data = folder.join("data");
    let hippocampus = RawDataset::open(&data.join("Dataset004_Hippocampus")).unwrap();
    assert_eq!(hippocampus.cases.len(), 200);
    assert_eq!(hippocampus.name, "Dataset004_Hippocampus");
    let spine = RawDataset::open(&data.join("Dataset104_SpineMulti")).unwrap();
    let image = spine.cases[0].read_image(&registry).unwrap();
    assert_eq!(image.data.dim(), (3, 16, 141, 131));
    let labels = spine.cases[0].read_labels(&registry).unwrap().unwrap();
    assert_eq!(labels.labels.dim(), (16, 141, 131));
    let cord = RawDataset::open(&data.join("Dataset102_T2sGM")).unwrap();
    let image = cord.case("t2su").unwrap().read_image(&registry).unwrap();
    let inside = nonzero_box(image.data.view()).unwrap();
    assert_eq!(inside.shape().voxels(), [11, 318, 318]);
}

/// Sums of the channels as `skimage` and `tifffile` read them, which cut 16-bit colours of a PNG
/// down to 8.
#[test]
fn pictures_of_other_programs_are_read() {
    let Some(folder) = shared("pictures_of_other_programs_are_read") else {
        return;
    };
    let registry = FormatRegistry::default();
    let (deep, small, opaque) = (1_499_967_136, 5_836_448, 16_711_680);
    for (name, sums) in [
        ("png_sample-16gray_SEM.png", &[deep][..]),
        ("png_sample-16rgb_SEM.png", &[deep, deep, deep]),
        ("png_sample-8gray_SEM.png", &[6_733_724]),
        ("png_sample-8grayalhpa_SEM.png", &[6_733_724, 18_856_740]),
        ("png_sample-8rgb_SEM.png", &[small, small, small]),
        ("png_sample-8rgba_SEM.png", &[small, small, small, opaque]),
        ("tif_sample-16gray_SEM.tif", &[deep]),
        ("tif_sample-16rgb_SEM.tif", &[deep, deep, deep]),
        (
            "tif_sample-16rgba_SEM.tif",
            &[deep, deep, deep, 4_294_901_760],
        ),
        ("tif_sample-8gray_SEM.tif", &[small]),
        ("tif_sample-8rgba_SEM.tif", &[small, small, small, opaque]),
    ] {
        let (kind, _) = name.split_once('_').unwrap();
        let path = format!("data/readers/png_tif/sub-{kind}/micr/sub-{name}");
        let image = registry.read_image(&folder.join(path)).unwrap();
        let found = image.data.outer_iter();
        let found: Vec<i64> = found.map(|c| c.iter().map(|v| *v as i64).sum()).collect();
        assert_eq!(found, sums, "{name}");
        assert_eq!(image.geometry.spacing.mm(), [999.0, 1.0, 1.0], "{name}");
    }
}

/// The Python program's preprocessing of these pictures is a shift and a scale.
#[test]
fn a_dataset_of_pictures_is_what_the_python_program_sees() {
    let Some(folder) = shared("a_dataset_of_pictures_is_what_the_python_program_sees") else {
        return;
    };
    let registry = FormatRegistry::default();
    let dataset = RawDataset::open(&folder.join("data/Dataset101_AxonSEM")).unwrap();
    for id in ["sub-rat2-data5", "sub-rat3-data9"] {
        let case = dataset.case(id).unwrap();
        let image = case.read_image(&registry).unwrap();
        let labels = case.read_labels(&registry).unwrap().unwrap();
        let theirs = folder.join("fixtures/preprocess/Dataset101_AxonSEM/2d");
        let data = registry
            .read_image(&theirs.join(format!("{id}_data.npy")))
            .unwrap();
        let count = image.data.len() as f64;
        let sum: f64 = image.data.iter().map(|v| f64::from(*v)).sum();
        let squares: f64 = image.data.iter().map(|v| f64::from(*v).powi(2)).sum();
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).sqrt();
        assert_eq!(data.data.dim(), image.data.dim());
        for (ours, theirs) in image.data.iter().zip(&data.data) {
            let ours = (f64::from(*ours) - mean) / deviation;
            assert!(
                (ours - f64::from(*theirs)).abs() < 1e-3,
                "{id}: {ours} for {theirs}"
            );
        }
        let seg = registry
            .read_labels(&theirs.join(format!("{id}_seg.npy")))
            .unwrap();
        // Where the image is zero, theirs says so.
        let seg = seg.labels.mapv(|label| label.max(0));
        assert_eq!(seg, labels.labels, "{id}");
    }
}
