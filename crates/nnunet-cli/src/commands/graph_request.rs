//! What the options of the commands about a dataset's jobs ask for, and as which words they are passed
//! on to other processes.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory as _};
use nnunet::model::DeviceChoice;
use nnunet::pipeline::graph::{Extent, GraphRequest, Planning};
use nnunet::schema::DatasetId;

use super::plan;
use crate::args::{Arguments, GraphArgs, PlanningArgs};
use crate::context::Context;

/// What the options ask for.
pub(super) fn request(
    context: &Context,
    dataset: &DatasetId,
    args: &GraphArgs,
) -> anyhow::Result<GraphRequest> {
    let devices = match args.devices.as_slice() {
        [] => vec![context.device(None)],
        given => given.to_vec(),
    };
    request_on(devices, dataset, args)
}

/// What the options ask for, where networks run on these devices.
pub(super) fn request_on(
    devices: Vec<DeviceChoice>,
    dataset: &DatasetId,
    args: &GraphArgs,
) -> anyhow::Result<GraphRequest> {
    let usual = GraphRequest::new(dataset.clone());
    let first = devices.first().copied().unwrap_or_default();
    Ok(GraphRequest {
        planning: match args.planning.is_empty() {
            true => Planning::AsFound {
                plans_name: args.plans.plans.clone(),
            },
            false => {
                let asked = plan::request(&args.planning, Some(&args.plans.plans))?;
                Planning::By(Box::new(asked))
            }
        },
        extent: match args.fast {
            true => Extent::Fast,
            false => Extent::Chosen {
                configurations: args.configurations.clone(),
                folds: args.folds.clone(),
            },
        },
        training: args.variant.applied_to(args.schedule.settings(), first),
        augmentation: args.variant.augmentation.choice(),
        loader_threads: args.loader_threads,
        devices,
        ..usual
    })
}

impl PlanningArgs {
    /// Whether nothing is asked of the planner.
    fn is_empty(&self) -> bool {
        let Self {
            rules,
            gpu_memory,
            base_features,
            batch_size,
            patch_size,
            target_spacing,
            suppress_transpose,
        } = self;
        rules.is_none()
            && gpu_memory.is_none()
            && base_features.is_none()
            && batch_size.is_none()
            && patch_size.is_none()
            && target_spacing.is_none()
            && !suppress_transpose
    }
}

/// Options that say how this process is watched and set, and not what is done.
const OF_THIS_PROCESS: [&str; 2] = ["config", "verbose"];

/// The settings file as an option; another process may not find it from where it runs.
pub(super) fn settings_option(context: &Context) -> Vec<String> {
    let file = context.settings.file.iter();
    file.flat_map(|file| {
        let path = std::path::absolute(&file.value).unwrap_or_else(|_| file.value.clone());
        ["--config".to_owned(), path.to_string_lossy().into_owned()]
    })
    .collect()
}

/// The options that this command was given, to be given to the jobs' own, but for some: read from
/// the command line, so that none can be forgotten.
pub(super) fn given_options(not_passed_on: &[&str]) -> anyhow::Result<Vec<String>> {
    let program = Arguments::command();
    let matches = program.clone().get_matches();
    let (name, given) = matches.subcommand().context("no command was given")?;
    let command = program
        .find_subcommand(name)
        .context("the command is not one of the program's")?;
    let options = command.get_arguments().chain(program.get_arguments());
    let mut words = Vec::new();
    for option in options {
        let id = option.get_id().as_str();
        let Some(long) = option.get_long() else {
            continue;
        };
        if not_passed_on.contains(&id) || OF_THIS_PROCESS.contains(&id) || !is_given(given, id) {
            continue;
        }
        let word = format!("--{long}");
        match option.get_action() {
            ArgAction::SetTrue => {
                words.push(word);
                continue;
            }
            ArgAction::Count => {
                words.extend((0..given.get_count(id)).map(|_| word.clone()));
                continue;
            }
            _ => words.push(word),
        }
        let values: Vec<String> = (given.get_raw(id).into_iter().flatten())
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        match option.get_value_delimiter() {
            Some(delimiter) => words.push(values.join(&delimiter.to_string())),
            None => words.extend(values),
        }
    }
    Ok(words)
}

/// The number of threads, if it was given on the command line.
pub(super) fn given_threads() -> anyhow::Result<Option<NonZeroUsize>> {
    let matches = Arguments::command().get_matches();
    let (_, given) = matches.subcommand().context("no command was given")?;
    let threads = is_given(given, "threads").then(|| given.get_one("threads").copied());
    Ok(threads.flatten())
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    let is_known = matches.try_contains_id(id).unwrap_or(false);
    is_known && matches.value_source(id) == Some(ValueSource::CommandLine)
}
