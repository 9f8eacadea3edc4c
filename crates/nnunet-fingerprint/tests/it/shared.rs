//! Real datasets, and what nnU-Net v2 (2.8.1) says of them.

use std::path::PathBuf;

use nnunet_fingerprint::{ExtractOptions, IntensitySampling, extract, verify};
use nnunet_image::{FormatRegistry, ImageError, RawDataset};
use nnunet_schema::{DatasetFingerprint, IntensityProperties, NoProgress};

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

fn numbers(p: &IntensityProperties) -> [f64; 7] {
    let percentiles = [p.percentile_00_5, p.median, p.percentile_99_5];
    let [low, median, high] = percentiles;
    [p.max, p.mean, median, p.min, low, high, p.std]
}

#[test]
fn fingerprints_are_those_of_the_python_program() {
    let Some(folder) = shared("fingerprints_are_those_of_the_python_program") else {
        return;
    };
    for name in ["Dataset102_T2sGM", "Dataset104_SpineMulti"] {
        let dataset = RawDataset::open(&folder.join("data").join(name)).unwrap();
        let options = ExtractOptions::with_sampling(IntensitySampling::V2);
        let found = extract(&dataset, &FormatRegistry::default(), &options, &NoProgress).unwrap();
        let golden = folder.join("fixtures/preprocess").join(name);
        let wanted = DatasetFingerprint::load(&golden.join("dataset_fingerprint.json")).unwrap();
        assert_eq!(found.shapes_after_crop, wanted.shapes_after_crop);
        assert_eq!(found.spacings, wanted.spacings);
        assert_eq!(
            found.median_relative_size_after_cropping,
            wanted.median_relative_size_after_cropping
        );
        let channels = &wanted.foreground_intensity_properties_per_channel;
        assert_eq!(
            channels.len(),
            found.foreground_intensity_properties_per_channel.len()
        );
        for (channel, wanted) in channels {
            let found = &found.foreground_intensity_properties_per_channel[channel];
            for (a, b) in numbers(found).into_iter().zip(numbers(wanted)) {
                let close = (a - b).abs() <= 1e-5 * b.abs();
                assert!(close, "{name} channel {channel}: {found:?} for {wanted:?}");
            }
        }
    }
}

/// Of the 260 cases that the golden fingerprint was made from, 200 are here.
#[test]
fn the_paper_way_is_close_to_sampling() {
    let Some(folder) = shared("the_paper_way_is_close_to_sampling") else {
        return;
    };
    let dataset = RawDataset::open(&folder.join("data/Dataset004_Hippocampus")).unwrap();
    let options = ExtractOptions::default();
    let found = extract(&dataset, &FormatRegistry::default(), &options, &NoProgress).unwrap();
    assert_eq!(found.shapes_after_crop.len(), 200);
    assert_eq!(found.shapes_after_crop[0].voxels(), [35, 51, 35]);
    assert!(found.spacings.iter().all(|s| s.mm() == [1.0; 3]));
    let intensities = &found.foreground_intensity_properties_per_channel["0"];
    assert!(
        intensities.min >= 0.0 && intensities.max > 1e5,
        "{intensities:?}"
    );
}

#[test]
fn real_datasets_verify() {
    let Some(folder) = shared("real_datasets_verify") else {
        return;
    };
    let registry = FormatRegistry::default();
    for name in [
        "Dataset004_Hippocampus",
        "Dataset102_T2sGM",
        "Dataset103_SpleenCT1",
        "Dataset104_SpineMulti",
        "Dataset105_TotalSegCT1",
        "Dataset106_SpineT2PSR",
    ] {
        let dataset = RawDataset::open(&folder.join("data").join(name)).unwrap();
        let report = verify(&dataset, &registry, &NoProgress).unwrap();
        assert_eq!(report.cases, dataset.description.num_training, "{name}");
        assert_eq!(report.findings, [], "{name}");
    }
}

#[test]
fn a_dataset_of_an_unknown_format_is_told_what_is_known() {
    let Some(folder) = shared("a_dataset_of_an_unknown_format_is_told_what_is_known") else {
        return;
    };
    // Only as long as no reader of pictures is registered.
    let mut registry = FormatRegistry::empty();
    registry.register(std::sync::Arc::new(nnunet_image::NiftiFormat::compressed()));
    let dataset = RawDataset::open(&folder.join("data/Dataset101_AxonSEM")).unwrap();
    let error = verify(&dataset, &registry, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("known are: .nii.gz"), "{error}");
    let error = dataset.cases[0].read_image(&registry).unwrap_err();
    assert!(matches!(error, ImageError::UnknownEnding { .. }), "{error}");
}
