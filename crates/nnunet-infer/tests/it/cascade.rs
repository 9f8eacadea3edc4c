//! The second stage of a cascade.

use ndarray::{Array3, s};
use nnunet_image::{FormatRegistry, LabelMap};
use nnunet_infer::{
    FolderRequest, InferError, PredictOptions, Predictor, Recipe, predict_cascade,
    predict_with_network,
};
use nnunet_model::Tensor;
use nnunet_preprocess::{CasePipeline, PreprocessedCase};
use nnunet_schema::{NoProgress, Plans, RuleSet, Shape};
use serde_json::json;

use crate::common::{Function, PlanOf, dataset, noise, one_label, plain_properties, plans};
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
    let labels = prepared.labels.clone();
    let whole = recipe
        .with_previous_stage("a", prepared, labels.view())
        .unwrap();
    assert_eq!(whole.data.dim().0, 2);
    let run = |recipe: &Recipe| {
        predict_with_network(&repeat, recipe, "a", whole.data.view(), &whole.properties).unwrap()
    };
    assert_eq!(run(recipe).labels, previous.labels);

    // The predictor puts the channels together in the same way.
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
fn labels_of_a_previous_stage_must_lie_on_the_grid_of_the_case() {
    let dir = model_folder(&[0]);
    let plain = crate::models::load(dir.path(), PredictOptions::default());
    let model = dir.path().join("second");
    write_model(&model, &second_stage(), &[0]);
    let second = Predictor::load(&model, &[], PredictOptions::default()).unwrap();
    let case = || preprocessed([8, 9, 10]);
    let labels = Array3::zeros((8, 9, 10));
    let given = |predictor: &Predictor, case, labels: &Array3<i16>| {
        (predictor.recipe()).with_previous_stage("a", case, labels.view())
    };
    let whole = given(&second, case(), &labels).unwrap();
    assert_eq!(whole.data.dim(), (2, 8, 9, 10));
    let again = given(&second, whole, &labels).unwrap_err();
    assert!(matches!(again, InferError::Channels { .. }), "{again}");
    let other = given(&second, case(), &Array3::zeros((8, 9, 11))).unwrap_err();
    let text = other.to_string();
    assert!(
        text.contains("8×9×11") && text.contains("8×9×10"),
        "{other}"
    );
    let error = given(&plain, case(), &labels).unwrap_err();
    assert!(matches!(error, InferError::NoCascade { .. }), "{error}");
}

/// A case of noise that is its own preprocessed case.
fn preprocessed(shape: [usize; 3]) -> PreprocessedCase {
    PreprocessedCase {
        data: noise(1, Shape::new(shape)),
        labels: Array3::zeros(shape),
        properties: plain_properties(Shape::new(shape)),
    }
}

fn first_stage(dir: &std::path::Path, rules: RuleSet, spacing: [f64; 3]) -> Predictor {
    let of = PlanOf {
        rules,
        spacing,
        ..PlanOf::default()
    };
    let model = dir.join(format!("{rules:?}{spacing:?}")).join(MODEL);
    write_model(&model, &plans(&of), &[0]);
    Predictor::load(&model, &[], PredictOptions::default()).unwrap()
}

#[test]
fn the_next_stage_gets_labels_on_its_own_grid() {
    let dir = tempfile::tempdir().unwrap();
    let first = first_stage(dir.path(), RuleSet::V2, [1.0; 3]);
    let case = preprocessed([9, 10, 12]);
    let finer = Shape::new([13, 20, 11]);
    let shapes = [case.shape(), finer];
    let (labels, next) = first.predict_for_next_stages("a", &case, &shapes).unwrap();
    assert_eq!(labels, first.predict_preprocessed("a", &case).unwrap());
    assert!(labels.labels.iter().any(|l| *l == 1) && labels.labels.iter().any(|l| *l == 0));
    assert_eq!(next[0], labels.labels);
    // The same outputs on the way to an image that has the finer grid.
    let mut of_finer = case.clone();
    of_finer.properties = nnunet_preprocess::CaseProperties {
        shape_after_resampling: case.shape(),
        ..plain_properties(finer)
    };
    let expected = first.predict_preprocessed("a", &of_finer).unwrap();
    assert_eq!(next[1], expected.labels);
}

#[test]
fn a_coarse_axis_is_handled_apart_unless_the_rules_are_the_papers() {
    let dir = tempfile::tempdir().unwrap();
    let pairs_are_equal = |rules| {
        let first = first_stage(dir.path(), rules, [4.0, 1.0, 1.0]);
        let case = preprocessed([9, 10, 12]);
        let shapes = [Shape::new([18, 10, 12])];
        let (_, next) = first.predict_for_next_stages("a", &case, &shapes).unwrap();
        let pairs = next[0].exact_chunks((2, 10, 12));
        pairs
            .into_iter()
            .all(|pair| pair.slice(s![0, .., ..]) == pair.slice(s![1, .., ..]))
    };
    assert!(pairs_are_equal(RuleSet::V2));
    assert!(!pairs_are_equal(RuleSet::Paper));
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
