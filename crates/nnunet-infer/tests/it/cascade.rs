//! The second stage of a cascade.

use ndarray::{Array3, Array4, Axis, s};
use nnunet_image::{FormatRegistry, LabelMap};
use nnunet_infer::{
    FolderRequest, InferError, PredictOptions, Predictor, Recipe, predict_cascade,
    predict_with_network,
};
use nnunet_model::Tensor;
use nnunet_preprocess::CasePipeline;
use nnunet_schema::{NoProgress, Plans};
use serde_json::json;

use crate::common::{Function, PlanOf, dataset, one_label, plans};
use crate::models::{MODEL, image, model_folder, names, write_images, write_model};

/// Plans whose configuration continues another.
fn second_stage() -> Plans {
    let of = PlanOf {
        spacing: [1.0, 1.0, 0.8],
        transpose: [1, 0, 2],
        ..PlanOf::default()
    };
    let mut plans = plans(&of);
    let other = plans.configurations["test"].clone();
    plans.configurations.insert("first".to_owned(), other);
    let test = &mut plans.configurations["test"];
    test.insert("previous_stage".to_owned(), json!("first"));
    plans
}

#[test]
fn the_second_stage_sees_the_labels_of_the_first_where_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join(MODEL);
    write_model(&model, &second_stage(), &[0]);
    let predictor = Predictor::load(&model, &[], PredictOptions::default()).unwrap();
    let recipe = predictor.recipe();
    assert_eq!(recipe.previous_stage(), Some("first"));
    assert_eq!((recipe.channels(), recipe.input_channels()), (1, 2));
    assert_eq!(recipe.previous_labels(), [1]);

    let image = image([12, 10, 11], 1);
    let mut labels = Array3::zeros((12, 10, 11));
    labels.slice_mut(s![3..9, 2..7, 4..10]).fill(1);
    let geometry = image.geometry;
    let previous = LabelMap { labels, geometry };
    // A network that repeats the last channel gives the first stage's labels back.
    let repeat = Function(|windows: &Tensor| {
        let last = windows.narrow(1, 1, 1);
        Tensor::cat(&[last.zeros_like(), last - 0.5], 1)
    });
    let pipeline = CasePipeline::new(&second_stage(), "test", &dataset(1, one_label())).unwrap();
    let prepared = pipeline
        .run("a", image.clone(), Some(previous.clone()))
        .unwrap();
    let shape = prepared.shape().voxels();
    let mut data = Array4::zeros((2, shape[0], shape[1], shape[2]));
    data.slice_mut(s![..1, .., .., ..]).assign(&prepared.data);
    let onehot = prepared.labels.mapv(|label| f32::from(label.max(0)));
    data.index_axis_mut(Axis(0), 1).assign(&onehot);
    let run = |recipe: &Recipe| {
        predict_with_network(&repeat, recipe, "a", data.view(), &prepared.properties).unwrap()
    };
    assert_eq!(run(recipe).labels, previous.labels);

    // The predictor puts the channels together in the same way.
    let whole = nnunet_preprocess::PreprocessedCase { data, ..prepared };
    let expected = predictor.predict_preprocessed("a", &whole).unwrap();
    let found = predictor
        .predict_with_previous("a", &image, &previous)
        .unwrap();
    assert_eq!(found, expected);
}

#[test]
fn a_previous_stage_that_is_missing_or_one_too_many_is_an_error() {
    let dir = model_folder(&[0]);
    let plain = crate::models::load(dir.path(), PredictOptions::default());
    let model = dir.path().join("second");
    write_model(&model, &second_stage(), &[0]);
    let second = Predictor::load(&model, &[], PredictOptions::default()).unwrap();
    let image = image([8, 9, 10], 1);
    let error = second.predict("a", &image).unwrap_err();
    assert!(matches!(error, InferError::Cascade { .. }), "{error}");
    assert!(
        error.to_string().contains("predictions of `first`"),
        "{error}"
    );
    let labels = plain.predict("a", &image).unwrap();
    let error = plain
        .predict_with_previous("a", &image, &labels)
        .unwrap_err();
    assert!(matches!(error, InferError::NoCascade { .. }), "{error}");
    let cut = LabelMap {
        labels: labels.labels.slice(s![..7, .., ..]).to_owned(),
        geometry: labels.geometry,
    };
    let error = second
        .predict_with_previous("a", &image, &cut)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("7×9×10") && error.contains("8×9×10"),
        "{error}"
    );
}

#[test]
fn a_folder_goes_through_both_stages() {
    let dir = model_folder(&[0]);
    let first = crate::models::load(dir.path(), PredictOptions::default());
    let model = dir.path().join("second");
    write_model(&model, &second_stage(), &[3]);
    let second = Predictor::load(&model, &[], PredictOptions::default()).unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_images(&input, &[("a", [9, 8, 10]), ("b", [8, 8, 8])]);
    let formats = FormatRegistry::default();
    let request = FolderRequest::new(&input, &output);
    let [before, after] =
        predict_cascade(&first, &second, &request, &formats, &NoProgress).unwrap();
    assert_eq!(before.predicted, ["a", "b"]);
    assert_eq!(after.predicted, ["a", "b"]);
    let files = [
        "a.nii.gz",
        "b.nii.gz",
        "dataset.json",
        "plans.json",
        "previous_stage",
    ];
    assert_eq!(names(&output), files);
    let image = formats.read_image(&input.join("a_0000.nii.gz")).unwrap();
    let previous = first.predict("a", &image).unwrap();
    let expected = second
        .predict_with_previous("a", &image, &previous)
        .unwrap();
    let found = formats.read_labels(&output.join("a.nii.gz")).unwrap();
    assert_eq!(found.labels, expected.labels);
    let error = first.predict_cases(
        &{
            let mut request = FolderRequest::new(&input, &output);
            request.previous_stage = Some(output.join("previous_stage"));
            request
        },
        &formats,
        &NoProgress,
    );
    assert!(matches!(error, Err(InferError::NoCascade { .. })));
}
