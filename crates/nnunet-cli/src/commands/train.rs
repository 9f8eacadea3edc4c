use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nnunet::infer::peak_resident;
use nnunet::model::Strictness;
use nnunet::pipeline::{Existing, Pretrained, TrainOutcome, TrainRequest};
use nnunet::schema::layout;
use nnunet::train::{ProgressObserver, TrainingConfig};

use super::tables;
use crate::args::TrainArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &TrainArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let device = context.device(args.device.device);
    let settings = TrainingConfig {
        fold: args.fold,
        ..args.schedule.settings()
    };
    let training = args.variant.applied_to(settings, device);
    let request = TrainRequest {
        dataset: args.dataset.dataset.clone(),
        plans_name: args.plans.plans.clone(),
        configuration: args.configuration.clone(),
        device,
        loader_threads: args.loader_threads,
        existing: if args.resume {
            Existing::Keep
        } else {
            Existing::Replace
        },
        training,
        augmentation: args.variant.augmentation.choice(),
        pretrained: (args.pretrained.clone()).map(|weights| Pretrained {
            weights,
            strictness: if args.matching_only {
                Strictness::Matching
            } else {
                Strictness::ExceptOutputs
            },
        }),
    };
    let what = format!("train {} fold {}", args.configuration, args.fold);
    let observer = ProgressObserver::new(context.progress.as_ref(), &what, args.schedule.epochs);
    let stop = stop_on_signal()?;
    match pipeline.train(&request, &observer, &stop)? {
        TrainOutcome::Stopped { folder } => {
            output::line(format!(
                "stopped; `--continue` goes on from {}",
                folder.display()
            ));
            Ok(Outcome::Interrupted)
        }
        TrainOutcome::Finished { folder, validation } => {
            let raw = pipeline.raw_dataset(&request.dataset)?;
            output::line(tables::dice_table(&raw.description, &validation)?);
            let validation = folder.join("validation");
            output::line(format!(
                "summary: {}",
                layout::summary(&validation).display()
            ));
            if let Some(bytes) = peak_resident() {
                output::line(format!("peak memory: {} MB", bytes / 1_000_000));
            }
            Ok(Outcome::Complete)
        }
    }
}

/// Signals within this time are one: schedulers signal a process and the script around it, which
/// passes the signal on.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// A flag that SIGINT, SIGTERM and SIGHUP set; another signal ends the process at once.
pub(super) fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let first = first.get_or_insert_with(Instant::now);
        if flag.swap(true, Ordering::Relaxed) && first.elapsed() > ONE_SIGNAL {
            std::process::exit(130);
        }
    })
    .context("cannot watch for signals")?;
    Ok(stop)
}
