//! Single steps with explicit parameters against the reference (batchgeneratorsv2).

use std::path::PathBuf;

use ndarray::{Array3, Array4, Axis};
use ndarray_npy::read_npy;
use nnunet_augment::augmentation::{Interpolation, LabelVote, Polarity};
use nnunet_augment::transforms::{IntensityDraw, PatchMut, Scratch, SpatialDraw};
use nnunet_augment::{
    Crop, MemoryCase, PatchGeometry, downsample_labels, fill_patch, target_shape,
};
use nnunet_schema::Shape;

const PATCH: [usize; 3] = [16, 20, 18];

struct Goldens {
    folder: PathBuf,
    image: Array4<f32>,
    labels: Array3<i16>,
}

impl Goldens {
    fn open(test: &str) -> Option<Self> {
        let shared = std::env::var_os("NNUNET_SHARED").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
            PathBuf::from,
        );
        let folder = shared.join("fixtures/augment");
        if !folder.is_dir() {
            println!("skipped: {test} needs the shared fixtures");
            return None;
        }
        let labels: Array4<i16> = read_npy(folder.join("seg3d.npy")).unwrap();
        Some(Self {
            image: read_npy(folder.join("img3d.npy")).unwrap(),
            labels: labels.index_axis_move(Axis(0), 0),
            folder,
        })
    }

    fn image(&self, name: &str) -> Array4<f32> {
        read_npy(self.folder.join(format!("{name}__image.npy"))).unwrap()
    }

    fn labels(&self, name: &str) -> Array4<i16> {
        read_npy(self.folder.join(format!("{name}.npy"))).unwrap()
    }

    fn check_intensity(&self, name: &str, draw: &IntensityDraw) {
        let (_, z, y, x) = self.image.dim();
        let mut data: Vec<f32> = self.image.iter().copied().collect();
        let mut labels = vec![0; z * y * x];
        let mut patch = PatchMut::new([z, y, x], &mut data, &mut labels).unwrap();
        draw.apply(&mut patch, &mut Scratch::default());
        assert_close(name, &data, &self.image(name));
    }
}

/// To 10⁻⁴ of the range of what is expected.
fn assert_close(name: &str, found: &[f32], expected: &Array4<f32>) {
    let max = expected.iter().copied().fold(f32::MIN, f32::max);
    let min = expected.iter().copied().fold(f32::MAX, f32::min);
    assert_eq!(found.len(), expected.len(), "{name}");
    let worst = (found.iter().zip(expected))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    println!(
        "{name}: largest difference {worst:e} of a range of {}",
        max - min
    );
    assert!(worst <= 1e-4 * (max - min), "{name}: {worst}");
}

#[test]
fn spatial_steps_are_the_references() {
    let Some(goldens) = Goldens::open("spatial_steps_are_the_references") else {
        return;
    };
    let case = MemoryCase::new("golden", goldens.image.clone(), goldens.labels.clone()).unwrap();
    let crop = Crop {
        start: [0; 3],
        shape: Shape::new([24, 30, 28]),
    };
    for (name, angles, scale) in [
        ("spatial_none", [0.0; 3], 1.0),
        ("spatial_rot", [0.3, -0.2, 0.5], 1.0),
        ("spatial_scale", [0.0; 3], 0.75),
        ("spatial_scale_up", [0.0; 3], 1.35),
        ("spatial_rotscale", [-0.52, 0.52, 0.1], 1.2),
    ] {
        let draw = SpatialDraw {
            angles,
            scale,
            interpolation: Interpolation::Linear,
            labels: LabelVote::Most,
        };
        let draw = (name != "spatial_none").then_some(&draw);
        if draw.is_some() && goldens.image(name) == goldens.image("spatial_none") {
            // A recording without effect says nothing about rotation and scaling; those are
            // checked against their definition in `spatial.rs`.
            println!("skipped: {name}, whose golden is the plain centre crop");
            continue;
        }
        let volume: usize = PATCH.iter().product();
        let (mut data, mut labels) = (vec![9.0; 2 * volume], vec![9; volume]);
        let mut patch = PatchMut::new(PATCH, &mut data, &mut labels).unwrap();
        let geometry = PatchGeometry::Volume;
        fill_patch(
            &case,
            &crop,
            draw,
            geometry,
            &mut patch,
            &mut Scratch::default(),
        )
        .unwrap();
        assert_close(name, &data, &goldens.image(name));
        let expected = goldens.labels(&format!("{name}__seg"));
        let wrong = labels.iter().zip(&expected).filter(|(a, b)| a != b).count();
        println!("{name}: {wrong} of {volume} labels differ");
        assert_eq!(wrong, 0, "{name}: labels");
    }
}

#[test]
fn sampling_matrices_are_the_references() {
    let Some(goldens) = Goldens::open("sampling_matrices_are_the_references") else {
        return;
    };
    let text = std::fs::read_to_string(goldens.folder.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut compared = 0;
    for entry in index.as_array().unwrap() {
        let parameters = &entry["params"];
        let Ok(expected) = serde_json::from_value::<[[f64; 3]; 3]>(parameters["affine"].clone())
        else {
            continue;
        };
        let draw = SpatialDraw {
            angles: serde_json::from_value(parameters["angles"].clone()).unwrap(),
            scale: parameters["scales"][0].as_f64().unwrap(),
            interpolation: Interpolation::Linear,
            labels: LabelVote::Most,
        };
        let found = draw.matrix(PatchGeometry::Volume);
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-12, "{}", entry["name"]);
        }
        compared += 1;
    }
    assert_eq!(compared, 4);
}

#[test]
fn intensity_steps_are_the_references() {
    let Some(goldens) = Goldens::open("intensity_steps_are_the_references") else {
        return;
    };
    let gamma = |exponent, polarity| IntensityDraw::Gamma {
        exponents: vec![exponent; 2],
        polarity,
    };
    let low_resolution = |fractions| IntensityDraw::LowResolution {
        fractions: vec![Some(fractions); 2],
        upsampling: Interpolation::Linear,
    };
    let blur = |width| IntensityDraw::Blur {
        widths: vec![Some([width; 3]); 2],
    };
    let steps = [
        (
            "bright",
            IntensityDraw::Brightness {
                factors: vec![0.8; 2],
            },
        ),
        (
            "contrast",
            IntensityDraw::Contrast {
                factors: vec![1.2; 2],
            },
        ),
        ("gamma", gamma(1.4, Polarity::Plain)),
        ("gamma_invert", gamma(0.8, Polarity::Inverted)),
        ("blur07", blur(0.7)),
        ("blur10", blur(1.0)),
        ("lowres05", low_resolution([0.5; 3])),
        ("lowres073_ign0", low_resolution([1.0, 0.73, 0.73])),
    ];
    for (name, draw) in steps {
        goldens.check_intensity(name, &draw);
    }
}

#[test]
fn targets_are_the_references() {
    let Some(goldens) = Goldens::open("targets_are_the_references") else {
        return;
    };
    let from = Shape::new([24, 30, 28]);
    let labels: Vec<i16> = goldens.labels.iter().copied().collect();
    for (number, divisor) in [[1, 1, 1], [2, 2, 2], [4, 4, 4], [1, 2, 2]]
        .into_iter()
        .enumerate()
    {
        let expected = goldens.labels(&format!("ds_seg__s{number}"));
        let to = target_shape(from, divisor);
        let (_, z, y, x) = expected.dim();
        assert_eq!(to.voxels(), [z, y, x]);
        let mut found = Vec::new();
        downsample_labels(&labels, from, to, &mut found);
        assert!(found.iter().eq(expected.iter()), "output {number}");
    }
}
