//! Plans of cases that are not predicted.

use nnunet_image::FormatRegistry;
use nnunet_infer::{FolderRequest, PredictOptions, SumPrecision};
use nnunet_schema::NoProgress;

use crate::models::{load, model_folder, names, write_images};

#[test]
fn a_folder_is_planned_without_a_trace() {
    let dir = model_folder(&[0]);
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_images(&input, &[("a", [8; 3]), ("b", [8; 3]), ("c", [40, 30, 8])]);
    std::fs::write(input.join("b_0000.nii.gz"), b"not an image").unwrap();
    let (request, formats) = (
        FolderRequest::new(&input, &output),
        FormatRegistry::default(),
    );
    let plan = |limit| {
        let options = PredictOptions {
            memory_limit: limit,
            ..PredictOptions::default()
        };
        let predictor = load(dir.path(), options);
        (predictor.plan_cases(&request, &formats, &NoProgress)).unwrap()
    };
    let (plans, failed) = plan(None);
    let cases: Vec<&str> = plans.iter().map(|plan| plan.case.as_str()).collect();
    assert_eq!(cases, ["a", "c"]);
    assert_eq!((failed.len(), failed[0].case.as_str()), (1, "b"));
    // Along the last axis voxels of 1.2 mm become voxels of 1 mm: 8 become 10, three windows.
    assert_eq!(
        (plans[1].windows, plans[1].shape.voxels()),
        (9 * 7 * 2, [40, 30, 10])
    );
    assert_eq!(plans[1].memory.sums, SumPrecision::Single);
    assert!(plans[0].memory.total() < plans[1].memory.total());
    assert!(!output.exists());

    // The same plan is followed when the case is predicted.
    let options = PredictOptions {
        memory_limit: Some(plans[0].memory.total()),
        ..PredictOptions::default()
    };
    let predictor = load(dir.path(), options);
    let report = (predictor.predict_cases(&request, &formats, &NoProgress)).unwrap();
    assert_eq!(report.predicted, ["a"]);
    assert!(names(&output).contains(&"a.nii.gz".to_owned()));
    let limit = Some(plans[1].memory.total() - 1);
    let (tighter, _) = plan(limit);
    assert!(tighter[1].memory.total() < plans[1].memory.total());
    assert!(tighter[1].memory.batch < plans[1].memory.batch);
    let (_, refused) = plan(Some(1000));
    assert_eq!(refused.len(), 3);
    assert!(refused[0].error.to_string().contains("limit is 1000"));
}
