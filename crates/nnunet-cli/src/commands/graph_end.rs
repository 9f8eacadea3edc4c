//! How a run of jobs ended.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;
use nnunet::pipeline::graph::{JobChoice, JobEnd, RunReport};

use crate::{Outcome, output};

/// What came of a run, and how the program ends.
pub(super) fn tell(
    report: &RunReport,
    choice: &JobChoice,
    stop: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let chosen = report.jobs.iter().filter(|(id, _)| {
        let job = report.graph.job(id);
        job.is_some_and(|job| choice.has(job))
    });
    let (mut run, mut before, mut untried) = (0, 0, Vec::new());
    let (mut stopped, mut elsewhere, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, end) in chosen {
        match end {
            JobEnd::Done => run += 1,
            JobEnd::DoneBefore => before += 1,
            JobEnd::Stopped => stopped.push(id),
            JobEnd::Elsewhere(owner) => elsewhere.push((id, owner)),
            JobEnd::Failed(error) => failed.push((id, error)),
            _ => untried.push(id),
        }
    }
    output::line(format!("{run} jobs run, {before} were done before"));
    for id in &stopped {
        output::line(format!("{id}: stopped, with a checkpoint"));
    }
    for (id, owner) in &elsewhere {
        let (pid, host) = (owner.pid, &owner.host);
        output::line(format!("{id}: process {pid} on {host} is at it"));
    }
    for (id, error) in &failed {
        output::line(format!("{id}: failed: {error}"));
    }
    if !untried.is_empty() {
        output::line(format!("{} jobs are left", untried.len()));
    }
    if !failed.is_empty() {
        ensure!(run + before > 0, "nothing could be done");
        return Ok(Outcome::Partial);
    }
    if !stopped.is_empty() || !elsewhere.is_empty() {
        output::line("the same command goes on");
        return Ok(Outcome::Interrupted);
    }
    if !untried.is_empty() {
        // Stopped between two jobs, or not everything that the jobs need was asked for.
        let is_stopped = stop.load(Ordering::Relaxed);
        return Ok(match choice {
            JobChoice::All => Outcome::Interrupted,
            _ if is_stopped => Outcome::Interrupted,
            _ => Outcome::Partial,
        });
    }
    Ok(Outcome::Complete)
}
