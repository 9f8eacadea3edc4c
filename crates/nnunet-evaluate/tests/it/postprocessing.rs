use std::fs;

use ndarray::Array3;
use nnunet_evaluate::components::Connectivity;
use nnunet_evaluate::postprocessing::{
    LabelsOrRegions, Postprocessing, PostprocessingRules, apply_to_folder, determine_postprocessing,
};
use nnunet_evaluate::{CasePair, Classes, EvaluateError, EvaluateOptions, evaluate_folder};
use nnunet_image::{FormatRegistry, Geometry, LabelMap};
use nnunet_schema::{DatasetDescription, NoProgress, Spacing, python_json};

use crate::shared::fixtures;

#[test]
fn decisions_are_those_of_the_reference_program() {
    let Some(root) = fixtures("decisions_are_those_of_the_reference_program", "evaluate") else {
        return;
    };
    let description = DatasetDescription::load(&root.join("dataset.json")).unwrap();
    let classes = Classes::of(&description).unwrap();
    let formats = FormatRegistry::default();
    let ending = &description.file_ending;
    for name in ["predictions", "predictions_noisy"] {
        let (references, predictions) = (root.join("references"), root.join(name));
        let options = EvaluateOptions::default();
        let pairs = CasePair::find(&references, &predictions, ending, &options).unwrap();
        let rules = PostprocessingRules::v2();
        let found =
            determine_postprocessing(&pairs, &classes, &rules, &formats, &NoProgress).unwrap();

        // To the letter, but for what we add.
        let wanted = root.join(format!("postprocessing_{name}.json"));
        assert_eq!(found.decisions.len(), 3);
        let plain = Postprocessing {
            decisions: Vec::new(),
            ..found.clone()
        };
        assert_eq!(
            python_json::to_text(&plain).unwrap(),
            fs::read_to_string(&wanted).unwrap()
        );
        assert_eq!(Postprocessing::load(&wanted).unwrap(), plain);

        // Carried out, the steps bring what was promised.
        let output = tempfile::tempdir().unwrap();
        let cleaned = apply_to_folder(
            &found,
            &predictions,
            output.path(),
            ending,
            &formats,
            &NoProgress,
        )
        .unwrap();
        assert_eq!(cleaned.len(), 52);
        assert!(cleaned.iter().any(|case| case.removed > 0));
        let summary = evaluate_folder(
            &references,
            output.path(),
            &description,
            &formats,
            &options,
            &NoProgress,
        )
        .unwrap();
        assert_eq!(summary.mean, found.postprocessed.mean);
        assert_eq!(summary.foreground_mean, found.postprocessed.foreground_mean);
    }
}

/// Rows of voxels as cases; `r` is the truth and `p` the prediction.
struct Rows {
    root: tempfile::TempDir,
    classes: Classes,
    pairs: Vec<CasePair>,
}

impl Rows {
    fn new(labels: &str, cases: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let description: DatasetDescription = python_json::parse(&format!(
            "{{\"channel_names\": {{\"0\": \"CT\"}}, \"numTraining\": 1, \
             \"file_ending\": \".nii\", \"labels\": {labels}}}"
        ))
        .unwrap();
        let pairs = (cases.iter().enumerate())
            .map(|(number, (reference, prediction))| {
                let write = |folder: &str, row: &str| {
                    let path = root.path().join(folder).join(format!("{number}.nii"));
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    FormatRegistry::default()
                        .write_labels(&path, &map(row))
                        .unwrap();
                    path
                };
                CasePair {
                    case: number.to_string(),
                    reference: write("r", reference),
                    prediction: write("p", prediction),
                }
            })
            .collect();
        Self {
            root,
            classes: Classes::of(&description).unwrap(),
            pairs,
        }
    }

    fn determine(&self, rules: &PostprocessingRules) -> Postprocessing {
        let formats = FormatRegistry::default();
        determine_postprocessing(&self.pairs, &self.classes, rules, &formats, &NoProgress).unwrap()
    }

    fn accepted(&self, rules: &PostprocessingRules) -> Vec<bool> {
        let decisions = self.determine(rules).decisions;
        decisions.iter().map(|decision| decision.accepted).collect()
    }
}

fn map(row: &str) -> LabelMap {
    let digits = row.bytes().map(|byte| i16::from(byte - b'0')).collect();
    LabelMap {
        labels: Array3::from_shape_vec((1, 1, row.len()), digits).unwrap(),
        geometry: Geometry::axis_aligned(Spacing::ISOTROPIC_1MM),
    }
}

const PLAIN: &str = r#"{"background": 0, "a": 1, "b": 2}"#;
const REGIONS: &str = r#"{"background": 0, "whole": [1, 2], "core": [2]},
    "regions_class_order": [1, 2]"#;

#[test]
fn the_foreground_is_not_cleaned_where_a_class_would_suffer() {
    // Class 2 lies apart from class 1: as one object it would be lost. Each alone is right.
    let rows = Rows::new(PLAIN, &[("1111000220000", "1111010220020")]);
    for rules in [PostprocessingRules::paper(), PostprocessingRules::v2()] {
        let found = rows.determine(&rules);
        let accepted: Vec<bool> = found.decisions.iter().map(|d| d.accepted).collect();
        assert_eq!(accepted, [false, true, true], "{rules:?}");
        assert_eq!(found.postprocessed.foreground_mean.dice, 1.0);
        let mut labels = map("1111010220020");
        assert_eq!(found.apply(&mut labels).unwrap(), 2);
        assert_eq!(labels, map("1111000220000"));
    }
}

