//! Tests of the whole crate against the reference and against its own promises.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod buffers;
mod dataset;
mod files;
mod half;
mod hostile;
mod interrupted;
mod pipeline;
mod resample;
mod resample_others;
mod resample_properties;
mod store;
mod support;
