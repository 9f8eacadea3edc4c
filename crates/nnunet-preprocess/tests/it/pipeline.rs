use std::path::Path;

use nnunet_image::{FormatRegistry, RawDataset};
use nnunet_preprocess::{CasePipeline, CaseProperties, ClassVoxels, PreprocessError};
use nnunet_schema::{DatasetDescription, Shape};
use serde_json::{Value, json};

use crate::support::{
    assert_images_close, crop_box, description, from_json, image, json, labels, load_plans,
    npy_labels, npy4, plans, shared,
};

/// One dataset of the fixtures, all its cases in the configurations named.
fn check_dataset(name: &str, configurations: &[&str]) {
    let (Some(golden), Some(raw)) = (
        shared(&format!("fixtures/preprocess/{name}"), name),
        shared(&format!("data/{name}"), name),
    ) else {
        return;
    };
    let plans = load_plans(&golden.join("nnUNetPlans.json"));
    let description = DatasetDescription::load(&golden.join("dataset.json")).unwrap();
    let dataset = RawDataset::open(&raw).unwrap();
    let formats = FormatRegistry::default();
    for configuration in configurations {
        let pipeline = CasePipeline::new(&plans, configuration, &description).unwrap();
        let folder = golden.join(configuration);
        let mut checked = 0;
        for case in &dataset.cases {
            if !folder.join(format!("{}_data.npy", case.id)).is_file() {
                continue;
            }
            let image = case.read_image(&formats).unwrap();
            let labels = case.read_labels(&formats).unwrap();
            let found = pipeline.run(&case.id, image, labels).unwrap();

            let name = format!("{name} {configuration} {}", case.id);
            let expected = npy4::<f32>(&folder.join(format!("{}_data.npy", case.id)));
            assert_eq!(found.data.dim(), expected.dim(), "{name}");
            assert_images_close(&name, &found.data, &expected);
            let expected = npy_labels(&folder.join(format!("{}_seg.npy", case.id)));
            assert_eq!(found.labels, expected, "{name}");
            check_properties(&name, &found.properties, &folder, &case.id);
            checked += 1;
        }
        assert!(checked > 0, "{name} {configuration}: no case checked");
    }
}

fn check_properties(name: &str, found: &CaseProperties, folder: &Path, case: &str) {
    let expected = json(&folder.join(format!("{case}_props.json")));
    let shape = |key: &str| from_json::<Shape>(&expected[key]);
    assert_eq!(found.shape_before_cropping, shape("shape_before_cropping"));
    assert_eq!(
        found.shape_after_cropping_and_before_resampling,
        shape("shape_after_cropping_and_before_resampling")
    );
    assert_eq!(
        found.bbox_used_for_cropping,
        from_json(&expected["bbox_used_for_cropping"]),
        "{name}"
    );
    let spacing: [f64; 3] = from_json(&expected["spacing"]);
    for (found, expected) in found.spacing.mm().into_iter().zip(spacing) {
        assert!(
            (found - expected).abs() < 1e-6,
            "{name}: {found} {expected}"
        );
    }
    for class in &found.class_locations.classes {
        let key = class.members[0].to_string();
        check_locations(name, class, &expected["class_locations"][&key]);
    }
}

fn check_locations(name: &str, found: &ClassVoxels, expected: &Value) {
    let [count, columns]: [usize; 2] = from_json(&expected["__ndarray_shape"]);
    assert_eq!((found.voxels.len(), columns), (count, 4), "{name}");
    let head: Vec<[u32; 4]> = from_json(&expected["head"]);
    for (found, [_, z, y, x]) in found.voxels.iter().zip(head) {
        assert_eq!(*found, [z, y, x], "{name}");
    }
}

#[test]
fn hippocampus_equals_the_reference() {
    check_dataset("Dataset004_Hippocampus", &["3d_fullres", "2d"]);
}

#[test]
fn an_anisotropic_cord_equals_the_reference() {
    check_dataset("Dataset102_T2sGM", &["3d_fullres", "2d"]);
}

#[test]
fn a_transposed_case_of_three_channels_equals_the_reference() {
    check_dataset("Dataset104_SpineMulti", &["3d_fullres", "2d"]);
}

#[test]
fn the_paper_resamples_before_it_normalises() {
    let raw = image(1, [9, 12, 10], [2.0, 1.0, 1.0]);
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let run = |rules: &str| {
        let pipeline = CasePipeline::new(&plans(1, rules), "3d_fullres", &description).unwrap();
        pipeline
            .run("case", raw.clone(), Some(labels(&raw)))
            .unwrap()
    };
    let (paper, v2) = (run("paper"), run("v2"));
    assert_eq!(paper.labels, v2.labels);
    assert_eq!(paper.shape(), Shape::new([14, 10, 8]));
    // Normalised after resampling: exactly zero mean and unit deviation on the new grid.
    let mean = |case: &nnunet_preprocess::PreprocessedCase| case.data.mean().unwrap();
    let deviation = |case: &nnunet_preprocess::PreprocessedCase| case.data.std(0.0);
    assert!(mean(&paper).abs() < 1e-5 && (deviation(&paper) - 1.0).abs() < 1e-5);
    assert!((deviation(&v2) - 1.0).abs() > 1e-3);
}

