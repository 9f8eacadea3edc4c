use std::collections::BTreeMap;

use indexmap::IndexMap;
use nnunet_image::CropBox;

use super::contour::contour;
use super::{SurfaceMetrics, check_tolerance, flat_axes};
use crate::boxes::{around_both, inside, label_boxes};
use crate::{Class, Classes, EvaluateError, LabelPair};

/// What counts as near enough.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfaceOptions {
    /// The tolerance of the Normalized Surface Dice, in millimetres. It should be what two
    /// readers differ by.
    pub tolerance_mm: f64,
    /// Other tolerances for some classes, by their key in `summary.json`.
    pub class_tolerances_mm: BTreeMap<String, f64>,
}

impl Default for SurfaceOptions {
    /// One millimetre for every class.
    fn default() -> Self {
        Self {
            tolerance_mm: 1.0,
            class_tolerances_mm: BTreeMap::new(),
        }
    }
}

impl SurfaceOptions {
    pub(super) fn tolerance(&self, class: &Class) -> f64 {
        let own = self.class_tolerances_mm.get(class.key());
        own.copied().unwrap_or(self.tolerance_mm)
    }

    /// Every tolerance is usable, and is for a class that exists.
    pub(super) fn check(&self, classes: &Classes) -> Result<(), EvaluateError> {
        check_tolerance(self.tolerance_mm)?;
        let keys: Vec<&str> = classes.classes().iter().map(Class::key).collect();
        for (key, tolerance) in &self.class_tolerances_mm {
            check_tolerance(*tolerance)?;
            if !keys.contains(&key.as_str()) {
                return Err(EvaluateError::UnknownClass {
                    asked: key.clone(),
                    known: keys.join(", "),
                });
            }
        }
        Ok(())
    }
}

/// The surface metrics of one pair of label maps, keyed as in `summary.json`. Distances use the
/// spacing of the reference. Voxels of the ignore label of the reference belong to no class.
///
/// # Errors
/// [`EvaluateError::Shapes`] if the maps differ in shape; [`EvaluateError::Tolerance`] and
/// [`EvaluateError::UnknownClass`] if the options cannot be meant.
pub fn case_surfaces(
    pair: LabelPair<'_>,
    classes: &Classes,
    options: &SurfaceOptions,
) -> Result<IndexMap<String, SurfaceMetrics>, EvaluateError> {
    let (reference, prediction) = (pair.reference, pair.prediction);
    if reference.shape() != prediction.shape() {
        return Err(EvaluateError::Shapes {
            reference: reference.shape(),
            prediction: prediction.shape(),
        });
    }
    options.check(classes)?;
    let maps = [&reference.labels, &prediction.labels];
    let boxes = maps.map(|labels| label_boxes(labels.view()));
    let flat = flat_axes(reference.shape());
    let metrics = |class: &Class| {
        let around = |boxes: &BTreeMap<i16, CropBox>| {
            (boxes.iter())
                .filter(|(label, _)| is_member(class, **label))
                .map(|(_, bounds)| *bounds)
                .reduce(around_both)
        };
        let Some(bounds) = boxes.iter().filter_map(around).reduce(around_both) else {
            return SurfaceMetrics::without_surfaces(true);
        };
        let truth = inside(reference.labels.view(), bounds);
        let ignored = truth.mapv(|label| classes.ignore().is_some_and(|i| equal(i, label)));
        let masks = maps.map(|labels| {
            let mut mask = inside(labels.view(), bounds).mapv(|label| is_member(class, label));
            if classes.ignore().is_some() {
                mask.zip_mut_with(&ignored, |voxel, ignored| *voxel &= !ignored);
            }
            mask
        });
        let empty = masks.each_ref().map(|mask| !mask.iter().any(|v| *v));
        if empty != [false, false] {
            return SurfaceMetrics::without_surfaces(empty == [true, true]);
        }
        let surfaces = masks.map(|mask| contour(mask.view(), flat));
        let spacing = reference.geometry.spacing;
        SurfaceMetrics::between(&surfaces, spacing, options.tolerance(class))
    };
    Ok((classes.classes().iter())
        .map(|class| (class.key().to_owned(), metrics(class)))
        .collect())
}

fn is_member(class: &Class, label: i16) -> bool {
    class.members().iter().any(|member| equal(*member, label))
}

fn equal(known: u16, label: i16) -> bool {
    i32::from(known) == i32::from(label)
}
