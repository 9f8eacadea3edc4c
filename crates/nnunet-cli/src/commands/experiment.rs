use nnunet::pipeline::{Experiment, ExperimentOutcome, ExperimentRequest};

use super::{compare, train};
use crate::args::ExperimentArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &ExperimentArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let output = (args.output.clone()).unwrap_or_else(|| args.file.with_extension(""));
    let request = ExperimentRequest {
        experiment: Experiment::load(&args.file)?,
        device: context.device(args.device.device),
        loader_threads: args.loader_threads,
        output: output.clone(),
        compare: args.draws.options(),
    };
    let stop = train::stop_on_signal()?;
    match pipeline.experiment(&request, &stop)? {
        ExperimentOutcome::Stopped => {
            output::line("stopped; the same command goes on where it was");
            Ok(Outcome::Interrupted)
        }
        ExperimentOutcome::Finished {
            results,
            comparison,
        } => {
            for result in results {
                let (method, dataset) = (result.method, result.dataset);
                output::line(format!(
                    "{method} on {dataset}: {}",
                    result.summary.display()
                ));
            }
            compare::tell(&comparison, &output)?;
            Ok(Outcome::Complete)
        }
    }
}
