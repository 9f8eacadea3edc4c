//! All slices of a case as layers, for a reader who scrolls through them: intensities on their own,
//! label maps transparent around the labels, to be laid over them.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};

use super::panel::{on_outline, shown_labels};
use super::slice::{Limits, Plane};
use super::{Overlay, OverlayOptions, choose_plane, chosen_slice, panel_size};
use crate::DrawError;
use crate::encode::{encode_grey, encode_indexed};
use crate::palette::colour;

/// Slices below this edge are not made smaller for the sake of bytes; rather fewer are kept.
const SMALLEST_SIDE: usize = 96;
/// Fewer slices than these are not kept for the sake of bytes.
const FEWEST_SLICES: usize = 8;
/// Labels that a palette has room for, each with its inside and its outline.
const MOST_LABELS: usize = 127;

/// How a stack is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct StackOptions {
    /// Channel, axis, window and fill as in a single picture; the window is that of the whole case.
    pub overlay: OverlayOptions,
    /// Slices at most; of more of them every second, third, … is kept, also the one that shows most
    /// of the foreground.
    pub most_slices: usize,
    /// Pixels along the longer edge of the intensities at most; larger slices are averaged down.
    pub longest_side: usize,
    /// Bytes of all layers together that are aimed at: slices become smaller until they are 96
    /// pixels long, then fewer until 8 are left.
    pub most_bytes: usize,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            overlay: OverlayOptions::default(),
            most_slices: 64,
            longest_side: 256,
            most_bytes: 2_000_000,
        }
    }
}

/// The slices of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Height and width of a slice, millimetres. The layers have pixels of other proportions.
    pub extent_mm: [f64; 2],
    /// Slices of the case.
    pub slices_in_case: usize,
    /// Those that were kept, ascending.
    pub slices: Vec<StackSlice>,
    /// The place among them of the one that shows most of the foreground.
    pub best: usize,
}

/// The layers of a slice as PNG files, of which each is stretched to the size of the slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackSlice {
    /// Its number in the case, from 0.
    pub number: usize,
    /// Intensities.
    pub image: Vec<u8>,
    /// The reference, if there is one.
    pub reference: Option<Vec<u8>>,
    /// The prediction, if there is one.
    pub prediction: Option<Vec<u8>>,
}

impl Stack {
    /// Bytes of all layers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |layer: &Option<Vec<u8>>| layer.as_ref().map_or(0, Vec::len);
        (self.slices.iter())
            .map(|slice| slice.image.len() + of(&slice.reference) + of(&slice.prediction))
            .sum()
    }
}

/// Draws the slices of a case as layers.
///
/// # Errors
/// [`DrawError::Arguments`] as [`draw`](super::draw).
pub fn draw_stack(overlay: &Overlay<'_>, options: &StackOptions) -> Result<Stack, DrawError> {
    let painter = Painter::new(overlay, options)?;
    let mut side = options.longest_side.clamp(1, painter.longest_side());
    let mut count = options.most_slices.max(1);
    loop {
        let stack = painter.draw(side, count)?;
        let bytes = stack.bytes();
        if bytes <= options.most_bytes {
            return Ok(stack);
        }
        if side > SMALLEST_SIDE {
            let images: usize = stack.slices.iter().map(|slice| slice.image.len()).sum();
            let left = options.most_bytes.saturating_sub(bytes - images);
            // A little less than what the area says, as smaller pictures are more varied.
            let share = 0.9 * (left as f64 / images as f64).sqrt();
            side = ((side as f64 * share) as usize).max(SMALLEST_SIDE);
        } else if stack.slices.len() > FEWEST_SLICES {
            count = (stack.slices.len() / 2).max(FEWEST_SLICES);
        } else {
            return Ok(stack);
        }
    }
}

/// What all slices have in common.
#[derive(Debug)]
struct Painter<'a> {
    overlay: &'a Overlay<'a>,
    options: &'a OverlayOptions,
    axis: usize,
    slices: usize,
    best: usize,
    limits: Limits,
}