#[test]
fn a_class_that_nothing_has_blocks_the_mean_under_v2_only() {
    let rows = Rows::new(PLAIN, &[("1110000", "1110010")]);
    assert_eq!(
        rows.accepted(&PostprocessingRules::paper()),
        [true, false, false]
    );
    assert_eq!(
        rows.accepted(&PostprocessingRules::v2()),
        [false, true, false]
    );
}

#[test]
fn what_changes_nothing_is_not_accepted_and_equal_components_all_stay() {
    let rows = Rows::new(PLAIN, &[("1102200", "1101122")]);
    for rules in [PostprocessingRules::paper(), PostprocessingRules::v2()] {
        assert_eq!(rows.accepted(&rules), [false; 3]);
    }
    let mut labels = map("1101100");
    let step = Postprocessing {
        postprocessing_kwargs: vec![nnunet_evaluate::postprocessing::KeepLargest {
            labels_or_regions: LabelsOrRegions::Label(1),
        }],
        ..rows.determine(&PostprocessingRules::v2())
    };
    assert_eq!(step.apply(&mut labels).unwrap(), 0);
}

#[test]
fn a_region_that_loses_voxels_takes_them_from_the_others_too() {
    // The core's island is false, but part of the whole.
    let rows = Rows::new(REGIONS, &[("1221111", "1221121")]);
    let found = rows.determine(&PostprocessingRules::v2());
    assert_eq!(steps(&found), r#"[{"labels_or_regions":[2]}]"#);
    assert!(found.postprocessed.mean["(1, 2)"].dice < 1.0);
    assert_eq!(found.postprocessed.mean["(2,)"].dice, 1.0);
    assert_eq!(rows.accepted(&PostprocessingRules::paper()), [false; 3]);
}

#[test]
fn the_document_comes_back_as_it_was_written() {
    let rows = Rows::new(REGIONS, &[("1221100000", "1221102200")]);
    let found = rows.determine(&PostprocessingRules::v2());
    assert_eq!(steps(&found), r#"[{"labels_or_regions":[[1,2],[2]]}]"#);
    let path = rows.root.path().join("postprocessing.json");
    found.save(&path).unwrap();
    assert_eq!(Postprocessing::load(&path).unwrap(), found);
}

fn steps(found: &Postprocessing) -> String {
    let text = python_json::to_text(&found.postprocessing_kwargs).unwrap();
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn the_neighbourhood_of_the_paper_travels_with_the_document() {
    let rows = Rows::new(PLAIN, &[("1110000", "1110010")]);
    let found = rows.determine(&PostprocessingRules::paper());
    let path = rows.root.path().join("postprocessing.json");
    found.save(&path).unwrap();
    let read = Postprocessing::load(&path).unwrap();
    assert_eq!(read.connectivity, Connectivity::Face);
    assert!(fs::read_to_string(path).unwrap().contains("\"face\""));
}

#[test]
fn documents_and_folders_that_make_no_sense_are_refused() {
    let rows = Rows::new(PLAIN, &[("1110000", "1110010")]);
    let found = rows.determine(&PostprocessingRules::v2());
    let path = rows.root.path().join("postprocessing.json");
    let odd = Postprocessing {
        postprocessing_fns: vec!["remove_small_objects".to_owned()],
        ..found.clone()
    };
    odd.save(&path).unwrap();
    let error = Postprocessing::load(&path).unwrap_err().to_string();
    assert!(error.contains("remove_small_objects"), "{error}");

    let empty = tempfile::tempdir().unwrap();
    let apply = |input| {
        let (formats, output) = (FormatRegistry::default(), empty.path().join("out"));
        apply_to_folder(&found, input, &output, ".nii", &formats, &NoProgress)
    };
    let error = apply(empty.path()).unwrap_err();
    assert!(matches!(error, EvaluateError::NoPredictions { .. }));
    fs::write(rows.root.path().join("p/x.nii"), b"no image").unwrap();
    let error = apply(&rows.root.path().join("p")).unwrap_err().to_string();
    assert!(error.contains("case `x`"), "{error}");
    assert!(empty.path().join("out/0.nii").is_file());
}

#[test]
fn a_pickle_stands_for_the_document_beside_it() {
    let Some(root) = fixtures("a_pickle_stands_for_the_document_beside_it", "evaluate") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pickle = folder.path().join("postprocessing.pkl");
    fs::write(&pickle, b"\x80\x04]\x94.").unwrap();
    let error = Postprocessing::load(&pickle).unwrap_err().to_string();
    assert!(error.contains("postprocessing.json"), "{error}");
    let document = root.join("postprocessing_predictions.json");
    fs::copy(&document, pickle.with_extension("json")).unwrap();
    let found = Postprocessing::load(&pickle).unwrap();
    assert_eq!(found, Postprocessing::load(&document).unwrap());
}
