//! Integration tests: folders against the summaries of the reference program.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may stop a test and say why it is skipped"
)]

mod folder;
mod peers;
mod postprocessing;
mod shared;
mod surfaces;
