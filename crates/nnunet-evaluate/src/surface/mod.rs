//! How far apart the surfaces of two masks are, in millimetres.
//!
//! The surface of a mask are its voxels that have a face neighbour outside it: the mask without
//! its erosion by the 6-neighbourhood, what lies beyond the volume counting as outside. Along an
//! axis of one slice there are no neighbours, so that a 2D mask has its outline for a surface.
//! This is the surface of MONAI and medpy, and the distances are between voxel centres; programs
//! that build a mesh measure somewhat less.

mod case;
mod contour;
mod folder;

use ndarray::{Array3, ArrayView3};
use nnunet_image::CropBox;
use nnunet_schema::{Shape, Spacing, python_json};
use serde::{Deserialize, Serialize};

pub use case::{SurfaceOptions, case_surfaces};
pub use folder::{CaseSurfaces, SurfaceMeans, SurfaceSummary, evaluate_surfaces};

use crate::EvaluateError;
use crate::boxes::{around_both, inside};
use crate::distance::squared_distance_to;

/// Distances equal to the tolerance are within it; this absorbs the rounding of sums of squares.
const ROUNDING_MM: f64 = 1e-9;

/// How far apart the surfaces of a reference and a prediction are.
///
/// | reference | prediction | distances | Normalized Surface Dice |
/// |---|---|---|---|
/// | empty | empty | NaN | NaN |
/// | empty | not empty | infinite | 0 |
/// | not empty | empty | infinite | 0 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceMetrics {
    /// The Hausdorff distance: the largest distance from a surface voxel of one mask to the
    /// surface of the other, mm.
    #[serde(with = "python_json::float")]
    pub hausdorff: f64,
    /// The 95th percentile in place of the maximum, the larger one of both directions, mm;
    /// linear interpolation between order statistics.
    #[serde(with = "python_json::float")]
    pub hausdorff_95: f64,
    /// The average symmetric surface distance: the mean over the surface voxels of both masks of
    /// the distance to the other surface, mm.
    #[serde(with = "python_json::float")]
    pub average_distance: f64,
    /// The Normalized Surface Dice: the share of the surface voxels of both masks that lie
    /// within the tolerance of the other surface, in \[0, 1\].
    #[serde(with = "python_json::float")]
    pub surface_dice: f64,
}

/// Compares the surfaces of two masks, `(z, y, x)`.
///
/// Only the box around both masks is looked at.
///
/// # Errors
/// [`EvaluateError::Shapes`] if the masks differ in shape, [`EvaluateError::Tolerance`] if the
/// tolerance (mm) is negative or not a number.
pub fn surface_metrics(
    reference: ArrayView3<'_, bool>,
    prediction: ArrayView3<'_, bool>,
    spacing: Spacing,
    tolerance_mm: f64,
) -> Result<SurfaceMetrics, EvaluateError> {
    let shape = |mask: ArrayView3<'_, bool>| Shape::new(mask.dim().into());
    if reference.dim() != prediction.dim() {
        return Err(EvaluateError::Shapes {
            reference: shape(reference),
            prediction: shape(prediction),
        });
    }
    check_tolerance(tolerance_mm)?;
    let boxes = [reference, prediction].map(CropBox::around);
    let [reference_box, prediction_box] = boxes;
    let (Some(a), Some(b)) = (reference_box, prediction_box) else {
        let empty = reference_box.is_none() && prediction_box.is_none();
        return Ok(SurfaceMetrics::without_surfaces(empty));
    };
    let bounds = around_both(a, b);
    let flat = flat_axes(shape(reference));
    let surfaces = [reference, prediction].map(|mask| contour::contour(inside(mask, bounds), flat));
    Ok(SurfaceMetrics::between(&surfaces, spacing, tolerance_mm))
}

/// The surface of a mask, `(z, y, x)`, as the metrics of this module see it.
#[must_use]
pub fn surface(mask: ArrayView3<'_, bool>) -> Array3<bool> {
    contour::contour(mask, flat_axes(Shape::new(mask.dim().into())))
}

fn flat_axes(shape: Shape) -> [bool; 3] {
    shape.voxels().map(|edge| edge == 1)
}

fn check_tolerance(tolerance_mm: f64) -> Result<(), EvaluateError> {
    if tolerance_mm >= 0.0 {
        return Ok(());
    }
    Err(EvaluateError::Tolerance {
        found: tolerance_mm,
    })
}

impl SurfaceMetrics {
    /// What there is to say where at least one mask is empty.
    fn without_surfaces(both_empty: bool) -> Self {
        let (distance, share) = if both_empty {
            (f64::NAN, f64::NAN)
        } else {
            (f64::INFINITY, 0.0)
        };
        Self {
            hausdorff: distance,
            hausdorff_95: distance,
            average_distance: distance,
            surface_dice: share,
        }
    }

    /// The metrics of two surfaces that are not empty.
    fn between(surfaces: &[Array3<bool>; 2], spacing: Spacing, tolerance_mm: f64) -> Self {
        let [reference, prediction] = surfaces;
        let forth = distances(prediction, reference, spacing);
        let back = distances(reference, prediction, spacing);
        let both = || forth.iter().chain(&back);
        let count = (forth.len() + back.len()) as f64;
        let near = both().filter(|d| **d <= tolerance_mm + ROUNDING_MM).count();
        Self {
            hausdorff: both().copied().fold(0.0, f64::max),
            hausdorff_95: percentile(&forth, 95.0).max(percentile(&back, 95.0)),
            average_distance: both().sum::<f64>() / count,
            surface_dice: near as f64 / count,
        }
    }
}

/// From each voxel of `from` to the nearest of `to`, ascending.
fn distances(from: &Array3<bool>, to: &Array3<bool>, spacing: Spacing) -> Vec<f64> {
    let squares = squared_distance_to::<f64>(to.view(), spacing);
    let mut distances: Vec<f64> = (from.iter().zip(&squares))
        .filter(|(on_surface, _)| **on_surface)
        .map(|(_, square)| square.sqrt())
        .collect();
    distances.sort_unstable_by(f64::total_cmp);
    distances
}

/// A percentile of ascending values, with linear interpolation; NaN of none.
pub(crate) fn percentile(ascending: &[f64], percent: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = last as f64 * percent / 100.0;
    let low = place.floor() as usize;
    let (a, b) = (ascending[low], ascending[(low + 1).min(last)]);
    let share = place - place.floor();
    if share < 0.5 {
        a + (b - a) * share
    } else {
        b - (b - a) * (1.0 - share)
    }
}

#[cfg(test)]
mod tests;
