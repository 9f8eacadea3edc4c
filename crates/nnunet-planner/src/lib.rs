//! The heuristic rules of nnU-Net: from a dataset fingerprint and a hardware budget to complete
//! plans, which say how images are resampled and normalised, how the networks look, and with
//! which patches and batches they are trained.
//!
//! No arrays, no images, no torch: small enough to embed anywhere.
//!
//! ```
//! use nnunet_planner::{Budget, PlanOverrides, Planner, Rules};
//!
//! let fingerprint = serde_json::from_str(
//!     r#"{"shapes_after_crop": [[36, 50, 35], [38, 52, 34]],
//!         "spacings": [[1, 1, 1], [1, 1, 1]],
//!         "median_relative_size_after_cropping": 1.0,
//!         "foreground_intensity_properties_per_channel": {}}"#,
//! )?;
//! let dataset = serde_json::from_str(
//!     r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "hippocampus": 1},
//!         "numTraining": 2, "file_ending": ".nii.gz"}"#,
//! )?;
//! let (budget, overrides) = (Budget::default(), PlanOverrides::default());
//! let plans = Planner::new(Rules::paper())
//!     .plan(&fingerprint, &dataset, "Dataset004_Hippocampus", &budget, &overrides)?;
//! assert_eq!(plans.configuration("3d_fullres")?.patch_size, [40, 56, 40]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every constant is a named field of [`Rules`]; [`Planner::plan_with_searches`] also tells how
//! each configuration was found.
#![forbid(unsafe_code)]

mod assignment;
mod batch;
mod cascade;
mod check;
mod designer;
mod document;
pub mod draw;
mod error;
pub mod explain;
mod facts;
mod footprint;
mod memory;
mod normalization;
mod outcome;
mod overrides;
mod planner;
mod reader;
mod rules;
mod search;
mod statistics;
mod target;
mod topology;

pub use batch::{BatchDecision, BatchReason};
pub use check::{Finding, Severity, check};
pub use error::PlanError;
pub use explain::Explanation;
pub use footprint::{Footprint, Precision, footprint};
pub use memory::feature_map_values;
pub use nnunet_schema::plans::PlanOverrides;
pub use outcome::{ConfigurationSearch, LowresSearch, LowresStep, PlanOutcome, SearchStep};
pub use planner::Planner;
pub use rules::{
    BatchRounding, Budget, CaseCount, DimensionRules, Encoder, EstimateEnds, InitialPatch,
    LowresComparison, MaskRule, ResampledShapes, Rules, SliceSpacing, TopologyRule,
};
