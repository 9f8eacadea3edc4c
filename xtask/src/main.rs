//! Chores of this workspace, run as `cargo xtask <command>`.
//!
//! This program is the first thing that a newcomer builds, so it depends on
//! little, and never on libtorch, which it is there to provide.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program speaks to its user"
)]

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod demo;
mod gpu;
mod libtorch;
mod prerequisites;
mod process;
mod steps;
mod test;
mod workspace;

use workspace::Workspace;

/// Chores of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One chore.
#[derive(Debug, Subcommand)]
enum Command {
    /// Provide libtorch: fetch it into a cache of the user and link `.libtorch` to it
    ///
    /// The cache is `$NNUNET_CACHE`, else `$XDG_CACHE_HOME/nnunet`, else
    /// `~/.cache/nnunet`, and serves all checkouts. Where LIBTORCH or
    /// LIBTORCH_USE_PYTORCH is set, that libtorch is checked and used instead.
    Libtorch {
        /// Install the whole package with CUDA instead (4.7 GB on disk)
        #[arg(long)]
        cuda: bool,
        /// Fetch it again, even if it is already there
        #[arg(long)]
        force: bool,
    },
    /// Run every check: format, lints, documentation, each crate alone, tests, examples
    Test {
        /// Only format, lints, the crates without torch and the tests
        #[arg(long)]
        quick: bool,
    },
    /// Run the whole pipeline on a small synthetic dataset
    Demo {
        /// Arguments for `nnunet demo`
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Time a training on a GPU, beside the Python program if it is there
    Gpu(gpu::GpuArgs),
    /// Run the benchmarks of every crate, or of one
    Bench {
        /// The crate whose benchmarks to run (`nnunet-` may be left out)
        #[arg(value_name = "CRATE")]
        package: Option<String>,
        /// Arguments for the benchmarks, such as a filter
        #[arg(last = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let workspace = Workspace::locate()?;
    match cli.command {
        Command::Libtorch { cuda, force } => {
            let build = if cuda {
                libtorch::Build::Cuda
            } else {
                libtorch::Build::Cpu
            };
            libtorch::provide(&workspace, build, force)
        }
        Command::Test { quick } => test::run(&workspace, quick),
        Command::Demo { args } => demo::run(&workspace, &args),
        Command::Gpu(args) => gpu::run(&workspace, &args),
        Command::Bench { package, args } => bench::run(&workspace, package.as_deref(), &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_the_dashes_are_passed_through() {
        let cli = Cli::try_parse_from(["xtask", "demo", "--", "--output", "x"]).unwrap();
        let Command::Demo { args } = cli.command else {
            panic!("not the demo");
        };
        assert_eq!(args, ["--output", "x"]);
    }
}
