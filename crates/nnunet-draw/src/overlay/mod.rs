//! Pictures of label maps on the image: what a segmentation looks like, at a glance.
//!
//! [`draw`] puts panels side by side: a slice of the image, the same with the reference, the same
//! with the prediction; below them the names of the labels and the Dice of each. The slice is the
//! one that shows most of the foreground, lies as a radiologist would look at it, and has the
//! proportions of the patient rather than of the voxel grid. [`draw_stack`] makes layers of all slices
//! for a reader who scrolls through them.

pub(crate) mod legend;
pub(crate) mod panel;
mod slice;
mod stack;

use nnunet_image::{Image, LabelMap};
use nnunet_schema::{DatasetDescription, Shape};

use crate::DrawError;
use crate::picture::{Colour, Picture};
use legend::Legend;
use panel::Panel;
pub use slice::percentiles;
use slice::{Plane, best_slice, window};
pub use stack::{Stack, StackOptions, StackSlice, draw_stack};

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// The image.
    pub image: &'a Image,
    /// The truth, of the same shape; gets a panel if it is there.
    pub reference: Option<&'a LabelMap>,
    /// What a model says, of the same shape; gets a panel if it is there.
    pub prediction: Option<&'a LabelMap>,
    /// The labels to draw, with their names; others are left out. See [`label_names`].
    pub labels: &'a [(i16, String)],
}

/// How to draw it.
#[derive(Clone, Debug, PartialEq)]
pub struct OverlayOptions {
    /// The channel of the image that is shown.
    pub channel: usize,
    /// The axis that is sliced: 0, 1 or 2 for z, y, x. By default the one with the coarsest
    /// spacing, along which the slices look best, and z if all are about equal.
    pub axis: Option<usize>,
    /// The slice. By default the one that shows most of the foreground.
    pub slice: Option<usize>,
    /// Pixels along the shorter side of a panel, at least, as long as the longer one stays within
    /// three times as many; slices with more voxels get one pixel per voxel, up to 1024.
    pub panel_pixels: usize,
    /// Percentiles of the slice's voxels (those that are not 0) that become black and white.
    pub window: [f64; 2],
    /// How much of the label's colour covers its inside, from 0 (outline only) to 1.
    pub fill: f64,
}

impl Default for OverlayOptions {
    fn default() -> Self {
        Self {
            channel: 0,
            axis: None,
            slice: None,
            panel_pixels: 288,
            window: [0.5, 99.5],
            fill: 0.3,
        }
    }
}

/// The labels of a dataset with their names, as a predicted label map holds them: for regions
/// the name of the region that is written as the label.
///
/// # Errors
/// [`DrawError::Schema`] if the labels of the description contradict each other.
pub fn label_names(description: &DatasetDescription) -> Result<Vec<(i16, String)>, DrawError> {
    let scheme = description.label_scheme()?;
    Ok((scheme.output_values().iter())
        .zip(scheme.names())
        .filter_map(|(label, name)| Some((i16::try_from(*label).ok()?, name.clone())))
        .collect())
}

pub(crate) const BACKGROUND: Colour = [18, 19, 22];
pub(crate) const TEXT: Colour = [225, 227, 232];
/// Pixels between and around panels.
pub(crate) const GAP: usize = 10;
/// Pixels per dot of the letters.
const LETTERS: usize = 2;
/// Height of a line of text with the space around it.
const LINE: usize = 7 * LETTERS + 10;
/// Largest side of a panel that is drawn for the sake of the voxels alone.
const LARGEST_PANEL: usize = 1024;

