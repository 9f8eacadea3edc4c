//! From an anatomy to voxels: labels by the centre of the voxel, intensities with soft edges,
//! textures, a bias field and noise.

use ndarray::{Array3, Array4, ArrayViewMut3};
use nnunet_image::{Geometry, Image, LabelMap};
use nnunet_schema::Spacing;

use crate::anatomy::{Anatomy, Tissue};
use crate::random::{Purpose, Stream, Vector};
use crate::{Contrast, Noise, Phantom, PhantomConfig, PhantomError};

/// Width of the soft edge between tissues, mm.
const EDGE: f64 = 1.2;

/// The darkest signal inside the body, which textures and bias field don't go below: a voxel of
/// the body must not look like the background.
const DARKEST: f64 = 0.05;

/// Spacings and positions are multiples of this (mm), which 32-bit headers hold exactly.
const GRID: f64 = 1.0 / 128.0;

/// The voxel grid of one case.
#[derive(Clone, Copy, Debug)]
struct Frame {
    shape: [usize; 3],
    spacing: Vector,
    /// Half axes of the body, mm.
    body: Vector,
    origin: Vector,
}

impl Frame {
    fn draw(config: &PhantomConfig, case: u64) -> Self {
        let mut stream = Stream::new(config.seed, case, 0, Purpose::Frame);
        let on_grid = |mm: f64| (mm / GRID).round().max(1.0) * GRID;
        let in_plane = on_grid(stream.within(config.in_plane_spacing));
        let through = on_grid(stream.within(config.slice_spacing));
        let spacing = [through, in_plane, in_plane];
        let wanted = [
            stream.within(config.body_half_height),
            stream.within(config.body_radius),
            stream.within(config.body_radius),
        ];
        let limits = [
            config.slices,
            config.in_plane_voxels,
            config.in_plane_voxels,
        ];
        let shape: [usize; 3] = [0, 1, 2].map(|a| {
            let [fewest, most] = limits[a];
            let margin = stream.within([1.0, 4.0]);
            let voxels = 2.0 * wanted[a] / spacing[a] + 2.0 * margin;
            (voxels.round() as usize).clamp(fewest, most)
        });
        let body = [0, 1, 2].map(|a| wanted[a].min((shape[a] as f64 - 2.0) * spacing[a] / 2.0));
        let origin = [0, 1, 2].map(|_| (100.0 * stream.signed() / GRID).round() * GRID);
        Self {
            shape,
            spacing,
            body,
            origin,
        }
    }

    /// Millimetres from the centre of the image.
    fn point(&self, voxel: [usize; 3]) -> Vector {
        [0, 1, 2].map(|a| {
            let centre = (self.shape[a] as f64 - 1.0) / 2.0;
            (voxel[a] as f64 - centre) * self.spacing[a]
        })
    }

    /// From −1 to 1 along each axis.
    fn relative(&self, voxel: [usize; 3]) -> Vector {
        [0, 1, 2].map(|a| 2.0 * (voxel[a] as f64 + 0.5) / self.shape[a] as f64 - 1.0)
    }

    fn geometry(&self) -> Result<Geometry, PhantomError> {
        let [z, y, x] = self.origin;
        Ok(Geometry {
            origin: [x, y, z],
            ..Geometry::axis_aligned(Spacing::new(self.spacing)?)
        })
    }
}

