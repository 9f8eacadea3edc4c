//! Tests of the public API with synthetic networks, and against arrays of the Python program.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod averaging;
mod common;
mod export;
mod folders;
mod goldens;
mod windows;
