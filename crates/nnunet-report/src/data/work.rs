use serde::Serialize;

/// What a job took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobRecord {
    /// Its name, e.g. `train-2d-0`.
    pub job: String,
    /// How far it is.
    pub state: String,
    /// When it was begun for the last time, for people.
    pub begun: Option<String>,
    /// How long the last attempt took.
    pub seconds: Option<f64>,
    /// How often it was begun; `None` if it was not done as a job.
    pub attempts: Option<u32>,
    /// Bytes of memory that a training step needs at least.
    pub memory_bytes: Option<u64>,
}
