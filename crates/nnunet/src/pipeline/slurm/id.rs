//! Numbers that Slurm gives to jobs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A job in Slurm's queue, or one task of an array: `4711`, `4711_3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlurmId {
    /// Number of the job, of the whole array if it is one.
    pub job: u32,
    /// Index in the array.
    pub task: Option<u32>,
}

impl SlurmId {
    /// A job that is no array, or a whole array.
    #[must_use]
    pub const fn whole(job: u32) -> Self {
        Self { job, task: None }
    }

    /// A task of an array.
    #[must_use]
    pub const fn task(job: u32, task: u32) -> Self {
        let task = Some(task);
        Self { job, task }
    }
}

impl fmt::Display for SlurmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            None => self.job.fmt(f),
            Some(task) => write!(f, "{}_{task}", self.job),
        }
    }
}

/// A text that is no number of a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of a Slurm job: expected one like 4711 or 4711_3")]
pub struct NoSlurmId(pub String);

impl FromStr for SlurmId {
    type Err = NoSlurmId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str| {
            digits
                .parse::<u32>()
                .map_err(|_| NoSlurmId(text.to_owned()))
        };
        match text.split_once('_') {
            None => Ok(Self::whole(number(text)?)),
            Some((job, task)) => Ok(Self::task(number(job)?, number(task)?)),
        }
    }
}

impl TryFrom<String> for SlurmId {
    type Error = NoSlurmId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SlurmId> for String {
    fn from(id: SlurmId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for id in [SlurmId::whole(4711), SlurmId::task(4711, 3)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "x", "12_", "_3", "12_[0-4]", "-1", "12_3_4"] {
            assert_eq!(text.parse::<SlurmId>(), Err(NoSlurmId(text.to_owned())));
        }
    }
}
