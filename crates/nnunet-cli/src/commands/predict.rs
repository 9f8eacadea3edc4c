use std::path::Path;

use nnunet::image::FormatRegistry;
use nnunet::infer::{
    ExistingOutputs, FolderRequest, Mirroring, PredictOptions, PredictReport, Predictor,
    ProbabilityPrecision, SaveProbabilities, peak_resident,
};

use crate::args::PredictArgs;
use crate::context::Context;
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
        probabilities: SaveProbabilities {
            chunked: (args.save_probabilities).then(ProbabilityPrecision::default),
            npz: args.npz,
        },
        memory_limit: args.max_memory.map(|gigabytes| (gigabytes * 1e9) as u64),
        ..PredictOptions::default()
    };
    let predictor = Predictor::load(&args.model, &args.folds, options)?;
    let mut request = FolderRequest::new(&args.input, &args.output);
    request.shard = args.shard.unwrap_or_default();
    request.previous_stage.clone_from(&args.previous_stage);
    request.report = args.report;
    let formats = FormatRegistry::default();
    let report = predictor.predict_cases(&request, &formats, context.progress.as_ref())?;
    Ok(tell(&report, &args.output))
}

/// Says what became of the cases.
pub(super) fn tell(report: &PredictReport, folder: &Path) -> Outcome {
    for failure in &report.failed {
        output::line(format!("error: case `{}`: {}", failure.case, failure.error));
    }
    output::line(format!(
        "{} cases segmented, {} already there, {} failed: {}",
        report.predicted.len(),
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
