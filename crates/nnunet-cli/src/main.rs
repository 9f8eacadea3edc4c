//! The `nnunet` program: the whole method from a shell.
#![deny(unsafe_code)]
// This is the one place of the workspace that talks to a person.
#![allow(clippy::print_stderr)]

mod args;
mod commands;
mod context;
mod logging;
mod memory;
mod output;
mod progress;
mod settings;
mod variant;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use args::{Arguments, Command};
use context::Context;
use progress::TerminalProgress;
use settings::Settings;

/// Some cases failed, the others were done.
const EXIT_PARTIAL: u8 = 2;
/// Stopped by a signal after writing a checkpoint, or another process is at the rest: to be run
/// again. `EX_TEMPFAIL` of sysexits.h, which schedulers know.
const EXIT_INTERRUPTED: u8 = 75;

/// How a command ended if it did not fail altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Complete,
    Partial,
    Interrupted,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.command.runs_networks() {
        memory::keep_freed_buffers();
    }
    match run(arguments) {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Partial) => ExitCode::from(EXIT_PARTIAL),
        Ok(Outcome::Interrupted) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> anyhow::Result<Outcome> {
    let settings = Settings::gather(&arguments)?;
    if let (Some(asked), Some(set)) = (arguments.command.precision(), &settings.precision) {
        asked.get_or_insert(set.value);
    }
    let progress = Arc::new(TerminalProgress::new());
    logging::start(arguments.verbose, &progress)?;
    let context = Context::new(settings, progress)?;
    match arguments.command {
        Command::ConvertMsd(args) => commands::convert_msd::run(&context, &args),
        Command::Verify(args) => commands::verify::run(&context, &args),
        Command::Fingerprint(args) => commands::fingerprint::run(&context, &args),
        Command::Plan(args) => commands::plan::run(&context, &args),
        Command::Split(args) => commands::split::run(&context, &args),
        Command::Preprocess(args) => commands::preprocess::run(&context, &args),
        Command::PreviewAugmentation(args) => commands::preview::run(&context, &args),
        Command::ModelInfo(args) => commands::model_info::run(&context, &args),
        Command::Train(args) => commands::train::run(&context, &args),
        Command::Predict(args) => commands::predict::run(&context, &args),
        Command::Ensemble(args) => commands::ensemble::run(&context, &args),
        Command::ExportCheckpoint(args) => commands::export_checkpoint::run(&args),
        Command::ExportModel(args) => commands::export_model::run(&context, &args),
        Command::InstallModel(args) => commands::install_model::run(&context, &args),
        Command::Evaluate(args) => commands::evaluate::run(&context, &args),
        Command::Select(args) => commands::select::run(&context, &args),
        Command::Postprocess(args) => commands::postprocess::run(&context, &args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::CompareFingerprints(args) => commands::compare::fingerprints(&context, &args),
        Command::Experiment(args) => commands::experiment::run(&context, &args),
        Command::Run(args) => commands::run::run(&context, &args),
        Command::Jobs(args) => commands::jobs::run(&context, &args),
        Command::Status(args) => commands::status::run(&context, &args),
        Command::Report(args) => commands::report::run(&context, &args),
        Command::Demo(args) => commands::demo::run(&context, &args),
        Command::Doctor(args) => commands::doctor::run(&context, &args),
        Command::Completions(args) => Ok(commands::manual::completions(&args)),
        Command::ManPages(args) => commands::manual::man_pages(&args),
    }
}
