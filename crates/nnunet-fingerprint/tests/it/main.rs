//! Tests on datasets: small ones made by the writer, and real ones where they exist.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may stop a test and say why it is skipped"
)]

mod dataset;
mod extract;
mod findings;
mod shared;
