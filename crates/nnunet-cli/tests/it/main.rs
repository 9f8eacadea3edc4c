//! The program from outside: what it prints and how it ends.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bad_input;
mod commands;
mod docs;
mod json;
mod judge;
mod logging;
mod msd;
mod plan;
mod preprocess;
mod preview;
mod program;
mod report;
mod run;
mod settings;
mod setup;
mod slurm;
