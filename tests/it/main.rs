//! Tests that cross crates.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod browser;
mod cascade;
mod experiment;
mod pipeline;
mod report;
mod run;
mod sharing;
