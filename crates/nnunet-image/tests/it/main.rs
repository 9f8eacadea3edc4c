//! Tests on files: crafted ones, those that the writer makes, and real ones where they exist.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may stop a test and say why it is skipped"
)]

mod cases;
mod crafted;
mod crafted_pictures;
mod crafted_text;
mod formats;
mod hostile;
mod hostile_others;
mod msd;
mod raw;
mod round_trip;
mod shared;
