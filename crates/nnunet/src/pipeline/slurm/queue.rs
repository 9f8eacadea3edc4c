//! What Slurm's queue says of jobs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::error::SlurmError;
use super::id::SlurmId;

/// How `squeue` is asked to print a job: number, state, reason, name.
pub(super) const FORMAT: &str = "%i|%T|%r|%j";

/// The reason of a job that can never run, as something that it waited for has failed.
const NEVER: &str = "DependencyNeverSatisfied";

/// What a job in the queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum QueueState {
    /// It waits.
    Pending,
    /// It runs, or is about to.
    Running,
    /// It is being ended.
    Completing,
    /// It is held up.
    Suspended,
    /// It has ended well.
    Completed,
    /// It has failed.
    Failed,
    /// It was removed.
    Cancelled,
    /// It ran into its time limit.
    TimedOut,
    /// It took more memory than it had.
    OutOfMemory,
    /// Its node failed.
    NodeFailed,
    /// It made place for another.
    Preempted,
    /// A state that this program does not know.
    Other,
}

impl QueueState {
    /// By its name in `squeue` and `sacct`.
    fn named(name: &str) -> Self {
        match name {
            "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "RESV_DEL_HOLD"
            | "SPECIAL_EXIT" => Self::Pending,
            "RUNNING" | "CONFIGURING" | "RESIZING" | "SIGNALING" => Self::Running,
            "COMPLETING" | "STAGE_OUT" => Self::Completing,
            "SUSPENDED" | "STOPPED" => Self::Suspended,
            "COMPLETED" => Self::Completed,
            "FAILED" | "BOOT_FAIL" | "LAUNCH_FAILED" => Self::Failed,
            "CANCELLED" | "REVOKED" => Self::Cancelled,
            "TIMEOUT" | "DEADLINE" => Self::TimedOut,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            "NODE_FAIL" => Self::NodeFailed,
            "PREEMPTED" => Self::Preempted,
            _ => Self::Other,
        }
    }

    /// Whether the job has ended with something going wrong in it or around it.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::TimedOut | Self::OutOfMemory | Self::NodeFailed
        )
    }
}

impl fmt::Display for QueueState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completing => "completing",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "out of time",
            Self::OutOfMemory => "out of memory",
            Self::NodeFailed => "node failed",
            Self::Preempted => "preempted",
            Self::Other => "unknown",
        })
    }
}

/// A job in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueEntry {
    /// What it does.
    pub state: QueueState,
    /// Why it does not run, in Slurm's words; none if there is nothing to say.
    pub reason: Option<String>,
}

impl QueueEntry {
    /// Whether it runs, or will.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        match self.state {
            QueueState::Pending => self.reason.as_deref() != Some(NEVER),
            QueueState::Running
            | QueueState::Completing
            | QueueState::Suspended
            // Better not twice than twice.
            | QueueState::Other => true,
            _ => false,
        }
    }
}

/// The jobs that the queue knows; for some minutes also those that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue(BTreeMap<SlurmId, QueueEntry>);

impl Queue {
    /// What the queue says of a job.
    #[must_use]
    pub fn entry(&self, id: SlurmId) -> Option<&QueueEntry> {
        self.0.get(&id)
    }

    /// Whether a job runs, or will.
    #[must_use]
    pub fn has(&self, id: SlurmId) -> bool {
        self.entry(id).is_some_and(QueueEntry::is_alive)
    }

    /// Reads what `squeue --array --format="%i|%T|%r|%j"` prints, as far as the names of the jobs
    /// begin with `name`: another cluster may have given the numbers to somebody else's jobs.
    ///
    /// # Errors
    /// If a line is not of that form.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, SlurmError> {
        let mut entries = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let not_understood = || SlurmError::NotUnderstood {
                program: "squeue",
                said: line.to_owned(),
                expected: "a job's number, state, reason and name",
            };
            let parts: Vec<&str> = line.trim().splitn(4, '|').collect();
            let [id, state, reason, found] = parts[..] else {
                return Err(not_understood());
            };
            if !found.starts_with(name) {
                continue;
            }
            let is_said = !matches!(reason, "" | "None" | "(null)");
            let entry = QueueEntry {
                state: QueueState::named(state),
                reason: is_said.then(|| reason.to_owned()),
            };
            entries.insert(id.parse().map_err(|_| not_understood())?, entry);
        }
        Ok(Self(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_read() {
        let text = "12_0|RUNNING|None|n-a\n12_1|PENDING|Resources|n-a\n\
                    13|PENDING|DependencyNeverSatisfied|n-b\n14|TIMEOUT|TimeLimit|n-b\n\
                    15|NEWSTATE|None|n-b\n16|RUNNING|None|of another|n-b\n";
        let queue = Queue::parse(text, "n-").unwrap();
        let running = queue.entry(SlurmId::task(12, 0)).unwrap();
        assert_eq!(
            (running.state, &running.reason),
            (QueueState::Running, &None)
        );
        let waiting = queue.entry(SlurmId::task(12, 1)).unwrap();
        assert_eq!(waiting.reason.as_deref(), Some("Resources"));
        let alive: Vec<bool> = [
            (12, Some(0)),
            (12, Some(1)),
            (13, None),
            (14, None),
            (15, None),
        ]
        .map(|(job, task)| queue.has(SlurmId { job, task }))
        .to_vec();
        assert_eq!(alive, [true, true, false, false, true]);
        assert!(!queue.has(SlurmId::whole(12)));
        assert!(!queue.has(SlurmId::whole(16)));
        assert!(queue.entry(SlurmId::whole(14)).unwrap().state.is_failure());
        assert!(!waiting.state.is_failure());
    }

    #[test]
    fn what_is_no_queue_is_refused() {
        for text in ["slurm_load_jobs error", "12_[0-3]|PENDING|None|n", "12"] {
            assert!(Queue::parse(text, "").is_err(), "{text}");
        }
    }
}
