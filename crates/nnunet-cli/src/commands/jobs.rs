use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nnunet::pipeline::Pipeline;
use nnunet::pipeline::graph::{Completeness, JobId, JobStatus};
use nnunet::pipeline::slurm::quoted;
use nnunet::schema::Progress as _;
use serde_json::{Value, json};

use super::graph_request::{self, given_options, settings_option};
use crate::args::{JobsArgs, JobsFormat};
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// Options of the command that the jobs' own commands do not repeat.
const NOT_PASSED_ON: [&str; 4] = ["format", "raw", "preprocessed", "results"];

pub(crate) fn run(context: &Context, args: &JobsArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let request = graph_request::request(context, &args.dataset, &args.graph)?;
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
