//! The planner against the published planners' decisions, and what holds for any input.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test binary are tests as well"
)]

mod check;
mod common;
mod draw;
mod explain;
mod footprint;
mod invariants;
mod overrides;
mod paper;
mod python;
mod refusals;
mod v2;
