//! Whether a case lies in space as it should.

use nnunet_image::{Geometry, LabelMap};

/// Largest distance of two origins, as a part of the finest spacing, that counts as rounding.
const ORIGIN_TOLERANCE: f64 = 0.01;
/// Largest difference of two directions that counts as rounding.
const DIRECTION_TOLERANCE: f64 = 1e-4;

/// What is odd about where an image and its labels lie, and what is done about it.
pub(crate) fn warnings(image: &Geometry, labels: Option<&LabelMap>) -> Vec<String> {
    let moved = labels.and_then(|labels| difference(image, &labels.geometry));
    let moved = moved.map(|difference| format!("{difference}; used voxel by voxel"));
    image.skew_warning().into_iter().chain(moved).collect()
}

/// How the geometry of the labels differs from that of the image, in words; `None` if it does
/// not. Labels are used voxel by voxel whatever their geometry says, as nnU-Net v2 does.
fn difference(image: &Geometry, labels: &Geometry) -> Option<String> {
    let mut found = Vec::new();
    if !labels.same_spacing(image) {
        let (labels, image) = (labels.spacing.mm(), image.spacing.mm());
        found.push(format!(
            "the spacing {labels:?}, the image {image:?} (mm; z, y, x)"
        ));
    }
    let finest = image.spacing.mm().into_iter().fold(f64::INFINITY, f64::min);
    if !close(&labels.origin, &image.origin, ORIGIN_TOLERANCE * finest) {
        let (labels, image) = (labels.origin, image.origin);
        found.push(format!(
            "the origin {labels:?}, the image {image:?} (mm; x, y, z)"
        ));
    }
    let directions = labels.direction.iter().zip(&image.direction);
    if !directions
        .into_iter()
        .all(|(a, b)| close(a, b, DIRECTION_TOLERANCE))
    {
        let (labels, image) = (labels.direction, image.direction);
        found.push(format!("the direction {labels:?}, the image {image:?}"));
    }
    (!found.is_empty()).then(|| format!("the label map has {}", found.join("; ")))
}

fn close(a: &[f64; 3], b: &[f64; 3], tolerance: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[cfg(test)]
mod tests {
    use nnunet_schema::Spacing;

    use super::*;

    #[test]
    fn rounding_is_no_difference_and_everything_else_is_named() {
        let image = Geometry::axis_aligned(Spacing::ISOTROPIC_1MM);
        let mut labels = image;
        labels.origin[2] = 0.001;
        assert_eq!(difference(&image, &labels), None);

        labels.origin[2] = -7.5;
        labels.spacing = Spacing::new([2.0, 1.0, 1.0]).unwrap();
        labels.direction[0] = [-1.0, 0.0, 0.0];
        let text = difference(&image, &labels).unwrap();
        for word in ["[2.0, 1.0, 1.0]", "-7.5", "[-1.0, 0.0, 0.0]"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
