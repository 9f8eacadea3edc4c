use super::Stroke;
use crate::picture::{Colour, Picture};

/// Half the width of a line, pixels.
const LINE_RADIUS: f64 = 1.0;
const DOT_RADIUS: f64 = 2.2;
/// Length of a dash and of a dash with its gap, pixels.
const DASH: f64 = 7.0;
const PERIOD: f64 = 12.0;

/// Draws a curve through points (row, column); where there is none, there is a gap.
pub(crate) fn draw(
    points: &[Option<[f64; 2]>],
    stroke: Stroke,
    colour: Colour,
    picture: &mut Picture,
) {
    if stroke == Stroke::Dots {
        for point in points.iter().flatten() {
            brush(*point, *point, DOT_RADIUS, colour, picture, |_| true);
        }
        return;
    }
    let mut along = 0.0;
    for pair in points.windows(2) {
        let [Some(from), Some(to)] = pair else {
            along = 0.0;
            continue;
        };
        let start = along;
        let is_drawn = |t: f64| stroke == Stroke::Line || (start + t) % PERIOD < DASH;
        brush(*from, *to, LINE_RADIUS, colour, picture, is_drawn);
        along += distance(*from, *to);
    }
    // A point between two gaps would not be seen.
    for (i, point) in points.iter().enumerate() {
        let neighbour =
            |j: Option<usize>| j.and_then(|j| points.get(j)).is_some_and(Option::is_some);
        if let Some(point) = point
            && !neighbour(i.checked_sub(1))
            && !neighbour(Some(i + 1))
        {
            brush(*point, *point, DOT_RADIUS, colour, picture, |_| true);
        }
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Paints everything within `radius` pixels of the line between two points (row, column), with
/// soft edges; a disc, if they are the same.
pub(crate) fn line(
    from: [f64; 2],
    to: [f64; 2],
    radius: f64,
    colour: Colour,
    picture: &mut Picture,
) {
    brush(from, to, radius, colour, picture, |_| true);
}

/// Paints everything within `radius` of a line where `is_drawn` says so of the distance from its
/// beginning, with soft edges.
fn brush(
    from: [f64; 2],
    to: [f64; 2],
    radius: f64,
    colour: Colour,
    picture: &mut Picture,
    is_drawn: impl Fn(f64) -> bool,
) {
    let reach = radius + 1.0;
    let bounds = |axis: usize, end: usize| {
        let low = (from[axis].min(to[axis]) - reach).floor().max(0.0) as usize;
        let high = (from[axis].max(to[axis]) + reach).ceil().max(0.0) as usize;
        low..(high + 1).min(end)
    };
    let length = distance(from, to);
    let direction = [0, 1].map(|axis| (to[axis] - from[axis]) / length.max(f64::MIN_POSITIVE));
    for y in bounds(0, picture.height()) {
        for x in bounds(1, picture.width()) {
            let here = [y as f64 + 0.5, x as f64 + 0.5];
            let along = (here[0] - from[0]) * direction[0] + (here[1] - from[1]) * direction[1];
            let along = along.clamp(0.0, length);
            if !is_drawn(along) {
                continue;
            }
            let nearest = [0, 1].map(|axis| from[axis] + along * direction[axis]);
            let cover = (radius + 0.5 - distance(here, nearest)).clamp(0.0, 1.0);
            if let Some(below) = picture.get([y, x])
                && cover > 0.0
            {
                let mixed = [0, 1, 2].map(|c| {
                    let value = f64::from(below[c]) * (1.0 - cover) + f64::from(colour[c]) * cover;
                    value.round() as u8
                });
                picture.set([y, x], mixed);
            }
        }
    }
}
