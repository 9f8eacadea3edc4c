//! Integration tests: what phantoms are like, and the datasets made of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests may stop a test")]

mod dataset;
mod phantoms;
