//! What a patch's shape implies for augmentation.

use std::f64::consts::{FRAC_PI_2, PI};

use nnunet_schema::plans::Dimensionality;
use nnunet_schema::{Configuration, Shape};
use serde::{Deserialize, Serialize};

/// Longest to first edge above which a volume is augmented as a stack of slices.
const STACK_ANISOTROPY: f64 = 3.0;
/// Longest to shortest edge above which a slice is only rotated a little.
const SLICE_ANISOTROPY: f64 = 1.5;
/// Largest rotation of a volume about each axis.
const VOLUME_ANGLE: f64 = 30.0 * PI / 180.0;
/// Largest rotation of an elongated slice.
const LONG_SLICE_ANGLE: f64 = 15.0 * PI / 180.0;
/// The reference enlarges patches for a smallest scale of 0.85, although scales go down to 0.7.
const ENLARGEMENT_SCALE: f64 = 0.85;

/// In how many dimensions a patch is rotated and scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatchGeometry {
    /// One slice `(1, y, x)` of a 2D configuration.
    Slice,
    /// A volume whose slices are rotated and scaled in plane, all alike, because it is much
    /// longer than deep ("dummy 2D").
    Stack,
    /// A volume that is rotated and scaled in all three dimensions.
    Volume,
}

impl PatchGeometry {
    /// How nnU-Net v2 augments a patch `(z, y, x)` of a configuration of this dimensionality: as
    /// a [`Stack`](Self::Stack) if its longest edge is more than three times the first.
    #[must_use]
    pub fn infer(patch: Shape, dimensionality: Dimensionality) -> Self {
        let longest = patch.voxels().into_iter().max().unwrap_or(0) as f64;
        match dimensionality {
            Dimensionality::Two => Self::Slice,
            Dimensionality::Three if longest > STACK_ANISOTROPY * patch[0] as f64 => Self::Stack,
            Dimensionality::Three => Self::Volume,
        }
    }
}

/// Geometry of the augmentation of one patch size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AugmentationSetup {
    /// What the network is fed, `(z, y, x)`; one slice in 2D.
    pub patch: Shape,
    /// In how many dimensions it is rotated and scaled.
    pub geometry: PatchGeometry,
    /// Largest rotation in either direction, radians: about each axis for a volume, in plane
    /// otherwise.
    pub max_angle: f64,
    /// What is cropped from a case to fill the patch after rotation, `(z, y, x)`.
    pub initial_patch: Shape,
    /// The axes `(z, y, x)` that may be mirrored.
    pub mirror_axes: [bool; 3],
}

impl AugmentationSetup {
    /// The setup of a patch `(z, y, x)`.
    #[must_use]
    pub fn for_patch(patch: Shape, geometry: PatchGeometry) -> Self {
        let max_angle = match geometry {
            PatchGeometry::Volume => VOLUME_ANGLE,
            PatchGeometry::Stack => PI,
            PatchGeometry::Slice if is_elongated(patch) => LONG_SLICE_ANGLE,
            PatchGeometry::Slice => PI,
        };
        Self {
            patch,
            geometry,
            max_angle,
            initial_patch: initial_patch(patch, geometry, max_angle),
            mirror_axes: [geometry != PatchGeometry::Slice, true, true],
        }
    }

    /// The setup of a planned configuration. A plan that says whether slices are augmented one
    /// by one is obeyed; otherwise the patch decides.
    #[must_use]
    pub fn for_configuration(configuration: &Configuration) -> Self {
        let patch = configuration.patch_shape();
        let dimensionality = configuration.dimensionality();
        let geometry = match (dimensionality, configuration.dummy_2d_augmentation) {
            (Dimensionality::Three, Some(true)) => PatchGeometry::Stack,
            (Dimensionality::Three, Some(false)) => PatchGeometry::Volume,
            _ => PatchGeometry::infer(patch, dimensionality),
        };
        Self::for_patch(patch, geometry)
    }

