//! The script of a Slurm job, as text: pure, nothing is read or written.

use std::fmt::Write as _;

use super::profile::Settings;
use super::shell::quoted;
use crate::pipeline::graph::Accelerator;

/// A word of a command in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// As it is.
    Plain(String),
    /// This, and after it the index of the task in the array.
    WithTask(String),
}

impl Word {
    fn rendered(&self) -> String {
        match self {
            Self::Plain(text) => quoted(text),
            Self::WithTask(text) => format!("{}\"$SLURM_ARRAY_TASK_ID\"", quoted(text)),
        }
    }
}

/// A variable of the environment, set by the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What a Slurm job runs, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What it is called in the queue; anything but letters, digits and `._-` becomes `_`.
    pub name: String,
    /// What it asks for.
    pub settings: Settings,
    /// The indices of the array; none if it is no array.
    pub tasks: Vec<u32>,
    /// Whether it gets the GPUs of the settings.
    pub accelerator: Accelerator,
    /// Set before anything else runs.
    pub environment: Vec<Variable>,
    /// The commands; each is run if the one before it ended with code 0.
    pub commands: Vec<Vec<Word>>,
}

impl Script {
    /// The text, for bash.
    ///
    /// The script passes SIGTERM on to the command that runs, and puts its job back into the queue
    /// if that ends with code 75, unless the job was cancelled.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from("#!/bin/bash\n");
        for option in self.options() {
            line(&mut text, &format!("#SBATCH {option}"));
        }
        text.push_str(HEAD);
        for Variable { name, value } in &self.environment {
            line(&mut text, &format!("export {name}={}", quoted(value)));
        }
        for setup in self.settings.setup.iter().flatten() {
            line(&mut text, &setup.to_string());
        }
        text.push_str(ATTEMPT);
        for (index, command) in self.commands.iter().enumerate() {
            let words: Vec<String> = command.iter().map(Word::rendered).collect();
            let guard = match index {
                0 => "",
                _ => "[ \"$code\" -ne 0 ] || ",
            };
            line(&mut text, &format!("{guard}attempt {}", words.join(" ")));
        }
        let own_id = match self.tasks.is_empty() {
            true => "$SLURM_JOB_ID",
            // Of the last task of an array this is the number of the whole array.
            false => "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID",
        };
        line(&mut text, &format!("\njob={own_id}"));
        text.push_str(REQUEUE);
        text
    }

    fn options(&self) -> Vec<String> {
        let settings = &self.settings;
        let mut options = vec![
            format!("--job-name={}", file_name(&self.name)),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
        ];
        if !self.tasks.is_empty() {
            let at_once = settings.at_once.map(|at_once| format!("%{at_once}"));
            let (tasks, at_once) = (indices(&self.tasks), at_once.unwrap_or_default());
            options.push(format!("--array={tasks}{at_once}"));
        }
        let mut add = |option: &str, value: Option<String>| {
            options.extend(value.map(|value| format!("--{option}={value}")));
        };
        add("partition", text_of(&settings.partition));
        add("account", text_of(&settings.account));
        add("qos", text_of(&settings.qos));
        add("time", text_of(&settings.time));
        add("mem", text_of(&settings.memory));
        add("cpus-per-task", text_of(&settings.cpus));
        if self.accelerator == Accelerator::Gpu && settings.gpus() > 0 {
            let kind = (settings.gpu_type.as_ref()).map(|kind| format!("{kind}:"));
            let kind = kind.unwrap_or_default();
            add("gres", Some(format!("gpu:{kind}{}", settings.gpus())));
        }
        options.push("--requeue".to_owned());
        options.push("--open-mode=append".to_owned());
        let seconds = settings.checkpoint_seconds();
        options.push(format!("--signal=B:TERM@{seconds}"));
        options.extend(settings.sbatch.iter().flatten().map(ToString::to_string));
        options
    }
}

/// What the Slurm job of a batch of a dataset is called; with no batch, how all their names begin.
pub(super) fn queue_name(dataset: &str, batch: &str) -> String {
    file_name(&format!("nnunet-{dataset}-{batch}"))
}

/// A name that can be one of a file, and stand in a line of options.
pub(super) fn file_name(name: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || "._-".contains(c) {
        true => c,
        false => '_',
    };
    name.chars().map(plain).collect()
}

/// Indices of an array as `sbatch` takes them: `0-4`, `0,2,3`.
fn indices(tasks: &[u32]) -> String {
    let is_row = tasks
        .windows(2)
        .all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    match tasks {
        [first, .., last] if is_row => format!("{first}-{last}"),
        _ => {
            let tasks: Vec<String> = tasks.iter().map(u32::to_string).collect();
            tasks.join(",")
        }
    }
}

fn text_of(value: &Option<impl ToString>) -> Option<String> {
    value.as_ref().map(ToString::to_string)
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

const HEAD: &str = "
# Made by `nnunet run --slurm`. It can be run again at any time: what is done is not done twice.

";

const ATTEMPT: &str = r#"
worker=
signalled=no
stopping=no
# Slurm signals this script when the time is nearly over; the program then writes a checkpoint.
trap 'signalled=yes; stopping=yes; [ -z "$worker" ] || kill -TERM "$worker" 2>/dev/null' TERM

# Runs a command; `code` is how it ended.
attempt() {
    code=75
    [ "$stopping" = no ] || return
    signalled=no
    "$@" &
    worker=$!
    [ "$stopping" = no ] || kill -TERM "$worker"
    wait "$worker"
    code=$?
    # A signal ends the waiting, not the command.
    while [ "$signalled" = yes ]; do
        signalled=no
        wait "$worker"
        ended=$?
        [ "$ended" -eq 127 ] || code=$ended
    done
    worker=
}

"#;

const REQUEUE: &str = r#"case $code in
75 | 143)
    # To be gone on with. A job that was cancelled or is requeued already does not run any more.
    for pause in 5 20 60 0; do
        state=$(squeue --noheader --format=%T --jobs="$job") || state=
        [ "$state" = RUNNING ] && scontrol requeue "$job" && break
        [ -z "$state" ] || [ "$state" = RUNNING ] || break
        sleep "$pause"
    done
    ;;
esac
exit "$code"
"#;

#[cfg(test)]
mod tests;
