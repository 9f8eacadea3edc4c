//! What one phantom consists of and where: drawn once, looked up for every voxel.

use crate::random::{Field, Purpose, Rotation, Stream, Vector, add, scale};
use crate::shapes::{Cuboid, Ellipsoid, Metaballs, Solid, Tube};
use crate::{LESION, ORGAN, PhantomConfig, VESSEL};

/// Everything in one phantom, in millimetres around the centre of the image.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    /// The pose of the body in the image.
    tilt: Rotation,
    body: Ellipsoid,
    /// Thickness of the bright rim under the surface of the body.
    rim: f64,
    organ: Ellipsoid,
    vessel: Tube,
    lesion: Metaballs,
    /// As bright as the organ, but a box with stripes, and background.
    distractor: Cuboid,
    tissue_texture: Field,
    organ_texture: Field,
    lesion_texture: Field,
}

/// A tissue of the phantom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tissue {
    Body,
    Rim,
    Distractor,
    Organ,
    Lesion,
    Vessel,
}

impl Tissue {
    /// The label that the tissue has in the label map.
    pub(crate) const fn label(self) -> i16 {
        match self {
            Self::Body | Self::Rim | Self::Distractor => 0,
            Self::Organ => ORGAN,
            Self::Lesion => LESION,
            Self::Vessel => VESSEL,
        }
    }
}

impl Anatomy {
    /// The anatomy of one case, in a body with these half axes `(z, y, x)` in mm.
    pub(crate) fn draw(config: &PhantomConfig, case: u64, radii: Vector) -> Self {
        let mut stream = Stream::new(config.seed, case, 0, Purpose::Anatomy);
        let stream = &mut stream;
        // Structures scale with the smallest half axis, so that they fit into every body.
        let size = radii.iter().copied().fold(f64::MAX, f64::min);
        let slots = slots(stream, radii);
        let [organ_at, lesion_at, box_at] = [0, 1, 2].map(|i| slots[i]);
        Self {
            tilt: stream.tilt(config.tilt),
            body: Ellipsoid {
                centre: [0.0; 3],
                pose: stream.tilt(0.0),
                radii: radii.map(|r| r * 0.93),
                dents: Field::new(stream.seed(), size),
                dent_depth: size * 0.06,
            },
            rim: size * stream.within([0.07, 0.12]),
            organ: organ(stream, organ_at, size),
            vessel: vessel(stream, radii, size),
            lesion: lesion(stream, lesion_at, size),
            distractor: Cuboid {
                centre: box_at,
                pose: stream.rotation(),
                halves: [
                    size * stream.within([0.32, 0.40]),
                    size * stream.within([0.22, 0.28]),
                    size * stream.within([0.20, 0.26]),
                ],
            },
            tissue_texture: Field::new(stream.seed(), size * 0.35),
            organ_texture: Field::new(stream.seed(), size * 0.25),
            lesion_texture: Field::new(stream.seed(), size * 0.11),
        }
    }

    /// The body's own coordinates of a point of the image.
    pub(crate) fn body_point(&self, p: Vector) -> Vector {
        self.tilt.apply(p)
    }

    /// How deep a point of the body lies under its surface, mm; negative outside.
    pub(crate) fn body_depth(&self, p: Vector) -> f64 {
        self.body.depth(p)
    }

    /// The structures at a point of the body, each with the depth of the point in it; later ones
    /// lie in front of earlier ones.
    pub(crate) fn layers(&self, p: Vector, body_depth: f64) -> [(Tissue, f64); 5] {
        [
            (Tissue::Rim, self.rim - body_depth),
            (Tissue::Distractor, self.distractor.depth(p)),
            (Tissue::Organ, self.organ.depth(p)),
            (Tissue::Lesion, self.lesion.depth(p)),
            (Tissue::Vessel, self.vessel.depth(p)),
        ]
    }

    /// The texture of a tissue at a point of the body: what is added to its intensity.
    pub(crate) fn texture(&self, tissue: Tissue, p: Vector) -> f64 {
        match tissue {
            Tissue::Body => 0.10 * self.tissue_texture.at(p),
            Tissue::Rim => 0.08 * self.tissue_texture.at(p),
            Tissue::Organ => 0.08 * self.organ_texture.at(p),
            Tissue::Lesion => 0.3 * self.lesion_texture.at(p),
            Tissue::Distractor => 0.45 * stripes(self.distractor.local(p)),
            Tissue::Vessel => 0.0,
        }
    }
}

/// Four places around the long axis of the body, a quarter turn apart, in random order.
fn slots(stream: &mut Stream, radii: Vector) -> [Vector; 4] {
    let [cos, sin] = stream.direction();
    let around = [[cos, sin], [-sin, cos], [-cos, -sin], [sin, -cos]];
    let order = stream.order();
    order.map(|i| {
        let [y, x] = around[i];
        let out = stream.within([0.46, 0.54]);
        let z = radii[0] * 0.3 * stream.signed();
        [z, radii[1] * out * y, radii[2] * out * x]
    })
}

fn organ(stream: &mut Stream, centre: Vector, size: f64) -> Ellipsoid {
    Ellipsoid {
        centre,
        pose: stream.rotation(),
        radii: [
            size * stream.within([0.44, 0.52]),
            size * stream.within([0.34, 0.42]),
            size * stream.within([0.30, 0.37]),
        ],
        dents: Field::new(stream.seed(), size * 0.3),
        dent_depth: size * 0.05,
    }
}

/// From the bottom of the body to its top, near the axis at the ends and bent in between.
fn vessel(stream: &mut Stream, radii: Vector, size: f64) -> Tube {
    let point = |stream: &mut Stream, height: f64, off: f64| -> Vector {
        let [cos, sin] = stream.direction();
        let off = off * size;
        [height * radii[0], off * cos, off * sin]
    };
    let control = [
        point(stream, -0.80, 0.18),
        point(stream, -0.30, 0.50),
        point(stream, 0.30, 0.50),
        point(stream, 0.80, 0.18),
    ];
    let thick = size * stream.within([0.15, 0.19]);
    Tube::along(control, [thick, thick * stream.within([0.7, 0.9])])
}

fn lesion(stream: &mut Stream, centre: Vector, size: f64) -> Metaballs {
    let balls = (0..5)
        .map(|i| {
            let spread = if i == 0 { 0.0 } else { size * 0.2 };
            let off = [stream.signed(), stream.signed(), stream.signed()];
            let reach = size * stream.within([0.32, 0.41]);
            (add(centre, scale(off, spread)), reach)
        })
        .collect();
    Metaballs { balls }
}

/// A wave between −1 and 1 along the longest edge of the box, 5.5 mm from crest to crest.
fn stripes(local: Vector) -> f64 {
    let phase = local[0] / 5.5;
    4.0 * (phase - phase.floor() - 0.5).abs() - 1.0
}
