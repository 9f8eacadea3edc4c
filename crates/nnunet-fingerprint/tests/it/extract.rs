//! Fingerprints of small datasets whose facts are known.

use approx::assert_relative_eq;
use ndarray::s;
use nnunet_fingerprint::{ExtractOptions, FingerprintError, IntensitySampling, extract};
use nnunet_image::{FormatRegistry, RawDataset};
use nnunet_schema::{DatasetFingerprint, NoProgress};

use crate::dataset::{Dataset, SHAPE, image, image_file, label_file, labels};

fn fingerprint(
    dataset: &Dataset,
    sampling: IntensitySampling,
) -> Result<DatasetFingerprint, FingerprintError> {
    let raw = RawDataset::scan(dataset.folder()).unwrap();
    let options = ExtractOptions::with_sampling(sampling);
    extract(&raw, &FormatRegistry::default(), &options, &NoProgress)
}

fn error_of(dataset: &Dataset) -> String {
    fingerprint(dataset, IntensitySampling::Paper)
        .unwrap_err()
        .to_string()
}

#[test]
fn shapes_are_those_of_the_nonzero_box() {
    let dataset = Dataset::new(3, 1);
    let mut framed = image(SHAPE, 0.0);
    framed.data.slice_mut(s![0, 1..3, 1..4, 2..5]).fill(5.0);
    dataset.write_image(&image_file(0, 0), &framed);
    // An image of nothing but zeros is kept whole.
    dataset.write_image(&image_file(2, 0), &image(SHAPE, 0.0));
    let found = fingerprint(&dataset, IntensitySampling::Paper).unwrap();
    let shapes: Vec<_> = found.shapes_after_crop.iter().map(|s| s.voxels()).collect();
    assert_eq!(shapes, [[2, 3, 3], SHAPE, SHAPE]);
    assert_eq!(found.spacings[0].mm(), [3.0, 1.0, 0.5]);
    assert_relative_eq!(found.median_relative_size_after_cropping, 1.0);
}

#[test]
fn the_box_holds_what_is_nonzero_in_any_channel() {
    let dataset = Dataset::new(1, 2);
    let mut first = image(SHAPE, 0.0);
    first.data[[0, 1, 1, 1]] = -1.0;
    let mut second = image(SHAPE, 0.0);
    second.data[[0, 2, 3, 4]] = 1.0;
    dataset.write_image(&image_file(0, 0), &first);
    dataset.write_image(&image_file(0, 1), &second);
    let found = fingerprint(&dataset, IntensitySampling::Paper).unwrap();
    assert_eq!(found.shapes_after_crop[0].voxels(), [2, 3, 4]);
    assert_relative_eq!(found.median_relative_size_after_cropping, 24.0 / 120.0);
}

#[test]
fn intensities_are_those_of_the_foreground() {
    let dataset = Dataset::new(2, 2);
    // The labels are in the last two voxels; every tenth of two is the first.
    for (case, channel, values) in [
        (0, 0, [10.0, 99.0]),
        (0, 1, [-10.0, 99.0]),
        (1, 0, [20.0, 99.0]),
        (1, 1, [-20.0, 99.0]),
    ] {
        let mut written = image(SHAPE, 1.0);
        written
            .data
            .slice_mut(s![0, 3, 4, 4..])
            .assign(&ndarray::arr1(&values));
        dataset.write_image(&image_file(case, channel), &written);
    }
    let found = fingerprint(&dataset, IntensitySampling::Paper).unwrap();
    let first = found.foreground_intensity_properties_per_channel["0"];
    assert_eq!(
        (first.min, first.mean, first.median, first.max),
        (10.0, 15.0, 15.0, 20.0)
    );
    assert_relative_eq!(first.std, 5.0);
    assert_relative_eq!(first.percentile_99_5, 19.95);
    let second = found.foreground_intensity_properties_per_channel["1"];
    assert_eq!((second.min, second.max), (-20.0, -10.0));
}

#[test]
fn sampling_weighs_cases_alike_whatever_their_foreground() {
    let dataset = Dataset::new(2, 1);
    let mut many = labels(SHAPE, 1);
    many.labels.fill(1);
    dataset.write_labels(&label_file(0), &many);
    dataset.write_image(&image_file(1, 0), &image(SHAPE, 3.0));
    let mean = |sampling| {
        let found = fingerprint(&dataset, sampling).unwrap();
        found.foreground_intensity_properties_per_channel["0"].mean
    };
    assert_relative_eq!(mean(IntensitySampling::V2), 2.0);
    assert_relative_eq!(mean(IntensitySampling::Paper), (12.0 + 3.0) / 13.0);
}

#[test]
fn a_dataset_without_foreground_has_no_intensities() {
    let dataset = Dataset::new(1, 1);
    dataset.write_labels(&label_file(0), &labels(SHAPE, 0));
    let found = fingerprint(&dataset, IntensitySampling::Paper).unwrap();
    assert!(
        found.foreground_intensity_properties_per_channel["0"]
            .mean
            .is_nan()
    );
    let path = dataset.path("dataset_fingerprint.json");
    found.save(&path).unwrap();
    assert!(DatasetFingerprint::load(&path).is_ok());
}

#[test]
fn threads_do_not_change_a_fingerprint() {
    let dataset = Dataset::new(7, 2);
    for case in 0..7 {
        for channel in 0..2 {
            let mut written = image(SHAPE, 1.0);
            let seed = (case * 31 + channel * 7 + 3) as f32;
            written
                .data
                .indexed_iter_mut()
                .for_each(|((_, z, y, x), v)| {
                    *v = ((z * 30 + y * 6 + x) as f32 * 0.37 + seed).sin() * seed;
                });
            dataset.write_image(&image_file(case, channel), &written);
        }
        let mut map = labels(SHAPE, 1);
        map.labels.slice_mut(s![1.., 1.., ..]).fill(1);
        dataset.write_labels(&label_file(case), &map);
    }
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| fingerprint(&dataset, IntensitySampling::Paper).unwrap())
    };
    let one = with_threads(1);
    for threads in [2, 5] {
        assert_eq!(with_threads(threads), one);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let dataset = Dataset::new(0, 1);
    assert!(error_of(&dataset).contains("no training cases"));

    let dataset = Dataset::new(2, 2);
    let mut bad = image(SHAPE, 1.0);
    bad.data[[0, 0, 1, 2]] = f32::NAN;
    dataset.write_image(&image_file(1, 1), &bad);
    let text = error_of(&dataset);
    assert!(
        text.contains("`c1`") && text.contains("c1_0001.nii.gz"),
        "{text}"
    );
    assert!(text.contains("NaN at voxel [0, 1, 2]"), "{text}");

    let dataset = Dataset::new(1, 1);
    dataset.write_labels(&label_file(0), &labels([4, 5, 5], 1));
    let text = error_of(&dataset);
    assert!(text.contains("4×5×6") && text.contains("4×5×5"), "{text}");

    let dataset = Dataset::new(1, 1);
    dataset.remove(&label_file(0));
    assert!(error_of(&dataset).contains("labelsTr/c0.nii.gz"));

    let dataset = Dataset::new(1, 1);
    dataset.describe(1, 2, r#"{"background": 0, "a": 1}"#);
    assert!(error_of(&dataset).contains("c0_0001.nii.gz"));
}
