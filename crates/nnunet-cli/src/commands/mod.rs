//! One file per command: what it asks of the pipeline, and what it shows.

pub(crate) mod compare;
pub(crate) mod convert_msd;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod ensemble;
pub(crate) mod evaluate;
pub(crate) mod experiment;
pub(crate) mod export_checkpoint;
pub(crate) mod export_model;
pub(crate) mod fingerprint;
pub(crate) mod install_model;
pub(crate) mod jobs;
pub(crate) mod manual;
pub(crate) mod model_info;
pub(crate) mod plan;
pub(crate) mod postprocess;
pub(crate) mod predict;
pub(crate) mod preprocess;
pub(crate) mod preview;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod select;
pub(crate) mod slurm;
pub(crate) mod split;
pub(crate) mod status;
pub(crate) mod train;
pub(crate) mod verify;

mod graph_end;
mod graph_request;
mod tables;
