use indexmap::IndexMap;
use nnunet_image::FormatRegistry;
use nnunet_schema::{Progress, python_json};
use serde::{Deserialize, Serialize};

use super::{SurfaceMetrics, SurfaceOptions, case_surfaces};
use crate::{CasePair, Classes, EvaluateError};

/// The surface metrics of a set of predictions: a document beside `summary.json`, which has no
/// place for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceSummary {
    /// Tolerance of the Normalized Surface Dice in millimetres, per class.
    pub tolerance_mm: IndexMap<String, f64>,
    /// Per class the mean over the cases; keys as in `summary.json`.
    pub mean: IndexMap<String, SurfaceMeans>,
    /// Every case, in the order of the file names.
    pub cases: Vec<CaseSurfaces>,
}

/// The surface metrics of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseSurfaces {
    /// The case.
    pub case: String,
    /// Per class.
    pub metrics: IndexMap<String, SurfaceMetrics>,
}

/// Means over the cases. A case that neither map has the class in counts for nothing; one that
/// only one of them has it in has no finite distance, and is counted instead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceMeans {
    /// Mean Hausdorff distance where it is finite, mm.
    #[serde(with = "python_json::float")]
    pub hausdorff: f64,
    /// Mean 95th percentile where it is finite, mm.
    #[serde(with = "python_json::float")]
    pub hausdorff_95: f64,
    /// Mean average symmetric surface distance where it is finite, mm.
    #[serde(with = "python_json::float")]
    pub average_distance: f64,
    /// Mean Normalized Surface Dice, 0 where only one map has the class.
    #[serde(with = "python_json::float")]
    pub surface_dice: f64,
    /// Cases with finite distances.
    pub cases: usize,
    /// Cases in which only one of the maps has the class.
    pub one_sided: usize,
}

/// The surface metrics of all cases, in parallel in the rayon pool of the caller. Memory per
/// thread is two label maps and about twenty bytes per voxel of the box around the largest class.
///
/// # Errors
/// [`EvaluateError::Case`] if a file cannot be read or shapes differ, [`EvaluateError::Several`]
/// if that is so for more than one case; [`EvaluateError::Tolerance`] and
/// [`EvaluateError::UnknownClass`] before anything is read.
pub fn evaluate_surfaces(
    pairs: &[CasePair],
    classes: &Classes,
    options: &SurfaceOptions,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<SurfaceSummary, EvaluateError> {
    options.check(classes)?;
    let cases = CasePair::process(pairs, formats, progress, "surfaces", |case, pair| {
        Ok(CaseSurfaces {
            case: case.case.clone(),
            metrics: case_surfaces(pair, classes, options)?,
        })
    })?;
    let keys = || classes.classes().iter().map(|class| class.key().to_owned());
    let mean = |key: String| {
        let metrics = (cases.iter()).filter_map(|case| case.metrics.get(&key).copied());
        let means = SurfaceMeans::over(&metrics.collect::<Vec<_>>());
        (key, means)
    };
    Ok(SurfaceSummary {
        tolerance_mm: (classes.classes().iter())
            .map(|class| (class.key().to_owned(), options.tolerance(class)))
            .collect(),
        mean: keys().map(mean).collect(),
        cases,
    })
}

impl SurfaceMeans {
    fn over(cases: &[SurfaceMetrics]) -> Self {
        let finite: Vec<_> = (cases.iter())
            .filter(|case| case.hausdorff.is_finite())
            .collect();
        let mean = |of: fn(&SurfaceMetrics) -> f64| {
            let values: Vec<f64> = finite.iter().map(|case| of(case)).collect();
            crate::summarise::nan_mean(&values)
        };
        let shares: Vec<f64> = cases.iter().map(|case| case.surface_dice).collect();
        Self {
            hausdorff: mean(|case| case.hausdorff),
            hausdorff_95: mean(|case| case.hausdorff_95),
            average_distance: mean(|case| case.average_distance),
            surface_dice: crate::summarise::nan_mean(&shares),
            cases: finite.len(),
            one_sided: (cases.iter())
                .filter(|case| case.hausdorff.is_infinite())
                .count(),
        }
    }
}

impl SurfaceSummary {
    /// Reads the document.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] with the file and the place in it.
    pub fn load(path: &std::path::Path) -> Result<Self, EvaluateError> {
        Ok(python_json::load(path)?)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if it cannot be written.
    pub fn save(&self, path: &std::path::Path) -> Result<(), EvaluateError> {
        Ok(python_json::save(path, self)?)
    }
}
