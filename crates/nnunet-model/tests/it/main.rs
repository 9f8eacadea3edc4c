//! Tests of the public API, against arrays that the Python modules produced where they exist.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod checkpoints;
mod common;
mod infos;
mod networks;
mod python;
mod specs;
mod with_python;
