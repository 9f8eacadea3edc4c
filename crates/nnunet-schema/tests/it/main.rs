//! The documents as whole files: the reference program's own, and broken ones.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may stop a test and say why it is skipped"
)]

mod malformed;
mod reference;
mod shared;
