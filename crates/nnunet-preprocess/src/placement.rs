//! Whether a case lies in space as it should.

use nnunet_image::{Geometry, LabelMap};

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
    if !labels.same_origin(image) {
        let (labels, image) = (labels.origin, image.origin);
        found.push(format!(
            "the origin {labels:?}, the image {image:?} (mm; x, y, z)"
        ));
    }
    if !labels.same_direction(image) {
        let (labels, image) = (labels.direction, image.direction);
        found.push(format!("the direction {labels:?}, the image {image:?}"));
    }
    (!found.is_empty()).then(|| format!("the label map has {}", found.join("; ")))
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
