use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use nnunet_image::Geometry;
use nnunet_schema::Spacing;

/// Percentiles of so many values are as good as those of more.
const ENOUGH_VALUES: usize = 1_000_000;

/// A slice of a volume and how it lies on the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    axis: usize,
    index: usize,
    /// Whether the rows of the screen are the second of the two axes that are left.
    swap: bool,
    /// Whether rows and columns run backwards.
    flip: [bool; 2],
    spacing: [f64; 2],
}

impl Plane {
    /// The slice as a radiologist looks at it: head or front up, the patient's left on the right.
    pub(super) fn new(axis: usize, index: usize, geometry: &Geometry) -> Self {
        let rest = match axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        let world = rest.map(|axis| world_axis(axis, geometry));
        // Height goes up before depth, and depth before width.
        let swap = world[1].0 > world[0].0;
        let order = if swap { [1, 0] } else { [0, 1] };
        let [row, column] = order.map(|i| world[i]);
        // World axes point to the left, the back and the head; rows run down the screen.
        let row_backwards = if row.0 == 2 { row.1 } else { !row.1 };
        Self {
            axis,
            index,
            swap,
            flip: [row_backwards, !column.1],
            spacing: order.map(|i| geometry.spacing[rest[i]]),
        }
    }

    /// The axis that is sliced.
    pub(super) const fn axis(&self) -> usize {
        self.axis
    }

    /// Spacing of rows and columns, mm.
    pub(super) const fn spacing(&self) -> [f64; 2] {
        self.spacing
    }

    /// The slice of a volume, as it lies on the screen.
    pub(super) fn cut<T: Clone>(&self, volume: ArrayView3<'_, T>) -> Array2<T> {
        let mut slice = volume.index_axis_move(Axis(self.axis), self.index);
        if self.swap {
            slice = slice.reversed_axes();
        }
        for (axis, flip) in self.flip.into_iter().enumerate() {
            if flip {
                slice.invert_axis(Axis(axis));
            }
        }
        slice.to_owned()
    }
}

/// The world axis (0 to the left, 1 to the back, 2 to the head) that an array axis mostly runs
/// along, and whether it runs that way rather than the opposite.
fn world_axis(axis: usize, geometry: &Geometry) -> (usize, bool) {
    let component = |world: usize| geometry.direction[world][2 - axis];
    let along = (1..3).fold(0, |best, world| {
        if component(world).abs() > component(best).abs() {
            world
        } else {
            best
        }
    });
    (along, component(along) >= 0.0)
}

/// The axis with the coarsest spacing; 0 unless another is clearly coarser.
pub(super) fn coarsest_axis(spacing: Spacing) -> usize {
    (1..3).fold(0, |best, axis| {
        if spacing[axis] > 1.5 * spacing[best] {
            axis
        } else {
            best
        }
    })
}

