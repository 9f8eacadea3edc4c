//! From the transforms of a NIfTI header to a [`Geometry`] and back.

use nifti::NiftiHeader;
use nnunet_schema::{SchemaError, Spacing};

use crate::Geometry;
use crate::formats::directions::{
    Axes, IDENTITY, Matrix, column, determinant, direction, norm, ras_to_lps,
};

/// Where the voxels lie. `planar` says that the file has two axes only.
pub(super) fn geometry(raw: &NiftiHeader, planar: bool) -> Result<Geometry, SchemaError> {
    let millimetres = unit(raw);
    let (axes, origin) = sform(raw)
        .filter(|(axes, _)| direction(axes, planar).is_some())
        .or_else(|| qform(raw))
        .unwrap_or((IDENTITY, [0.0; 3]));
    let [_, x, y, z, ..] = raw.pixdim.map(f64::from);
    let edge = |axis: usize, pixdim: f64| {
        let length = norm(column(&axes, axis));
        let fallback = if length > 0.0 { length } else { 1.0 };
        let usable = pixdim.is_finite() && pixdim != 0.0;
        millimetres * if usable { pixdim.abs() } else { fallback }
    };
    let (x, y, z) = (edge(0, x), edge(1, y), edge(2, z));
    let spacing = if planar {
        Geometry::planar_spacing(y, x)?
    } else {
        Spacing::new([z, y, x])?
    };
    let mut axes = direction(&axes, planar).unwrap_or(Axes::WORLD);
    let mut origin = origin.map(|v| v * millimetres);
    ras_to_lps(&mut axes.direction, &mut origin);
    Ok(Geometry {
        spacing,
        origin,
        direction: axes.direction,
        skew: axes.skew,
    })
}

/// Sets all fields of the header that say where the voxels lie: `pixdim`, qform and sform.
pub(super) fn describe(geometry: &Geometry, raw: &mut NiftiHeader) {
    const SCANNER: i16 = 1;
    const MILLIMETRES: u8 = 2;
    let (mut axes, mut origin) = (geometry.direction, geometry.origin);
    ras_to_lps(&mut axes, &mut origin);
    let [mut z, y, x] = geometry.spacing.mm();
    if geometry.is_planar() {
        z = 1.0;
    }
    let handedness = if determinant(&axes) < 0.0 { -1.0 } else { 1.0 };
    raw.pixdim = [handedness, x, y, z, 1.0, 1.0, 1.0, 1.0].map(|v| v as f32);
    raw.xyzt_units = MILLIMETRES;

    let rows = [0, 1, 2].map(|r| {
        let [a, b, c] = axes[r];
        [a * x, b * y, c * z, origin[r]].map(|v| v as f32)
    });
    [raw.srow_x, raw.srow_y, raw.srow_z] = rows;
    raw.sform_code = SCANNER;

    for row in &mut axes {
        row[2] *= handedness;
    }
    let [b, c, d] = quaternion(&axes);
    [raw.quatern_b, raw.quatern_c, raw.quatern_d] = [b, c, d].map(|v| v as f32);
    [raw.quatern_x, raw.quatern_y, raw.quatern_z] = origin.map(|v| v as f32);
    raw.qform_code = SCANNER;
}

/// Millimetres per unit of the header.
fn unit(raw: &NiftiHeader) -> f64 {
    match raw.xyzt_units & 7 {
        1 => 1e3,
        3 => 1e-3,
        _ => 1.0,
    }
}

/// The axes (as columns, scaled) and the origin that the sform says, if it is set and finite.
fn sform(raw: &NiftiHeader) -> Option<(Matrix, [f64; 3])> {
    let rows = [raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(f64::from));
    let finite = rows.iter().flatten().all(|v| v.is_finite());
    (raw.sform_code > 0 && finite).then(|| {
        (
            rows.map(|[a, b, c, _]| [a, b, c]),
            rows.map(|[_, _, _, t]| t),
        )
    })
}

/// The axes (as columns, unit length) and the origin that the qform says, if it is set and finite.
fn qform(raw: &NiftiHeader) -> Option<(Matrix, [f64; 3])> {
    let [b, c, d] = [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from);
    let origin = [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(f64::from);
    let vector = b * b + c * c + d * d;
    let finite = vector.is_finite() && origin.iter().all(|v| v.is_finite());
    if raw.qform_code <= 0 || !finite {
        return None;
    }
    // Rounding may leave a vector part a little longer than 1: then the real part is 0.
    let (a, scale) = if vector > 1.0 {
        (0.0, vector.sqrt().recip())
    } else {
        ((1.0 - vector).sqrt(), 1.0)
    };
    let [b, c, d] = [b * scale, c * scale, d * scale];
    let flip = if raw.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let axes = [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c) * flip,
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b) * flip,
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            (a * a + d * d - b * b - c * c) * flip,
        ],
    ];
    Some((axes, origin))
}

