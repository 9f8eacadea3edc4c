//! Tests of the public API, against numbers that the Python program produced where they exist.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;
mod golden;
mod losses;
mod optimizers;
mod python_checkpoints;
mod resuming;
mod scaling;
mod training;