/// The slice that shows most: for each label the share that the slice has of what the label's
/// largest slice has, added up. `None` if there is none of the labels.
pub(super) fn best_slice(map: ArrayView3<'_, i16>, axis: usize, labels: &[i16]) -> Option<usize> {
    let slices = map.axis_iter(Axis(axis));
    let counts: Vec<Vec<usize>> = slices
        .map(|slice| {
            let mut counts = vec![0; labels.len()];
            for value in slice.iter().filter(|value| **value != 0) {
                let entry = labels.iter().position(|label| label == value);
                if let Some(count) = entry.and_then(|i| counts.get_mut(i)) {
                    *count += 1;
                }
            }
            counts
        })
        .collect();
    let largest = |i: usize| {
        counts
            .iter()
            .filter_map(|c| c.get(i))
            .max()
            .copied()
            .unwrap_or(0)
    };
    let largest: Vec<f64> = (0..labels.len())
        .map(|i| largest(i).max(1) as f64)
        .collect();
    let score = |counts: &[usize]| -> f64 {
        counts
            .iter()
            .zip(&largest)
            .map(|(n, most)| *n as f64 / most)
            .sum()
    };
    let mut best = None;
    for (index, counts) in counts.iter().enumerate() {
        let score = score(counts);
        if score > best.map_or(0.0, |(_, best)| best) {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

/// Dice of one label over the whole volume; NaN if neither map has it.
pub(super) fn dice(a: ArrayView3<'_, i16>, b: ArrayView3<'_, i16>, label: i16) -> f64 {
    let (mut both, mut sum) = (0_usize, 0_usize);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (*a == label, *b == label);
        both += usize::from(a && b);
        sum += usize::from(a) + usize::from(b);
    }
    2.0 * both as f64 / sum as f64
}

/// The slice with the two percentiles of its nonzero voxels at 0 and 1, clipped.
pub(super) fn window(slice: ArrayView2<'_, f32>, percentiles: [f64; 2]) -> Array2<f32> {
    Limits::of(slice.iter().copied(), percentiles).applied_to(slice)
}

/// The intensities that are black and white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    low: f32,
    high: f32,
}

impl Limits {
    /// Two percentiles of the values that are not 0.
    fn of(values: impl Iterator<Item = f32> + Clone, parts: [f64; 2]) -> Self {
        let [low, high] = percentiles(values.clone().filter(|v| *v != 0.0), parts);
        // Around a body of zeros, the darkest tissue must not be as black as the background.
        let empty_around = values.into_iter().any(|v| v == 0.0);
        let low = if low > 0.0 && empty_around {
            0.5 * low
        } else {
            low
        };
        Self { low, high }
    }

    /// The same of a whole volume; of a large one, of voxels spread evenly over it.
    pub(super) fn of_volume(volume: ArrayView3<'_, f32>, parts: [f64; 2]) -> Self {
        let step = volume.len().div_ceil(ENOUGH_VALUES).max(1);
        Self::of(volume.iter().copied().step_by(step), parts)
    }

    /// The slice with them at 0 and 1, clipped.
    pub(super) fn applied_to(self, slice: ArrayView2<'_, f32>) -> Array2<f32> {
        let width = (self.high - self.low).max(f32::MIN_POSITIVE);
        slice.mapv(|v| {
            let v = (v - self.low) / width;
            if v.is_nan() { 0.0 } else { v.clamp(0.0, 1.0) }
        })
    }
}

/// The values below which these parts of the finite ones lie (0 … 100, to the nearest value); 0 if
/// there is none.
#[must_use]
pub fn percentiles(values: impl IntoIterator<Item = f32>, parts: [f64; 2]) -> [f32; 2] {
    let mut values: Vec<f32> = values.into_iter().filter(|v| v.is_finite()).collect();
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    parts.map(|part| {
        let place = (last * part.clamp(0.0, 100.0) / 100.0).round() as usize;
        values.get(place).copied().unwrap_or(0.0)
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, arr2};

    use super::*;

    #[test]
    fn a_slice_with_every_label_is_better_than_a_full_one_of_a_single() {
        let mut map = Array3::zeros((3, 4, 4));
        map.index_axis_mut(Axis(0), 1).fill(1);
        map[[2, 0, 0]] = 2;
        for x in 0..3 {
            map[[2, 1, x]] = 1;
        }
        assert_eq!(best_slice(map.view(), 0, &[1, 2]), Some(2));
        assert_eq!(best_slice(map.view(), 0, &[1]), Some(1));
        assert_eq!(best_slice(map.view(), 0, &[5]), None);
    }

    #[test]
    fn the_patient_lies_upright() {
        let mut geometry = Geometry::axis_aligned(Spacing::ISOTROPIC_1MM);
        let volume = Array3::from_shape_fn((2, 2, 2), |(z, y, x)| 4 * z + 2 * y + x);
        let axial = Plane::new(0, 0, &geometry).cut(volume.view());
        assert_eq!(axial, arr2(&[[0, 1], [2, 3]]));
        // Coronal: the head (z = 1) is up.
        let coronal = Plane::new(1, 0, &geometry).cut(volume.view());
        assert_eq!(coronal, arr2(&[[4, 5], [0, 1]]));
        // An image stored to the right and the front, as most NIfTI files are.
        geometry.direction[0][0] = -1.0;
        geometry.direction[1][1] = -1.0;
        let axial = Plane::new(0, 0, &geometry).cut(volume.view());
        assert_eq!(axial, arr2(&[[3, 2], [1, 0]]));
    }

    #[test]
    fn an_image_stored_on_its_side_is_turned() {
        let mut geometry = Geometry::axis_aligned(Spacing::new([1.0, 2.0, 3.0]).unwrap());
        // File axis 0 runs to the back, file axis 1 to the left.
        geometry.direction = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let volume = Array3::from_shape_fn((1, 2, 3), |(_, y, x)| 3 * y + x);
        let plane = Plane::new(0, 0, &geometry);
        assert_eq!(plane.cut(volume.view()).dim(), (3, 2));
        assert_eq!(plane.spacing(), [3.0, 2.0]);
    }

    #[test]
    fn the_window_leaves_outliers_out_and_survives_flat_slices() {
        let mut slice = Array2::from_shape_fn((20, 20), |(y, x)| 100.0 + (y * 20 + x) as f32);
        slice[[0, 0]] = 1e9;
        let shown = window(slice.view(), [1.0, 99.0]);
        assert!(shown[[10, 0]] > 0.4 && shown[[10, 0]] < 0.6);
        let flat = window(Array2::from_elem((2, 2), 7.0).view(), [0.5, 99.5]);
        assert!(flat.iter().all(|v| v.is_finite()));
        let nan = window(Array2::from_elem((2, 2), f32::NAN).view(), [0.5, 99.5]);
        assert!(nan.iter().all(|v| *v == 0.0));
    }
}
