//! The graph of jobs on a Slurm cluster.
//!
//! Each job of the graph becomes a Slurm job, the trainings of a configuration an array whose
//! index is the fold, and `--dependency=afterok` says what waits for what. A Slurm job runs
//! `nnunet run DATASET --job ID`, so that all that the graph promises holds there too: what is
//! done is not done twice, and what was interrupted goes on.
//!
//! The jobs may be requeued at any time. Some minutes before its time limit Slurm signals a job;
//! its script passes the signal on, the program writes a checkpoint and ends with code 75, and the
//! script puts the job back into the queue.
//!
//! What is submitted is decided by pure functions: [`Arrangement::of`] (which jobs, after which
//! others) and [`Script::render`] (what a script says). [`Slurm`] is the only thing that calls the
//! programs of Slurm.

mod arrange;
mod commands;
mod draft;
mod error;
mod id;
mod profile;
mod queue;
mod record;
mod script;
mod shell;
mod standing;
mod submit;
mod values;

pub use arrange::{After, Arrangement, Batch, BatchContent, Rest, Standing};
pub use commands::Slurm;
pub use draft::{Draft, OMP_THREADS, Program};
pub use error::SlurmError;
pub use id::{NoSlurmId, SlurmId};
pub use profile::{JobClass, Profile, Settings, SubmitFrom};
pub use queue::{Queue, QueueEntry, QueueState};
pub use record::{SubmissionRecord, Submitted, WorkDigest};
pub use script::{Script, Variable, Word};
pub use shell::quoted;
pub use submit::{Cluster, SubmissionPreview, SubmissionReport};
pub use values::{InvalidValue, Memory, Name, SbatchOption, ShellLine, TimeLimit};
