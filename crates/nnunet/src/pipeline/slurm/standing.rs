//! How far each job is: by what lies on the disk first, by the queue second. Pure.

use std::collections::BTreeMap;

use super::arrange::Standing;
use super::error::SlurmError;
use super::id::SlurmId;
use super::queue::{Queue, QueueState};
use super::record::{SubmissionRecord, Submitted, WorkDigest};
use crate::pipeline::graph::{JobId, JobState, JobStatus};

/// What is known of the jobs of a dataset beside what lies on the disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) record: &'a SubmissionRecord,
    pub(super) queue: &'a Queue,
    /// The Slurm job that this process is in.
    pub(super) own_job: Option<SlurmId>,
    /// The options that jobs are submitted with.
    pub(super) options: &'a [String],
}

impl Known<'_> {
    /// How far each job is; the jobs come after those that they need.
    pub(super) fn standings(
        &self,
        statuses: &[JobStatus],
    ) -> Result<BTreeMap<JobId, Standing>, SlurmError> {
        let mut standings = BTreeMap::new();
        let mut still_open = Vec::new();
        for status in statuses {
            let job = &status.job.id;
            let standing = self.standing(status, &standings)?;
            if let Standing::Queued(id) = standing
                && self.own_job == Some(id)
            {
                still_open.push((job.to_string(), id));
            }
            standings.insert(job.clone(), standing);
        }
        // The job that prepares submits the rest; it must not wait for itself.
        match still_open.first() {
            None => Ok(standings),
            Some(&(_, id)) => Err(SlurmError::StillOpen {
                jobs: still_open.into_iter().map(|(job, _)| job).collect(),
                id,
            }),
        }
    }

    fn standing(
        &self,
        status: &JobStatus,
        before: &BTreeMap<JobId, Standing>,
    ) -> Result<Standing, SlurmError> {
        if status.state == JobState::Done {
            return Ok(Standing::Done);
        }
        let submitted = self.record.jobs.get(&status.job.id);
        let Some(submitted) = submitted.filter(|submitted| self.queue.has(submitted.id)) else {
            return Ok(Standing::Open);
        };
        let id = submitted.id;
        if self.is_doomed(submitted, before) {
            return Ok(Standing::Doomed(id));
        }
        match submitted.work == WorkDigest::of(&status.job, self.options) {
            true => Ok(Standing::Queued(id)),
            false => Err(SlurmError::QueuedOtherwise {
                job: status.job.id.clone(),
                id,
            }),
        }
    }

    /// Whether a job waits for one that has failed. Slurm itself takes some time to see it.
    fn is_doomed(&self, submitted: &Submitted, before: &BTreeMap<JobId, Standing>) -> bool {
        let state = self.queue.entry(submitted.id).map(|entry| entry.state);
        state == Some(QueueState::Pending)
            && (submitted.after.iter()).any(|(need, id)| match self.queue.entry(*id) {
                Some(entry) if entry.is_alive() => before.get(need) == Some(&Standing::Doomed(*id)),
                Some(entry) => entry.state != QueueState::Completed,
                // It left the queue some time ago; how, is to be seen from what it has left.
                None => before.get(need) != Some(&Standing::Done),
            })
    }
}

#[cfg(test)]
mod tests;