impl<'a> Painter<'a> {
    fn new(overlay: &'a Overlay<'a>, options: &'a StackOptions) -> Result<Self, DrawError> {
        let options = &options.overlay;
        let axis = choose_plane(overlay, options)?.axis();
        let shape = overlay.image.shape();
        let best = match options.slice {
            Some(slice) => slice,
            None => chosen_slice(overlay, axis, shape),
        };
        let channel = overlay.image.data.index_axis(Axis(0), options.channel);
        Ok(Self {
            overlay,
            options,
            axis,
            slices: shape[axis],
            best,
            limits: Limits::of_volume(channel, options.window),
        })
    }

    fn draw(&self, side: usize, count: usize) -> Result<Stack, DrawError> {
        let step = self.slices.div_ceil(count).max(1);
        let first = self.best % step;
        let numbers: Vec<usize> = (first..self.slices).step_by(step).collect();
        let slices = numbers.iter().map(|number| self.slice(*number, side));
        let plane = Plane::new(self.axis, self.best, &self.overlay.image.geometry);
        let [height, width] = plane.spacing();
        let (rows, columns) = plane.cut(self.channel()).dim();
        Ok(Stack {
            extent_mm: [rows as f64 * height, columns as f64 * width],
            slices_in_case: self.slices,
            slices: slices.collect::<Result<_, _>>()?,
            best: self.best / step,
        })
    }

    /// Voxels along the longer edge of a slice.
    fn longest_side(&self) -> usize {
        let shape = self.overlay.image.shape().voxels();
        let edges = (0..3).filter(|axis| *axis != self.axis);
        edges.map(|axis| shape[axis]).max().unwrap_or(1).max(1)
    }

    fn channel(&self) -> ArrayView3<'_, f32> {
        let data = &self.overlay.image.data;
        data.index_axis(Axis(0), self.options.channel)
    }

    fn slice(&self, number: usize, side: usize) -> Result<StackSlice, DrawError> {
        let plane = Plane::new(self.axis, number, &self.overlay.image.geometry);
        let grey = self.limits.applied_to(plane.cut(self.channel()).view());
        let size = panel_size(grey.dim(), plane.spacing(), self.options.panel_pixels);
        let layer = |map: Option<&nnunet_image::LabelMap>| {
            map.map(|map| {
                let labels = plane.cut(map.labels.view());
                self.labels(labels.view(), size)
            })
            .transpose()
        };
        Ok(StackSlice {
            number,
            image: encode_grey(&averaged(grey.view(), side))?,
            reference: layer(self.overlay.reference)?,
            prediction: layer(self.overlay.prediction)?,
        })
    }

    /// 0 where there is no label, then two colours per label: its inside and its outline.
    fn labels(&self, labels: ArrayView2<'_, i16>, size: [usize; 2]) -> Result<Vec<u8>, DrawError> {
        let shown = shown_labels(Some(labels), labels.dim(), self.overlay.labels, size);
        let pixels = Array2::from_shape_fn(shown.dim(), |(y, x)| match shown[[y, x]] {
            None => 0,
            Some(label) => {
                let outline = u8::from(on_outline(shown.view(), y, x));
                1 + 2 * (label % MOST_LABELS) as u8 + outline
            }
        });
        let inside = (255.0 * self.options.fill.clamp(0.0, 1.0)).round() as u8;
        let mut palette = vec![[0; 4]];
        for label in 0..self.overlay.labels.len().min(MOST_LABELS) {
            let [red, green, blue] = colour(label);
            palette.push([red, green, blue, inside]);
            palette.push([red, green, blue, 255]);
        }
        encode_indexed(&pixels, &palette)
    }
}

