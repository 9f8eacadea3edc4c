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
mod places;
mod plans;
mod probabilities;
mod progress;
mod python_models;
mod residual;
mod variants;
mod windows;