#[test]
fn a_case_is_cropped_to_what_is_not_zero() {
    let raw = image(2, [6, 12, 10], [1.0; 3]);
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 2);
    let pipeline = CasePipeline::new(&plans(2, "v2"), "3d_fullres", &description).unwrap();
    let case = pipeline.run("case", raw.clone(), None).unwrap();
    let properties = &case.properties;
    assert_eq!(
        properties.bbox_used_for_cropping,
        crop_box([[1, 5], [1, 11], [1, 9]])
    );
    assert_eq!(case.data.dim(), (2, 4, 10, 8));
    assert!(case.labels.iter().all(|l| *l == 0));
    assert!(properties.class_locations.classes.is_empty());
    let text = serde_json::to_string(properties).unwrap();
    assert_eq!(
        serde_json::from_str::<CaseProperties>(&text).unwrap(),
        *properties
    );
}

#[test]
fn an_empty_image_is_not_cropped() {
    let mut raw = image(1, [4, 5, 6], [1.0; 3]);
    raw.data.fill(0.0);
    let description = description(json!({"background": 0, "a": 1}), 1);
    for rules in ["paper", "v2"] {
        let pipeline = CasePipeline::new(&plans(1, rules), "3d_fullres", &description).unwrap();
        let case = pipeline.run("case", raw.clone(), None).unwrap();
        assert_eq!(case.data.dim(), (1, 4, 5, 6));
        assert!(case.data.iter().all(|v| *v == 0.0));
        assert!(case.labels.iter().all(|l| *l == -1));
    }
}

#[test]
fn two_dimensional_configurations_keep_the_slices() {
    let raw = image(1, [7, 12, 10], [3.0, 2.0, 2.0]);
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let pipeline = CasePipeline::new(&plans(1, "v2"), "2d", &description).unwrap();
    let case = pipeline
        .run("case", raw.clone(), Some(labels(&raw)))
        .unwrap();
    assert_eq!(case.shape(), Shape::new([5, 20, 16]));
}

#[test]
fn wrong_cases_are_named_with_what_was_found_and_expected() {
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let pipeline = CasePipeline::new(&plans(1, "v2"), "3d_fullres", &description).unwrap();
    let raw = image(1, [4, 5, 6], [1.0; 3]);
    let run = |image, labels| -> PreprocessError {
        pipeline.run("patient_7", image, labels).unwrap_err()
    };

    let two_channels = run(image(2, [4, 5, 6], [1.0; 3]), None);
    let smaller = run(raw.clone(), Some(labels(&image(1, [4, 5, 5], [1.0; 3]))));
    let mut unknown = labels(&raw);
    unknown.labels[[1, 2, 3]] = 7;
    let unknown = run(raw.clone(), Some(unknown));
    let mut broken = raw.clone();
    broken.data[[0, 3, 2, 1]] = f32::NAN;
    let broken = run(broken, None);
    let empty = run(image(1, [4, 0, 6], [1.0; 3]), None);

    for (error, words) in [
        (two_channels, ["2 image channels", "normalise 1"]),
        (smaller, ["4×5×5", "4×5×6"]),
        (unknown, ["label 7", "[1, 2, 3]"]),
        (broken, ["1 voxels that are NaN", "[3, 2, 1]"]),
        (empty, ["4×0×6", "at least one voxel"]),
    ] {
        let text = error.to_string();
        assert!(text.contains("patient_7"), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn plans_without_resampling_keep_the_voxels() {
    let mut plans = plans(1, "v2");
    for key in ["resampling_fn_data", "resampling_fn_seg"] {
        let configuration = &mut plans.configurations["3d_fullres"];
        configuration.insert(key.to_owned(), json!("no_resampling_hack"));
        configuration.insert(format!("{key}_kwargs"), json!({}));
    }
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let pipeline = CasePipeline::new(&plans, "3d_fullres", &description).unwrap();
    let image = image(1, [6, 9, 8], [3.0, 2.0, 0.5]);
    let labels = labels(&image);
    let case = pipeline.run("c", image, Some(labels.clone())).unwrap();
    let properties = &case.properties;
    let cropped = properties.shape_after_cropping_and_before_resampling;
    assert_eq!(properties.shape_after_resampling, cropped);
    let inside = properties
        .bbox_used_for_cropping
        .view(&labels.labels.view())
        .to_owned();
    assert_eq!(case.labels.mapv(|l| l.max(0)), inside);
}

#[test]
fn plans_that_cannot_be_carried_out_are_refused() {
    let description = description(json!({"background": 0, "a": 1}), 1);
    let change = |key: &str, value: Value| {
        let mut plans = plans(1, "v2");
        plans.configurations["3d_fullres"].insert(key.to_owned(), value);
        let error = CasePipeline::new(&plans, "3d_fullres", &description).unwrap_err();
        error.to_string()
    };
    let text = change("resampling_fn_data", json!("mine"));
    assert!(
        text.contains("`mine`") && text.contains("resample_torch_fornnunet"),
        "{text}"
    );
    let text = change("resampling_fn_seg", json!("no_resampling_hack"));
    assert!(text.contains("both or neither"), "{text}");
    let text = change(
        "resampling_fn_seg_kwargs",
        json!({"is_seg": true, "order": 1, "order_z": 3}),
    );
    assert!(text.contains("`order_z` is 3"), "{text}");
    let text = change("normalization_schemes", json!(["MyOwn"]));
    assert!(
        text.contains("MyOwn") && text.contains("CTNormalization"),
        "{text}"
    );
    let text = change("use_mask_for_norm", json!([false, true]));
    assert!(
        text.contains("use_mask_for_norm") && text.contains("2 entries"),
        "{text}"
    );

    let error = CasePipeline::new(&plans(2, "v2"), "3d_fullres", &description).unwrap_err();
    assert!(error.to_string().contains("1 channels"), "{error}");
    assert!(CasePipeline::new(&plans(1, "v2"), "3d_lowres", &description).is_err());
}
