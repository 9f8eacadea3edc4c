use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory as _};
use nnunet::pipeline::Pipeline;
use nnunet::pipeline::graph::{Completeness, JobId, JobStatus};
use nnunet::pipeline::slurm::quoted;
use nnunet::schema::Progress as _;
use serde_json::{Value, json};

use super::run;
use crate::args::{Arguments, JobsArgs, JobsFormat};
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// Options of the command that the jobs' own commands do not repeat.
const NOT_PASSED_ON: [&str; 4] = ["format", "raw", "preprocessed", "results"];

pub(crate) fn run(context: &Context, args: &JobsArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let request = run::request(context, &args.dataset, &args.graph)?;
    let graph = pipeline.graph(&request)?;
    let words = Words {
        roots: roots(&pipeline)?,
        dataset: graph.dataset.clone(),
        options: [given_options(&NOT_PASSED_ON)?, settings_option(context)].concat(),
    };
    match args.format {
        JobsFormat::Jsonl => {
            for status in pipeline.assess(&graph)? {
                output::line(object(&status, Some(words.of(&status.job.id)))?);
            }
        }
    }
    if graph.completeness == Completeness::UntilPlanned {
        context
            .progress
            .note("what follows is known when the dataset is planned: ask again then");
    }
    Ok(Outcome::Complete)
}

/// A job as an object of JSON; `words` are those of its command.
pub(super) fn object(status: &JobStatus, words: Option<Vec<String>>) -> anyhow::Result<Value> {
    let job = &status.job;
    let mut object = json!({
        "id": job.id,
        "kind": job.work.kind(),
        "needs": job.needs,
        "resources": job.resources,
        "expected_seconds": status.seconds,
    });
    if let (Value::Object(object), Value::Object(state)) =
        (&mut object, serde_json::to_value(&status.state)?)
    {
        if let Some(words) = words {
            let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            object.insert("command".to_owned(), json!(quoted.join(" ")));
            object.insert("words".to_owned(), json!(words));
        }
        object.extend(state);
    }
    Ok(object)
}

/// What the commands of all jobs have in common.
struct Words {
    roots: Vec<String>,
    dataset: String,
    options: Vec<String>,
}

impl Words {
    /// The command that runs a job unless it is done, and only if what it needs is.
    fn of(&self, job: &JobId) -> Vec<String> {
        let mut words = vec!["nnunet".to_owned()];
        words.extend(self.roots.iter().cloned());
        let command = ["run", &self.dataset, "--job", job.as_str()];
        words.extend(command.map(str::to_owned));
        words.extend(self.options.iter().cloned());
        words
    }
}

/// The root folders as options; absolute, as another program may run elsewhere.
fn roots(pipeline: &Pipeline) -> anyhow::Result<Vec<String>> {
    let layout = &pipeline.layout;
    let mut words = Vec::new();
    for (option, path) in [
        ("--raw", &layout.raw),
        ("--preprocessed", &layout.preprocessed),
        ("--results", &layout.results),
    ] {
        words.push(option.to_owned());
        words.push(absolute(path)?.to_string_lossy().into_owned());
    }
    Ok(words)
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))
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
