//! Where the labels of a map lie.

use std::collections::BTreeMap;

use ndarray::{ArrayView3, Axis, Slice};
use nnunet_image::CropBox;

use crate::rows::{for_each_row, for_each_run};

/// The smallest box that holds both.
pub(crate) fn around_both(a: CropBox, b: CropBox) -> CropBox {
    let (low, high) = (a.low(), a.high());
    let (other_low, other_high) = (b.low(), b.high());
    let low = std::array::from_fn(|axis| low[axis].min(other_low[axis]));
    let high = std::array::from_fn(|axis| high[axis].max(other_high[axis]));
    // Boxes are never empty, so that the one around them is not either.
    CropBox::between(low, high).unwrap_or(a)
}

/// The box around each label that the map holds.
pub(crate) fn label_boxes(labels: ArrayView3<'_, i16>) -> BTreeMap<i16, CropBox> {
    let mut boxes: BTreeMap<i16, CropBox> = BTreeMap::new();
    for_each_row(labels, |[z, y], row| {
        for_each_run(row, |range, label| {
            if let Some(run) = CropBox::between([z, y, range.start], [z + 1, y + 1, range.end]) {
                let known = boxes.entry(label).or_insert(run);
                *known = around_both(*known, run);
            }
        });
    });
    boxes
}

/// The voxels of a view inside the box, which lies in it.
pub(crate) fn inside<T>(view: ArrayView3<'_, T>, bounds: CropBox) -> ArrayView3<'_, T> {
    let (low, high) = (bounds.low(), bounds.high());
    (0..3).fold(view, |view, axis| {
        let mut view = view;
        view.slice_axis_inplace(Axis(axis), Slice::from(low[axis]..high[axis]));
        view
    })
}
