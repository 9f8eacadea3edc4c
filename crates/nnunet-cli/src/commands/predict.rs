use nnunet::image::FormatRegistry;
use nnunet::infer::{ExistingOutputs, Mirroring, PredictOptions, Predictor};

use crate::args::PredictArgs;
use crate::context::Context;
use crate::{Outcome, memory, output};

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
        ..PredictOptions::default()
    };
    let predictor = Predictor::load(&args.model, &args.folds, options)?;
    let report = predictor.predict_folder(
        &args.input,
        &args.output,
        &FormatRegistry::default(),
        context.progress.as_ref(),
    )?;
    for failure in &report.failed {
        output::line(format!("error: case `{}`: {}", failure.case, failure.error));
    }
    output::line(format!(
        "{} cases segmented, {} already there, {} failed: {}",
        report.predicted.len(),
        report.kept.len(),
        report.failed.len(),
        args.output.display()
    ));
    if let Some(bytes) = memory::peak_resident() {
        output::line(format!("peak memory: {} MB", bytes / 1_000_000));
    }
    Ok(if report.failed.is_empty() {
        Outcome::Complete
    } else {
        Outcome::Partial
    })
}
