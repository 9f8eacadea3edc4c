use maud::{Markup, html};

use super::words::{self, cell};
use crate::data::JobRecord;

pub(super) fn section(jobs: &[JobRecord]) -> Markup {
    let dash = || "–".to_owned();
    let row = |job: &JobRecord| {
        vec![
            cell(&job.job),
            cell(&job.state),
            cell(job.begun.as_deref().unwrap_or("–")),
            cell(job.seconds.map_or_else(dash, words::duration)),
            cell(job.attempts.map_or_else(dash, |n| n.to_string())),
            cell(job.memory_bytes.map_or_else(dash, words::memory)),
        ]
    };
    let rows: Vec<Vec<Markup>> = jobs.iter().map(row).collect();
    let total: f64 = jobs.iter().filter_map(|job| job.seconds).sum();
    html! {
        p {
            "Together " (words::duration(total)) ", one job after the other. The time is that of the \
             last attempt; of trainings that were done without jobs it is that of their epochs. The \
             memory is what a training step needs at least, on the GPU if there is one."
        }
        (words::table(
            "Jobs",
            &["job", "state", "begun", "time", "attempts", "memory, more than"],
            &rows,
        ))
    }
}
