//! nnU-Net in Rust: given a folder of labelled biomedical images, designs a segmentation pipeline,
//! trains it, chooses the best configuration and segments new images.
//!
//! This crate only gathers: each stage is a crate of its own, re-exported here under a short name,
//! and [`pipeline`] runs the stages over the three root folders of nnU-Net.
#![forbid(unsafe_code)]

pub mod pipeline;

pub use nnunet_augment as augment;
pub use nnunet_draw as draw;
pub use nnunet_evaluate as evaluate;
pub use nnunet_fingerprint as fingerprint;
pub use nnunet_image as image;
pub use nnunet_infer as infer;
pub use nnunet_model as model;
pub use nnunet_phantom as phantom;
pub use nnunet_planner as planner;
pub use nnunet_preprocess as preprocess;
pub use nnunet_report as report;
pub use nnunet_schema as schema;
pub use nnunet_train as train;
