use std::path::Path;

use anyhow::bail;
use nnunet::evaluate::postprocessing::Postprocessing;
use nnunet::image::FormatRegistry;
use nnunet::infer::{
    ExistingOutputs, FolderRequest, Mirroring, Precision, PredictOptions, Predictor,
    ProbabilityPrecision, SaveProbabilities, peak_resident,
};
use nnunet::pipeline::{FolderReport, SelectedRequest};

use crate::args::{PrecisionChoice, PredictArgs, ProbabilityChoice};
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &PredictArgs) -> anyhow::Result<Outcome> {
    let options = PredictOptions {
        device: context.device(args.device.device),
        mirroring: if args.no_mirroring {
            Mirroring::Off
        } else {
            Mirroring::AsTrained
        },
        existing: if args.resume {
            ExistingOutputs::Keep
        } else {
            ExistingOutputs::Replace
        },
        step: args.step,
        precision: match args.precision {
            None => Precision::Mixed,
            Some(PrecisionChoice::Fp32) => Precision::Single,
            Some(PrecisionChoice::Bf16) => Precision::Bfloat16,
            Some(PrecisionChoice::Fp16) => Precision::Half,
        },
        probabilities: SaveProbabilities {
            chunked: args.save_probabilities.map(|numbers| match numbers {
                ProbabilityChoice::F32 => ProbabilityPrecision::Single,
                ProbabilityChoice::F16 => ProbabilityPrecision::Half,
                ProbabilityChoice::U16 => ProbabilityPrecision::Steps16,
                ProbabilityChoice::U8 => ProbabilityPrecision::Steps8,
            }),
            npz: args.npz,
        },
        memory_limit: args.max_memory,
        device_memory_limit: args.max_gpu_memory,
        ..PredictOptions::default()
    };
    let mut request = FolderRequest::new(&args.input, &args.output);
    request.shard = args.shard.unwrap_or_default();
    request.previous_stage.clone_from(&args.previous_stage);
    request.report = args.report;
    let report = match (&args.selected, &args.model) {
        (Some(dataset), _) => {
            let request = SelectedRequest {
                dataset: dataset.clone(),
                folder: request,
                options,
            };
            context
                .pipeline(Need::Results)?
                .predict_selected(&request)?
        }
        (None, Some(model)) => {
            let postprocessing = (args.postprocessing.as_deref())
                .map(Postprocessing::load)
                .transpose()?;
            let predictor = Predictor::load(model, &args.folds, options)?;
            if args.dry_run {
                return plan(context, &predictor, &request);
            }
            let pipeline = context.pipeline_without_roots();
            match &postprocessing {
                Some(steps) => pipeline.predict_postprocessed(&predictor, &request, steps)?,
                None => predictor
                    .predict_cases(&request, &pipeline.formats, context.progress.as_ref())?
                    .into(),
            }
        }
        (None, None) => bail!("no model given: use `--model DIR` or `--selected DATASET`"),
    };
    Ok(tell(&report, &args.output))
}

/// Says what the cases would take.
fn plan(
    context: &Context,
    predictor: &Predictor,
    request: &FolderRequest,
) -> anyhow::Result<Outcome> {
    let formats = FormatRegistry::default();
    let (plans, failures) = predictor.plan_cases(request, &formats, context.progress.as_ref())?;
    for plan in &plans {
        output::line(format!(
            "{}: {} voxels in {} windows, {}",
            plan.case, plan.shape, plan.windows, plan.memory
        ));
    }
    for failure in &failures {
        output::line(format!("error: {}", failure.error));
    }
    output::line(format!(
        "{} cases can be predicted, {} cannot",
        plans.len(),
        failures.len()
    ));
    Ok(match failures.is_empty() {
        true => Outcome::Complete,
        false => Outcome::Partial,
    })
}

/// Says what became of the cases.
pub(super) fn tell(report: &FolderReport, folder: &Path) -> Outcome {
    for (case, error) in &report.failed {
        output::line(format!("error: case `{case}`: {error}"));
    }
    output::line(format!(
        "{} cases segmented, {} already there, {} failed: {}",
        report.done.len(),
        report.kept.len(),
        report.failed.len(),
        folder.display()
    ));
    if let Some(bytes) = peak_resident() {
        output::line(format!("peak memory: {} MB", bytes / 1_000_000));
    }
    if report.failed.is_empty() {
        Outcome::Complete
    } else {
        Outcome::Partial
    }
}