/// The vector part of the unit quaternion of a rotation, with a real part that is not negative.
fn quaternion(r: &Matrix) -> [f64; 3] {
    let trace = r[0][0] + r[1][1] + r[2][2];
    // Divide by the largest of the four parts, which is at least 1/2.
    let [a, b, c, d] = if trace > 0.0 {
        let a = 0.5 * (1.0 + trace).sqrt();
        let f = 0.25 / a;
        [
            a,
            f * (r[2][1] - r[1][2]),
            f * (r[0][2] - r[2][0]),
            f * (r[1][0] - r[0][1]),
        ]
    } else if r[0][0] >= r[1][1] && r[0][0] >= r[2][2] {
        let b = 0.5 * (1.0 + r[0][0] - r[1][1] - r[2][2]).sqrt();
        let f = 0.25 / b;
        [
            f * (r[2][1] - r[1][2]),
            b,
            f * (r[0][1] + r[1][0]),
            f * (r[0][2] + r[2][0]),
        ]
    } else if r[1][1] >= r[2][2] {
        let c = 0.5 * (1.0 - r[0][0] + r[1][1] - r[2][2]).sqrt();
        let f = 0.25 / c;
        [
            f * (r[0][2] - r[2][0]),
            f * (r[0][1] + r[1][0]),
            c,
            f * (r[1][2] + r[2][1]),
        ]
    } else {
        let d = 0.5 * (1.0 - r[0][0] - r[1][1] + r[2][2]).sqrt();
        let f = 0.25 / d;
        [
            f * (r[1][0] - r[0][1]),
            f * (r[0][2] + r[2][0]),
            f * (r[1][2] + r[2][1]),
            d,
        ]
    };
    if a < 0.0 { [-b, -c, -d] } else { [b, c, d] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::formats::directions::dot;

    use super::*;

    /// A rotation about `axis` by `angle`, mirrored if asked for.
    fn rotation(axis: [f64; 3], angle: f64, mirrored: bool) -> Matrix {
        let length = norm(axis);
        let [x, y, z] = axis.map(|v| v / length);
        let (s, c) = angle.sin_cos();
        let t = 1.0 - c;
        let flip = if mirrored { -1.0 } else { 1.0 };
        [
            [t * x * x + c, t * x * y - s * z, (t * x * z + s * y) * flip],
            [t * x * y + s * z, t * y * y + c, (t * y * z - s * x) * flip],
            [t * x * z - s * y, t * y * z + s * x, (t * z * z + c) * flip],
        ]
    }

    fn assert_close(a: &Geometry, b: &Geometry, tolerance: f64) {
        let numbers = |g: &Geometry| -> Vec<f64> {
            let direction = g.direction.into_iter().flatten();
            g.spacing
                .mm()
                .into_iter()
                .chain(g.origin)
                .chain(direction)
                .collect()
        };
        for (x, y) in numbers(a).into_iter().zip(numbers(b)) {
            assert!(
                (x - y).abs() <= tolerance * (1.0 + y.abs()),
                "{a:?} differs from {b:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn sform_and_qform_each_give_the_geometry_back(
            axis in [-1.0_f64..1.0, -1.0_f64..1.0, 0.1_f64..1.0],
            angle in -3.2_f64..3.2,
            mirrored: bool,
            spacing in [0.1_f64..10.0, 0.1_f64..10.0, 0.1_f64..10.0],
            origin in [-500.0_f64..500.0, -500.0_f64..500.0, -500.0_f64..500.0],
        ) {
            let wanted = Geometry {
                spacing: Spacing::new(spacing).unwrap(),
                origin,
                direction: rotation(axis, angle, mirrored),
                skew: 0.0,
            };
            let mut header = NiftiHeader::default();
            describe(&wanted, &mut header);
            assert_close(&geometry(&header, false).unwrap(), &wanted, 1e-6);
            // The real part of the quaternion is not stored: next to half a turn it is the root
            // of what 32 bits leave of the difference of two ones.
            header.sform_code = 0;
            assert_close(&geometry(&header, false).unwrap(), &wanted, 1e-3);
        }
    }

    #[test]
    fn without_transforms_the_axes_are_the_worlds() {
        let header = NiftiHeader {
            sform_code: 0,
            qform_code: 0,
            pixdim: [0.0, -2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            ..NiftiHeader::default()
        };
        let found = geometry(&header, false).unwrap();
        assert_eq!(found.spacing.mm(), [1.0, 3.0, 2.0]);
        assert_eq!(found.origin, [0.0; 3]);
        // RAS axes point against LPS axes.
        let wanted = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(found.direction, wanted);
    }

    #[test]
    fn a_flat_sform_gives_way_to_the_qform() {
        let header = NiftiHeader {
            srow_x: [1.0, 1.0, 0.0, 5.0],
            srow_y: [1.0, 1.0, 0.0, 5.0],
            srow_z: [0.0, 0.0, 1.0, 5.0],
            quatern_x: 7.0,
            ..NiftiHeader::default()
        };
        assert_eq!(geometry(&header, false).unwrap().origin, [-7.0, 0.0, 0.0]);
    }

    #[test]
    fn a_skewed_sform_is_straightened() {
        let header = NiftiHeader {
            srow_x: [1.0, 0.1, 0.0, 0.0],
            ..NiftiHeader::default()
        };
        let Geometry {
            direction: d, skew, ..
        } = geometry(&header, false).unwrap();
        assert!((skew - 0.1_f64.atan().to_degrees()).abs() < 1e-5, "{skew}");
        let dots = [(0, 1), (1, 2), (0, 2)].map(|(a, b)| dot(column(&d, a), column(&d, b)));
        assert!(dots.iter().all(|v| v.abs() < 1e-12), "{d:?}");
        assert!((norm(column(&d, 1)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn units_become_millimetres() {
        let header = NiftiHeader {
            xyzt_units: 3,
            pixdim: [1.0, 500.0, 500.0, 2000.0, 1.0, 1.0, 1.0, 1.0],
            srow_z: [0.0, 0.0, 2000.0, 1000.0],
            ..NiftiHeader::default()
        };
        let found = geometry(&header, false).unwrap();
        assert_eq!(found.spacing.mm(), [2.0, 0.5, 0.5]);
        assert_eq!(found.origin[2], 1.0);
    }
}
