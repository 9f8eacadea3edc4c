use nnunet_model::DeviceChoice;
use nnunet_planner::{Planner, Rules};
use nnunet_schema::{DatasetFingerprint, DatasetId};

use super::*;
use crate::pipeline::graph::request::Planning;

const LARGE: [usize; 3] = [480, 512, 512];
const SMALL: [usize; 3] = [40, 40, 40];

/// A dataset of images of one shape that nobody has seen, planned by the paper's rules.
fn facts(shape: [usize; 3]) -> Facts {
    let intensities = json!({"max": 1.0, "mean": 0.5, "median": 0.5, "min": 0.0,
        "percentile_00_5": 0.1, "percentile_99_5": 0.9, "std": 0.2});
    let fingerprint: DatasetFingerprint = serde_json::from_value(json!({
        "foreground_intensity_properties_per_channel": {"0": intensities},
        "median_relative_size_after_cropping": 1.0,
        "shapes_after_crop": [shape, shape, shape, shape, shape],
        "spacings": vec![[1.0, 0.8, 0.8]; 5],
    }))
    .unwrap();
    let description: DatasetDescription = serde_json::from_value(json!({
        "channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
        "numTraining": 5, "file_ending": ".nii.gz"
    }))
    .unwrap();
    let planned = Planner::new(Rules::paper()).plan_with_searches(
        &fingerprint,
        &description,
        "Dataset001_Test",
        &Rules::paper().reference_budget(),
        &nnunet_schema::plans::PlanOverrides::default(),
    );
    Facts {
        dataset: "Dataset001_Test".to_owned(),
        layout: Layout {
            raw: "raw".into(),
            preprocessed: "preprocessed".into(),
            results: "results".into(),
        },
        description,
        plans: Some(planned.unwrap().plans),
        folds: 5,
        threads: 2,
    }
}

fn request(configurations: &[&str], folds: &[u32]) -> GraphRequest {
    GraphRequest {
        extent: Extent::Chosen {
            configurations: configurations.iter().map(ToString::to_string).collect(),
            folds: folds.iter().map(|n| Fold::Number(*n)).collect(),
        },
        ..GraphRequest::new(DatasetId::Number(1))
    }
}

fn ids(graph: &JobGraph) -> Vec<&str> {
    graph.jobs.iter().map(|job| job.id.as_str()).collect()
}

fn needs(graph: &JobGraph, id: &str) -> Vec<String> {
    let job = graph.job(&JobId::new(id)).unwrap();
    job.needs.iter().map(ToString::to_string).collect()
}

#[test]
fn small_images_need_two_configurations_in_five_folds() {
    let graph = JobGraph::build(&GraphRequest::new(DatasetId::Number(1)), &facts(SMALL)).unwrap();
    assert_eq!(
        ids(&graph)[..6],
        [
            "verify",
            "fingerprint",
            "plan",
            "split",
            "preprocess-2d",
            "preprocess-3d_fullres"
        ]
    );
    assert_eq!(graph.jobs.len(), 4 + 2 + 10 + 2);
    assert_eq!(needs(&graph, "train-2d-3"), ["split", "preprocess-2d"]);
    assert_eq!(needs(&graph, "select").len(), 10);
    assert_eq!(needs(&graph, "report"), ["select"]);
    assert_eq!(graph.completeness, Completeness::Whole);
}

#[test]
fn the_second_stage_of_a_cascade_waits_for_all_folds_of_the_first() {
    let asked = request(&["3d_cascade_fullres"], &[1]);
    let graph = JobGraph::build(&asked, &facts(LARGE)).unwrap();
    let first = "train-3d_lowres-";
    let trained: Vec<&str> = ids(&graph)
        .into_iter()
        .filter(|id| id.starts_with("train"))
        .collect();
    let expected: Vec<String> = (0..5).map(|fold| format!("{first}{fold}")).collect();
    assert_eq!(trained[..5], expected);
    assert_eq!(trained[5..], ["train-3d_cascade_fullres-1"]);

    // It is trained on the cases of the full resolution, on whose grid the first stage must
    // segment: they are preprocessed before.
    let mut second = vec!["split".to_owned(), "preprocess-3d_fullres".to_owned()];
    second.extend(expected);
    assert_eq!(needs(&graph, "train-3d_cascade_fullres-1"), second);
    assert_eq!(
        needs(&graph, "train-3d_lowres-0"),
        ["split", "preprocess-3d_lowres", "preprocess-3d_fullres"]
    );
    // Only what was asked for is selected from.
    assert_eq!(needs(&graph, "select"), ["train-3d_cascade_fullres-1"]);

    // Without the second stage the first has no more to do than any other.
    let graph = JobGraph::build(&request(&["3d_lowres"], &[0]), &facts(LARGE)).unwrap();
    assert_eq!(
        needs(&graph, "train-3d_lowres-0"),
        ["split", "preprocess-3d_lowres"]
    );
}

