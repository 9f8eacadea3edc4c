//! What shells and `man` know of the program, made from the arguments themselves.

use std::fs;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArgs, ManPagesArgs};
use crate::{Outcome, output};

pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "nnunet", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    Outcome::Complete
}

pub(crate) fn man_pages(args: &ManPagesArgs) -> anyhow::Result<Outcome> {
    let folder = args.folder.display();
    fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {folder}"))?;
    clap_mangen::generate_to(Arguments::command(), &args.folder)
        .with_context(|| format!("cannot write pages to {folder}"))?;
    output::line(format!("{folder}: nnunet.1 and a page for each command"));
    Ok(Outcome::Complete)
}
