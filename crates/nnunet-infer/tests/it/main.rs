//! Tests of the public API with synthetic networks, and against arrays of the Python program.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod averaging;
mod cascade;
mod common;
mod export;
mod faults;
mod folders;
mod goldens;
mod models;
mod probabilities;
mod python_models;
mod variants;
mod windows;