#[test]
fn a_job_comes_after_those_that_it_needs_and_has_a_stamp_of_its_own() {
    let graph = JobGraph::build(&GraphRequest::new(DatasetId::Number(1)), &facts(LARGE)).unwrap();
    let mut stamps = Vec::new();
    for (place, job) in graph.jobs.iter().enumerate() {
        for need in &job.needs {
            let found = graph.jobs[..place]
                .iter()
                .any(|earlier| earlier.id == *need);
            assert!(found, "{} needs {need}", job.id);
        }
        assert!(!stamps.contains(&job.stamp), "{}", job.id);
        stamps.push(job.stamp.clone());
    }
    // Four configurations, of which two share their cases.
    assert_eq!(graph.jobs.len(), 4 + 3 + 20 + 2);
}

#[test]
fn the_reduced_mode_trains_one_network() {
    let fast = GraphRequest {
        extent: Extent::Fast,
        ..GraphRequest::new(DatasetId::Number(1))
    };
    let graph = JobGraph::build(&fast, &facts(LARGE)).unwrap();
    assert_eq!(
        ids(&graph)[4..],
        [
            "preprocess-3d_fullres",
            "train-3d_fullres-0",
            "select",
            "report"
        ]
    );
}

#[test]
fn before_the_plans_the_graph_ends_at_the_split() {
    let unplanned = Facts {
        plans: None,
        ..facts(SMALL)
    };
    let graph = JobGraph::build(&GraphRequest::new(DatasetId::Number(1)), &unplanned).unwrap();
    assert_eq!(ids(&graph), ["verify", "fingerprint", "plan", "split"]);
    assert_eq!(graph.completeness, Completeness::UntilPlanned);
}

#[test]
fn plans_of_another_program_are_made_by_no_job() {
    let mut foreign = facts(SMALL);
    foreign.plans.as_mut().unwrap().planning = None;
    let usual = GraphRequest::new(DatasetId::Number(1));
    let graph = JobGraph::build(&usual, &foreign).unwrap();
    assert_eq!(ids(&graph)[..3], ["verify", "split", "preprocess-2d"]);
    assert_eq!(needs(&graph, "split"), ["verify"]);
    assert_eq!(needs(&graph, "preprocess-2d"), ["verify"]);
    // Unless plans are asked for.
    let asked = GraphRequest {
        planning: Planning::By(Box::default()),
        ..usual
    };
    let graph = JobGraph::build(&asked, &foreign).unwrap();
    assert_eq!(ids(&graph)[..3], ["verify", "fingerprint", "plan"]);
}

#[test]
fn an_unknown_configuration_is_named() {
    let error = JobGraph::build(&request(&["4d"], &[0]), &facts(SMALL)).unwrap_err();
    assert!(error.to_string().contains("4d"), "{error}");
}

#[test]
fn fold_all_is_trained_and_not_selected_from() {
    let all = GraphRequest {
        extent: Extent::Chosen {
            configurations: vec!["2d".to_owned()],
            folds: vec![Fold::All, Fold::All],
        },
        ..GraphRequest::new(DatasetId::Number(1))
    };
    let graph = JobGraph::build(&all, &facts(SMALL)).unwrap();
    assert_eq!(
        ids(&graph)[4..],
        ["preprocess-2d", "train-2d-all", "report"]
    );
    assert_eq!(needs(&graph, "report"), ["train-2d-all"]);
}

#[test]
fn a_graph_comes_back_from_json() {
    let request = GraphRequest {
        devices: vec![DeviceChoice::Cuda(0)],
        ..GraphRequest::new(DatasetId::Number(1))
    };
    let graph = JobGraph::build(&request, &facts(LARGE)).unwrap();
    let text = serde_json::to_string(&graph).unwrap();
    assert_eq!(serde_json::from_str::<JobGraph>(&text).unwrap(), graph);
    let training = graph.job(&JobId::new("train-3d_fullres-0")).unwrap();
    assert_eq!(training.resources.accelerator, Accelerator::Gpu);
    assert!(training.resources.memory_bytes > Some(1_000_000_000));
}