/// A slice of values from 0 to 1 as bytes, with at most `side` pixels along an edge: each is the
/// mean of the part of the slice that it covers.
fn averaged(slice: ArrayView2<'_, f32>, side: usize) -> Array2<u8> {
    let (rows, columns) = slice.dim();
    let longest = rows.max(columns);
    let reduced = |edge: usize| match longest > side {
        true => (edge * side / longest).max(1),
        false => edge,
    };
    let (height, width) = (reduced(rows), reduced(columns));
    let covered = |pixel: usize, pixels: usize, voxels: usize| {
        let start = pixel * voxels / pixels;
        start..((pixel + 1) * voxels / pixels).max(start + 1)
    };
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (ys, xs) = (covered(y, height, rows), covered(x, width, columns));
        let count = (ys.len() * xs.len()) as f32;
        let part = slice.slice_axis(Axis(0), ys.into());
        let sum = part.slice_axis(Axis(1), xs.into()).sum();
        (255.0 * sum / count).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4};
    use nnunet_image::{Geometry, Image, LabelMap};
    use nnunet_schema::Spacing;

    use super::*;

    /// A noisy image of 40 slices with a label that is largest in slice 31.
    fn case() -> (Image, LabelMap) {
        let geometry = Geometry::axis_aligned(Spacing::new([3.0, 1.0, 2.0]).unwrap());
        let data = Array4::from_shape_fn((1, 40, 120, 160), |(_, z, y, x)| {
            let mixed = (z * 120 + y) * 160 + x;
            let mixed = (mixed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 54) as f32
        });
        let mut labels = Array3::zeros((40, 120, 160));
        for (slice, width) in [(30, 5), (31, 9), (32, 5)] {
            for (y, x) in (50..60).flat_map(|y| (70..70 + width).map(move |x| (y, x))) {
                labels[[slice, y, x]] = 1;
            }
        }
        (Image { data, geometry }, LabelMap { labels, geometry })
    }

    fn stack(options: &StackOptions) -> Stack {
        let (image, map) = case();
        let overlay = Overlay {
            image: &image,
            reference: Some(&map),
            prediction: None,
            labels: &[(1, "a".to_owned())],
        };
        draw_stack(&overlay, options).unwrap()
    }

    fn decoded(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        (reader.info().width, reader.info().height, pixels)
    }

    #[test]
    fn every_slice_has_its_layers_and_the_best_one_is_known() {
        let stack = stack(&StackOptions::default());
        assert_eq!((stack.slices.len(), stack.slices_in_case), (40, 40));
        assert_eq!((stack.best, stack.slices[31].number), (31, 31));
        assert_eq!(stack.extent_mm, [120.0, 320.0]);
        let best = &stack.slices[31];
        let (width, height, _) = decoded(&best.image);
        assert_eq!((width, height), (160, 120));
        assert_eq!(best.prediction, None);
        // Proportions of the patient; seen through where there is no label.
        let (width, height, pixels) = decoded(best.reference.as_ref().unwrap());
        assert_eq!((width, height), (768, 288));
        let colours: std::collections::BTreeSet<&[u8]> = pixels.chunks(4).collect();
        let [red, green, blue] = colour(0);
        let expected: [&[u8]; 3] = [&[0; 4], &[red, green, blue, 77], &[red, green, blue, 255]];
        assert_eq!(colours.into_iter().collect::<Vec<_>>(), expected);
        let (_, _, pixels) = decoded(stack.slices[3].reference.as_ref().unwrap());
        assert!(pixels.iter().all(|value| *value == 0));
    }

    #[test]
    fn bytes_are_saved_by_smaller_and_then_by_fewer_slices() {
        let generous = stack(&StackOptions::default());
        let smaller = stack(&StackOptions {
            most_bytes: generous.bytes() * 6 / 10,
            ..StackOptions::default()
        });
        assert_eq!(smaller.slices.len(), 40);
        assert!(smaller.bytes() <= generous.bytes() * 6 / 10);
        let (width, _, _) = decoded(&smaller.slices[0].image);
        assert!((96..160).contains(&width), "{width}");

        let fewest = stack(&StackOptions {
            most_bytes: 1,
            ..StackOptions::default()
        });
        assert!(fewest.slices.len() <= 8, "{}", fewest.slices.len());
        assert_eq!(fewest.slices[fewest.best].number, 31);
        let some = stack(&StackOptions {
            most_slices: 15,
            ..StackOptions::default()
        });
        let numbers: Vec<usize> = some.slices.iter().map(|slice| slice.number).collect();
        assert_eq!(numbers[..3], [1, 4, 7]);
        assert_eq!(numbers[some.best], 31);
    }

    #[test]
    fn a_large_slice_is_averaged() {
        let slice = Array2::from_shape_fn((4, 8), |(y, _)| if y < 2 { 0.0 } else { 1.0 });
        let small = averaged(slice.view(), 2);
        assert_eq!(small.dim(), (1, 2));
        assert!(small.iter().all(|value| *value == 128));
        assert_eq!(averaged(slice.view(), 8).dim(), (4, 8));
    }
}