    /// The mirrored axes as a checkpoint names them: counted from the first spatial axis of the
    /// network, so that the axes `(y, x)` of a slice are 0 and 1.
    #[must_use]
    pub fn network_mirror_axes(&self) -> Vec<usize> {
        let first = usize::from(self.geometry == PatchGeometry::Slice);
        (first..3)
            .filter(|axis| self.mirror_axes[*axis])
            .map(|axis| axis - first)
            .collect()
    }
}

fn is_elongated(patch: Shape) -> bool {
    let (longest, shortest) = (patch[1].max(patch[2]), patch[1].min(patch[2]));
    longest as f64 > SLICE_ANISOTROPY * shortest as f64
}

/// The smallest box that holds the patch rotated about any one axis, enlarged for scaling.
fn initial_patch(patch: Shape, geometry: PatchGeometry, max_angle: f64) -> Shape {
    let (sin, cos) = max_angle.min(FRAC_PI_2).sin_cos();
    let [z, y, x] = patch.voxels().map(|n| n as f64);
    let about_z = [z, y * cos + x * sin, -y * sin + x * cos];
    let about_y = [z * cos - x * sin, y, z * sin + x * cos];
    let about_x = [z * cos + y * sin, -z * sin + y * cos, x];
    let candidates: &[[f64; 3]] = match geometry {
        PatchGeometry::Slice => &[about_z, [z, y, x]],
        _ => &[about_z, about_y, about_x, [z, y, x]],
    };
    let mut edges = [0, 1, 2].map(|axis| {
        let longest = (candidates.iter())
            .map(|edges| edges[axis].abs())
            .fold(0.0, f64::max);
        (longest / ENLARGEMENT_SCALE) as usize
    });
    if geometry != PatchGeometry::Volume {
        edges[0] = patch[0];
    }
    Shape::new(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial(patch: [usize; 3], geometry: PatchGeometry) -> [usize; 3] {
        let setup = AugmentationSetup::for_patch(patch.into(), geometry);
        setup.initial_patch.voxels()
    }

    #[test]
    fn initial_patches_are_the_references() {
        use PatchGeometry::{Slice, Stack, Volume};
        assert_eq!(initial([128, 128, 128], Volume), [205, 205, 205]);
        assert_eq!(initial([40, 56, 40], Volume), [73, 80, 64]);
        assert_eq!(initial([80, 192, 160], Volume), [194, 289, 210]);
        assert_eq!(initial([112, 160, 128], Volume), [208, 238, 196]);
        assert_eq!(initial([20, 320, 256], Stack), [20, 376, 376]);
        assert_eq!(initial([1, 512, 512], Slice), [1, 602, 602]);
        assert_eq!(initial([1, 320, 192], Slice), [1, 422, 225]);
    }

    #[test]
    fn angles_follow_the_shape() {
        let angle = |patch: [usize; 3], geometry| {
            let setup = AugmentationSetup::for_patch(patch.into(), geometry);
            setup.max_angle.to_degrees().round()
        };
        assert_eq!(angle([1, 150, 100], PatchGeometry::Slice), 180.0);
        assert_eq!(angle([1, 151, 100], PatchGeometry::Slice), 15.0);
        assert_eq!(angle([64, 64, 64], PatchGeometry::Volume), 30.0);
        assert_eq!(angle([10, 64, 64], PatchGeometry::Stack), 180.0);
    }

    #[test]
    fn a_stack_is_more_than_three_times_longer_than_deep() {
        let infer = |patch: [usize; 3]| PatchGeometry::infer(patch.into(), Dimensionality::Three);
        assert_eq!(infer([20, 60, 40]), PatchGeometry::Volume);
        assert_eq!(infer([20, 61, 40]), PatchGeometry::Stack);
        // Only the first axis counts as depth.
        assert_eq!(infer([60, 19, 60]), PatchGeometry::Volume);
    }

    #[test]
    fn a_slice_is_mirrored_along_the_axes_that_its_network_has() {
        let axes = |patch: [usize; 3], geometry| {
            AugmentationSetup::for_patch(patch.into(), geometry).network_mirror_axes()
        };
        assert_eq!(axes([1, 64, 64], PatchGeometry::Slice), [0, 1]);
        assert_eq!(axes([64, 64, 64], PatchGeometry::Volume), [0, 1, 2]);
    }
}
