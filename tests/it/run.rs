//! The graph of jobs of a cascade, from the raw images to the selected model.

use std::fs;
use std::sync::atomic::AtomicBool;

use nnunet::pipeline::graph::{
    Extent, GraphRequest, JobChoice, JobEnd, JobState, Reason, RunReport,
};
use nnunet::schema::{Fold, layout};
use nnunet::train::TrainingConfig;

use crate::cascade::{Cascade, FIRST, SECOND};

fn request(cascade: &Cascade) -> GraphRequest {
    GraphRequest {
        extent: Extent::Chosen {
            configurations: vec![SECOND.to_owned()],
            folds: vec![Fold::Number(0)],
        },
        training: TrainingConfig {
            epochs: 1,
            iterations_per_epoch: 1,
            validation_iterations: 1,
            ..TrainingConfig::default()
        },
        ..GraphRequest::new(cascade.id.clone())
    }
}

fn run(cascade: &Cascade) -> RunReport {
    let never = AtomicBool::new(false);
    let report = (cascade.pipeline).run_graph(&request(cascade), &JobChoice::All, &never);
    let report = report.unwrap();
    assert!(report.is_all_done(), "{:?}", report.jobs);
    report
}

fn done(report: &RunReport) -> Vec<&str> {
    let done = report.which(|end| matches!(end, JobEnd::Done));
    done.map(|id| id.as_str()).collect()
}

#[test]
fn a_cascade_is_trained_stage_after_stage_and_mended_where_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let cascade = Cascade::new(dir.path());
    let report = run(&cascade);
    let expected = [
        // The plans were made by hand, and the splits are not there yet.
        "verify",
        "split",
        "preprocess-3d_fullres",
        "preprocess-3d_lowres",
        "train-3d_lowres-0",
        "train-3d_lowres-1",
        "train-3d_lowres-2",
        "train-3d_lowres-3",
        "train-3d_lowres-4",
        "train-3d_cascade_fullres-0",
        "select",
        "report",
    ];
    let mut found = done(&report);
    found.sort_unstable();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(found, sorted);

    // A segmentation for the second stage is lost: the fold that held the case out makes it
    // again, with the network that it has.
    let case = &cascade.held_out(3)[0];
    let model = cascade.model(FIRST);
    let kept = layout::predicted_next_stage(&model, SECOND);
    fs::remove_file(kept.join(format!("{case}.json"))).unwrap();
    let weights = layout::fold(&model, Fold::Number(3)).join("checkpoint_final.safetensors");
    let written = || fs::metadata(&weights).unwrap().modified().unwrap();
    let before = written();
    let graph = cascade.pipeline.graph(&request(&cascade)).unwrap();
    let statuses = cascade.pipeline.assess(&graph).unwrap();
    let open: Vec<_> = (statuses.iter().filter(|s| s.state != JobState::Done)).collect();
    let missing = JobState::Ready {
        reason: Reason::OutputMissing {
            missing: kept.join(case),
        },
    };
    assert_eq!(open[0].job.id.as_str(), "train-3d_lowres-3");
    assert_eq!(open[0].state, missing);
    assert_eq!(done(&run(&cascade)), ["train-3d_lowres-3"]);
    assert_eq!(written(), before);
    let report = cascade.pipeline.report_path(&graph.dataset);
    assert!(
        fs::read_to_string(report)
            .unwrap()
            .contains("3d_cascade_fullres")
    );
    assert_eq!(done(&run(&cascade)), [""; 0]);
}