/// Draws the panels.
///
/// # Errors
/// [`DrawError::Arguments`] if the maps don't have the image's shape, if the channel, the axis
/// or the slice does not exist, or if the image is empty.
pub fn draw(overlay: &Overlay<'_>, options: &OverlayOptions) -> Result<Picture, DrawError> {
    let plane = choose_plane(overlay, options)?;
    let channel = overlay
        .image
        .data
        .index_axis(ndarray::Axis(0), options.channel);
    let image = plane.cut(channel);
    let grey = window(image.view(), options.window);
    let [height, width] = panel_size(image.dim(), plane.spacing(), options.panel_pixels);

    let panels: Vec<(&str, Option<&LabelMap>)> = [("image", None)]
        .into_iter()
        .chain([
            ("reference", overlay.reference),
            ("prediction", overlay.prediction),
        ])
        .filter(|(name, map)| *name == "image" || map.is_some())
        .collect();
    let full_width = panels.len() * (width + GAP) + GAP;
    let legend = Legend::new(overlay, full_width);
    let full_height = LINE + height + legend.height() + GAP;
    let mut picture = Picture::new(full_width, full_height, BACKGROUND);

    for (i, (name, map)) in panels.into_iter().enumerate() {
        let corner = [LINE, GAP + i * (width + GAP)];
        picture.text([LINE / 4, corner[1]], name, LETTERS, TEXT);
        let labels = map.map(|map| plane.cut(map.labels.view()));
        let panel = Panel {
            corner,
            size: [height, width],
            grey: grey.view(),
            labels: labels.as_ref().map(|labels| labels.view()),
            names: overlay.labels,
            fill: options.fill.clamp(0.0, 1.0),
        };
        panel.draw(&mut picture);
    }
    legend.draw(&mut picture, LINE + height + GAP / 2);
    Ok(picture)
}

fn choose_plane(overlay: &Overlay<'_>, options: &OverlayOptions) -> Result<Plane, DrawError> {
    let problem = |problem: String| DrawError::Arguments { problem };
    let shape = overlay.image.shape();
    if shape.volume() == 0 {
        return Err(problem(format!("the image has {shape} voxels")));
    }
    if options.channel >= overlay.image.channels() {
        return Err(problem(format!(
            "channel {} was asked for, the image has {} (counted from 0)",
            options.channel,
            overlay.image.channels()
        )));
    }
    for map in [overlay.reference, overlay.prediction]
        .into_iter()
        .flatten()
    {
        if map.shape() != shape {
            return Err(problem(format!(
                "a label map has {} voxels, the image has {shape}",
                map.shape()
            )));
        }
    }
    let geometry = &overlay.image.geometry;
    let axis = options
        .axis
        .unwrap_or_else(|| slice::coarsest_axis(geometry.spacing));
    if axis > 2 {
        return Err(problem(format!(
            "axis {axis} was asked for, there are 0, 1 and 2"
        )));
    }
    let index = match options.slice {
        Some(index) => index,
        None => chosen_slice(overlay, axis, shape),
    };
    if index >= shape[axis] {
        return Err(problem(format!(
            "slice {index} of axis {axis} was asked for, there are {} (counted from 0)",
            shape[axis]
        )));
    }
    Ok(Plane::new(axis, index, geometry))
}

fn chosen_slice(overlay: &Overlay<'_>, axis: usize, shape: Shape) -> usize {
    let labels: Vec<i16> = overlay.labels.iter().map(|(label, _)| *label).collect();
    [overlay.reference, overlay.prediction]
        .into_iter()
        .flatten()
        .find_map(|map| best_slice(map.labels.view(), axis, &labels))
        .unwrap_or(shape[axis] / 2)
}

