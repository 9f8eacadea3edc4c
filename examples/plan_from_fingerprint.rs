//! The planner alone: from a few facts about a dataset to a complete plan, without an image.
#![allow(clippy::print_stdout)] // an example shows what it found

use nnunet::planner::{Budget, Planner, Rules};
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{DatasetDescription, DatasetFingerprint};

fn main() -> anyhow::Result<()> {
    let dataset: DatasetDescription = serde_json::from_str(
        r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "tumour": 2},
            "numTraining": 131, "file_ending": ".nii.gz"}"#,
    )?;
    let case = (r#"[482, 512, 512]"#, r#"[1.0, 0.7676, 0.7676]"#);
    let fingerprint: DatasetFingerprint = serde_json::from_str(&format!(
        r#"{{"shapes_after_crop": [{0}, {0}], "spacings": [{1}, {1}],
            "median_relative_size_after_cropping": 1.0,
            "foreground_intensity_properties_per_channel": {{"0": {{"max": 420, "mean": 99,
            "median": 101, "min": -400, "percentile_00_5": -17, "percentile_99_5": 201,
            "std": 40}}}}}}"#,
        case.0, case.1
    ))?;
    let plans = Planner::new(Rules::paper()).plan(
        &fingerprint,
        &dataset,
        "Dataset003_Liver",
        &Budget::default(),
        &PlanOverrides::default(),
    )?;
    for name in plans.configuration_names() {
        let configuration = plans.configuration(name)?;
        println!(
            "{name}: patch {:?}, batch {}, spacing {:?} mm, features {:?}",
            configuration.patch_size,
            configuration.batch_size,
            configuration.spacing,
            configuration.architecture.arch_kwargs.features_per_stage
        );
    }
    Ok(())
}
