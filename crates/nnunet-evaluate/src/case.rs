use indexmap::IndexMap;
use ndarray::ArrayView3;
use nnunet_image::LabelMap;
use nnunet_schema::summary::ClassMetrics;

use crate::{Classes, Confusion, EvaluateError, Overlap};

/// A label map and the truth about it, of the same shape.
#[derive(Clone, Copy, Debug)]
pub struct LabelPair<'a> {
    /// The truth.
    pub reference: &'a LabelMap,
    /// What the model says.
    pub prediction: &'a LabelMap,
}

/// The overlap of one pair of label maps, for each of `classes` in their order.
///
/// # Errors
/// [`EvaluateError::Shapes`] if the maps differ in shape, [`EvaluateError::UnexpectedLabel`] if
/// one of them holds a label that the dataset does not have.
pub fn overlaps(pair: LabelPair<'_>, classes: &Classes) -> Result<Vec<Overlap>, EvaluateError> {
    let (reference, prediction) = (pair.reference, pair.prediction);
    if reference.shape() != prediction.shape() {
        return Err(EvaluateError::Shapes {
            reference: reference.shape(),
            prediction: prediction.shape(),
        });
    }
    let mut confusion = Confusion::new(classes);
    count(
        &mut confusion,
        reference.labels.view(),
        prediction.labels.view(),
    )?;
    Ok(confusion.overlaps(classes))
}

/// The metrics of one pair of label maps, keyed as in `summary.json`.
///
/// # Errors
/// As [`overlaps`].
pub fn evaluate_case(
    pair: LabelPair<'_>,
    classes: &Classes,
) -> Result<IndexMap<String, ClassMetrics>, EvaluateError> {
    let overlaps = overlaps(pair, classes)?;
    Ok((classes.classes().iter())
        .zip(overlaps)
        .map(|(class, overlap)| (class.key().to_owned(), overlap.into()))
        .collect())
}

/// Adds the voxels of two maps of the same shape.
pub(crate) fn count(
    confusion: &mut Confusion,
    reference: ArrayView3<'_, i16>,
    prediction: ArrayView3<'_, i16>,
) -> Result<(), EvaluateError> {
    // A copy only where an array is not in C order, which readers never return.
    let (reference, prediction) = (
        reference.as_standard_layout(),
        prediction.as_standard_layout(),
    );
    match (reference.as_slice(), prediction.as_slice()) {
        (Some(reference), Some(prediction)) => confusion.count(reference, prediction),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use nnunet_image::Geometry;
    use nnunet_schema::Spacing;
    use proptest::prelude::*;

    use super::*;
    use crate::classes::tests::classes;

    fn map(labels: Array3<i16>) -> LabelMap {
        LabelMap {
            labels,
            geometry: Geometry::axis_aligned(Spacing::ISOTROPIC_1MM),
        }
    }

    #[test]
    fn maps_in_another_memory_order_count_the_same() {
        let labels = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| ((z + 2 * y + x) % 3) as i16);
        let other = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| ((z * y * x) % 3) as i16);
        let turned = labels.t().as_standard_layout().into_owned().reversed_axes();
        assert!(!turned.is_standard_layout());
        let classes = classes(r#"{"background": 0, "a": 1, "b": 2}"#, "");
        let (a, b, c) = (map(labels), map(turned), map(other));
        let evaluate = |reference| {
            let pair = LabelPair {
                reference,
                prediction: &c,
            };
            evaluate_case(pair, &classes).unwrap()
        };
        assert_eq!(evaluate(&a), evaluate(&b));
        assert_eq!(evaluate(&a).keys().collect::<Vec<_>>(), ["1", "2"]);
    }

    proptest! {
        #[test]
        fn dice_is_symmetric_and_does_not_depend_on_the_order_of_axes(
            labels in proptest::collection::vec((0_i16..3, 0_i16..3), 60)
        ) {
            let (a, b): (Vec<i16>, Vec<i16>) = labels.into_iter().unzip();
            let [a, b] = [a, b].map(|v| Array3::from_shape_vec((3, 4, 5), v).unwrap());
            let classes = classes(r#"{"background": 0, "a": 1, "b": 2}"#, "");
            let dice = |a: &Array3<i16>, b: &Array3<i16>| {
                let (a, b) = (map(a.clone()), map(b.clone()));
                let overlaps = overlaps(LabelPair { reference: &a, prediction: &b }, &classes);
                overlaps.unwrap().iter().map(|o| o.dice().to_bits()).collect::<Vec<_>>()
            };
            let turned = |map: &Array3<i16>| map.view().permuted_axes([2, 0, 1]).to_owned();
            prop_assert_eq!(dice(&a, &b), dice(&b, &a));
            prop_assert_eq!(dice(&a, &b), dice(&turned(&a), &turned(&b)));
        }
    }

    #[test]
    fn different_shapes_are_refused() {
        let (a, b) = (map(Array3::zeros((1, 2, 6))), map(Array3::zeros((1, 3, 4))));
        let pair = LabelPair {
            reference: &a,
            prediction: &b,
        };
        let classes = classes(r#"{"background": 0, "a": 1}"#, "");
        let error = evaluate_case(pair, &classes).unwrap_err().to_string();
        assert!(
            error.contains("1×3×4") && error.contains("1×2×6"),
            "{error}"
        );
    }
}