/// The phantom of one case; `config` has been checked.
pub(crate) fn render(config: &PhantomConfig, case: u64) -> Result<Phantom, PhantomError> {
    let frame = Frame::draw(config, case);
    let anatomy = Anatomy::draw(config, case, frame.body);
    let [nz, ny, nx] = frame.shape;

    let mut labels = Array3::zeros(frame.shape);
    let mut data = Array4::zeros((config.contrast.channels(), nz, ny, nx));
    for ((z, y, x), label) in labels.indexed_iter_mut() {
        let p = anatomy.body_point(frame.point([z, y, x]));
        let depth = anatomy.body_depth(p);
        if depth <= 0.0 {
            continue;
        }
        let layers = anatomy.layers(p, depth);
        let front = layers.iter().rev().find(|(_, depth)| *depth > 0.0);
        *label = front.map_or(0, |(tissue, _)| tissue.label());
        for (channel, mut volume) in data.outer_iter_mut().enumerate() {
            let signal = signal(config, &anatomy, &layers, channel, p);
            volume[[z, y, x]] = signal.max(DARKEST) as f32;
        }
    }
    for (channel, volume) in data.outer_iter_mut().enumerate() {
        acquire(config, case, channel, &frame, volume);
    }
    let geometry = frame.geometry()?;
    Ok(Phantom {
        image: Image { data, geometry },
        labels: LabelMap { labels, geometry },
    })
}

/// The noiseless signal at a point of the body, tissue being 1.
fn signal(
    config: &PhantomConfig,
    anatomy: &Anatomy,
    layers: &[(Tissue, f64)],
    channel: usize,
    p: Vector,
) -> f64 {
    let textured = |tissue| {
        brightness(config.contrast, channel, tissue) + config.texture * anatomy.texture(tissue, p)
    };
    (layers.iter()).fold(textured(Tissue::Body), |behind, (tissue, depth)| {
        let share = (depth / EDGE + 0.5).clamp(0.0, 1.0);
        if share == 0.0 {
            return behind;
        }
        behind * (1.0 - share) + textured(*tissue) * share
    })
}

/// The mean intensity of a tissue in a channel.
const fn brightness(contrast: Contrast, channel: usize, tissue: Tissue) -> f64 {
    let [body, rim, distractor, organ, lesion, vessel] = match (contrast, channel) {
        // The distractor is as bright as the organ, the rim nearly.
        (Contrast::Single, _) => [1.0, 1.4, 1.55, 1.55, 0.55, 2.1],
        // Organ and distractor stand out, vessel and lesion do not …
        (Contrast::Complementary, 0) => [1.0, 1.3, 1.55, 1.55, 0.95, 1.05],
        // … and the other way round.
        (Contrast::Complementary, _) => [1.0, 0.7, 1.0, 1.05, 1.5, 1.8],
    };
    match tissue {
        Tissue::Body => body,
        Tissue::Rim => rim,
        Tissue::Distractor => distractor,
        Tissue::Organ => organ,
        Tissue::Lesion => lesion,
        Tissue::Vessel => vessel,
    }
}

/// What the scanner makes of the signal: bias field, noise, an arbitrary scale, whole numbers.
/// Voxels outside the body stay 0, and those inside never become 0.
fn acquire(
    config: &PhantomConfig,
    case: u64,
    channel: usize,
    frame: &Frame,
    mut volume: ArrayViewMut3<'_, f32>,
) {
    let mut stream = Stream::new(config.seed, case, channel, Purpose::Noise);
    let gain = stream.within([180.0, 320.0]);
    // Linear and quadratic in each axis; the six terms together reach at most `bias`.
    let weights: [f64; 6] = std::array::from_fn(|_| config.bias * stream.signed() / 3.0);
    for ((z, y, x), value) in volume.indexed_iter_mut() {
        if *value == 0.0 {
            continue;
        }
        let at = frame.relative([z, y, x]);
        let bias: f64 = (0..3)
            .map(|a| weights[a] * at[a] + weights[a + 3] * (at[a] * at[a] - 0.5))
            .sum();
        let signal = f64::from(*value) * (1.0 + bias);
        let noisy = match config.noise {
            Noise::Gaussian => signal + config.noise_level * stream.normal(),
            Noise::Rician => {
                let real = signal + config.noise_level * stream.normal();
                let imaginary = config.noise_level * stream.normal();
                (real * real + imaginary * imaginary).sqrt()
            }
        };
        *value = (noisy * gain).round().max(1.0) as f32;
    }
}