/// Height and width of a panel in pixels, in the proportions of the patient.
fn panel_size((ny, nx): (usize, usize), [dy, dx]: [f64; 2], wanted: usize) -> [usize; 2] {
    let extent = [ny as f64 * dy, nx as f64 * dx];
    let (shorter, longer) = (extent[0].min(extent[1]), extent[0].max(extent[1]));
    let wanted = wanted.clamp(16, LARGEST_PANEL) as f64;
    let readable = (wanted / shorter).min(3.0 * wanted / longer);
    let every_voxel = ny.max(nx).min(LARGEST_PANEL) as f64 / longer;
    let scale = readable.max(every_voxel);
    // A sliver of a slice still gets a few pixels.
    extent.map(|mm| ((mm * scale).round() as usize).max(16))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4};
    use nnunet_image::Geometry;
    use nnunet_schema::Spacing;

    use super::*;
    use crate::palette::colour;

    fn case() -> (Image, LabelMap, LabelMap) {
        let geometry = Geometry::axis_aligned(Spacing::new([3.0, 1.0, 2.0]).unwrap());
        let data = Array4::from_shape_fn((1, 4, 20, 20), |(_, z, y, x)| (z + y + x) as f32);
        let mut reference = Array3::zeros((4, 20, 20));
        let mut prediction = reference.clone();
        for i in 5..12 {
            reference[[2, i, i]] = 1;
            prediction[[2, i, i + 1]] = 2;
        }
        let map = |labels| LabelMap { labels, geometry };
        (Image { data, geometry }, map(reference), map(prediction))
    }

    fn names() -> Vec<(i16, String)> {
        vec![(1, "left".to_owned()), (2, "right".to_owned())]
    }

    #[test]
    fn panels_have_the_proportions_of_the_patient() {
        assert_eq!(panel_size((20, 20), [1.0, 2.0], 160), [160, 320]);
        assert_eq!(panel_size((600, 500), [1.0, 1.0], 160), [600, 500]);
        assert_eq!(panel_size((1, 4000), [1.0, 1.0], 160), [16, 1024]);
        assert_eq!(panel_size((10, 60), [1.0, 1.0], 160), [80, 480]);
    }

    #[test]
    fn a_region_has_the_name_of_the_label_it_is_written_as() {
        let description: DatasetDescription = serde_json::from_value(serde_json::json!({
            "channel_names": {"0": "MRI"}, "numTraining": 2, "file_ending": ".nii.gz",
            "labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3},
            "regions_class_order": [2, 1]
        }))
        .unwrap();
        let found = label_names(&description).unwrap();
        assert_eq!(found, [(2, "whole".to_owned()), (1, "core".to_owned())]);
    }

    #[test]
    fn every_map_gets_a_panel_and_every_label_its_colour() {
        let (image, reference, prediction) = case();
        let names = names();
        let overlay = Overlay {
            image: &image,
            reference: Some(&reference),
            prediction: Some(&prediction),
            labels: &names,
        };
        let options = OverlayOptions {
            panel_pixels: 160,
            ..OverlayOptions::default()
        };
        let picture = draw(&overlay, &options).unwrap();
        assert_eq!(picture.width(), 3 * 330 + 10);
        let panel = |i: usize| {
            let columns = i * 330..(i + 1) * 330;
            let pixels = (LINE..LINE + 160).flat_map(|y| columns.clone().map(move |x| [y, x]));
            let colours: Vec<_> = pixels.filter_map(|at| picture.get(at)).collect();
            [colour(0), colour(1)].map(|c| colours.contains(&c))
        };
        assert_eq!(panel(0), [false, false]);
        assert_eq!(panel(1), [true, false]);
        assert_eq!(panel(2), [false, true]);
    }

    #[test]
    fn what_is_not_there_cannot_be_drawn() {
        let (image, reference, _) = case();
        let overlay = Overlay {
            image: &image,
            reference: Some(&reference),
            prediction: None,
            labels: &[],
        };
        let bad = [
            OverlayOptions {
                channel: 1,
                ..OverlayOptions::default()
            },
            OverlayOptions {
                axis: Some(3),
                ..OverlayOptions::default()
            },
            OverlayOptions {
                slice: Some(4),
                ..OverlayOptions::default()
            },
        ];
        for options in bad {
            assert!(matches!(
                draw(&overlay, &options),
                Err(DrawError::Arguments { .. })
            ));
        }
        let mut other = reference.clone();
        other.labels = Array3::zeros((1, 2, 3));
        let overlay = Overlay {
            prediction: Some(&other),
            ..overlay
        };
        assert!(draw(&overlay, &OverlayOptions::default()).is_err());
    }
}
