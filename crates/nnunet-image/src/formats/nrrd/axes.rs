//! What the axes of a file are: space or channels, and where they point.

use super::header::Header;
use crate::formats::directions::{self, IDENTITY, Matrix, column, norm, ras_to_lps};
use crate::formats::source::unsupported;
use crate::formats::text_header::shown;
use crate::{Geometry, ImageError};

/// The axes of a file in its order, fastest first.
#[derive(Debug)]
pub(super) struct Axes {
    /// Lengths, slowest first, padded to four with ones at the slow end.
    pub(super) shape: [usize; 4],
    /// Which of these is the channel's, and which are z, y and x.
    pub(super) order: [usize; 4],
    /// The numbers of the axes in space among those of the header, fastest first: two or three.
    space: Vec<usize>,
}

impl Axes {
    pub(super) fn of(header: &Header) -> Result<Self, ImageError> {
        let sizes = header.sizes()?;
        let (channel, space) = sort(header, sizes.len())?;
        let mut shape = [1; 4];
        for (to, from) in shape.iter_mut().rev().zip(&sizes) {
            *to = *from;
        }
        // Axis n of the header is axis 3 - n of the shape; those that are missing are the first.
        let mut missing = 0..4 - sizes.len();
        let mut place = |axis: Option<&usize>| match axis {
            Some(axis) => 3 - axis,
            None => missing.next().unwrap_or(0),
        };
        let [x, y] = [space.first(), space.get(1)].map(&mut place);
        let z = place(space.get(2));
        let channel = place(channel.as_ref());
        Ok(Self {
            shape,
            order: [channel, z, y, x],
            space,
        })
    }

    /// Where the voxels lie.
    pub(super) fn geometry(&self, header: &Header) -> Result<Geometry, ImageError> {
        let mut axes: Matrix = IDENTITY;
        let mut spacing = [1.0; 3];
        let mut origin = [0.0; 3];
        if let Some(directions) = header.directions()? {
            for (i, axis) in self.space.iter().enumerate() {
                let vector = directions.get(*axis).and_then(Option::as_ref);
                for (row, value) in axes.iter_mut().zip(vector.into_iter().flatten()) {
                    row[i] = *value;
                }
                spacing[i] = norm(column(&axes, i));
            }
        } else if let Some(spacings) = header.spacings()? {
            for (to, axis) in spacing.iter_mut().zip(&self.space) {
                // NaN stands for "not known".
                let known = spacings.get(*axis).filter(|s| !s.is_nan());
                *to = known.copied().unwrap_or(1.0);
            }
        }
        for (to, from) in origin.iter_mut().zip(header.origin()?.unwrap_or_default()) {
            *to = from;
        }
        let space = header.fields.get(&["space"]).map(str::to_ascii_lowercase);
        match space.as_deref() {
            Some("right-anterior-superior" | "ras") => ras_to_lps(&mut axes, &mut origin),
            Some("left-anterior-superior" | "las") => {
                axes[1] = axes[1].map(|v| -v + 0.0);
                origin[1] = -origin[1] + 0.0;
            }
            _ => {}
        }
        directions::geometry(&axes, spacing, origin, self.space.len() == 2)
            .map_err(|error| header.fields.damaged(error.to_string()))
    }
}

/// The axis of the channels, if there is one, and those in space.
fn sort(header: &Header, axes: usize) -> Result<(Option<usize>, Vec<usize>), ImageError> {
    let mut is_channel = vec![false; axes];
    if let Some(kinds) = header.fields.get(&["kinds"]) {
        for (flag, kind) in is_channel.iter_mut().zip(kinds.split_whitespace()) {
            let kind = kind.to_ascii_lowercase();
            *flag = !matches!(
                kind.as_str(),
                "domain" | "space" | "time" | "none" | "???" | "unknown"
            );
        }
    }
    if let Some(directions) = header.directions()? {
        for (flag, direction) in is_channel.iter_mut().zip(directions) {
            *flag |= direction.is_none();
        }
    }
    if axes == 4 && !is_channel.contains(&true) {
        is_channel[3] = true;
    }
    let with = |flag: bool| -> Vec<usize> {
        let axes = is_channel.iter().enumerate();
        axes.filter(|(_, f)| **f == flag).map(|(i, _)| i).collect()
    };
    let (channels, space) = (with(true), with(false));
    if channels.len() > 1 || !(2..=3).contains(&space.len()) {
        let kinds = header.fields.get(&["kinds"]).unwrap_or("unknown");
        let problem = format!(
            "it has {axes} axes of the kinds `{}`: expected 2 or 3 in space and at most one of \
             channels",
            shown(kinds)
        );
        return Err(unsupported(header.fields.path(), problem));
    }
    Ok((channels.first().copied(), space))
}
