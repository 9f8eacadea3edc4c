use maud::{Markup, html};

use super::scale::Scale;
use super::{WIDTH, at};

const HEIGHT: f64 = 200.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 36.0;
/// Points of a curve that are drawn at most: more than pixels are not seen.
const MOST_POINTS: usize = 320;

/// Curves over a common axis.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    /// What the figure shows, for those who don't see it.
    pub(crate) description: &'a str,
    /// What x is.
    pub(crate) x: &'a str,
    /// What y is.
    pub(crate) y: &'a str,
    /// Numbers that the y axis reaches in any case.
    pub(crate) reaches: &'a [f64],
    /// The curves.
    pub(crate) curves: &'a [Curve],
}

/// A curve.
#[derive(Debug)]
pub(crate) struct Curve {
    /// The number of its colour, from 0.
    pub(crate) colour: usize,
    /// How it is drawn.
    pub(crate) stroke: Stroke,
    /// `[x, y]`; a y that is not finite leaves a gap.
    pub(crate) points: Vec<[f64; 2]>,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    Line,
    Dots,
}

/// Draws curves with their axes.
pub(crate) fn lines(figure: &Lines<'_>) -> Markup {
    let points = || figure.curves.iter().flat_map(|curve| &curve.points);
    let x = Scale::of(points().map(|[x, _]| *x));
    let reached = figure.reaches.iter().copied();
    let y = Scale::of(points().map(|[_, y]| *y).chain(reached)).rounded(4);
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let across = |value: f64| LEFT + x.place(value) * (right - LEFT);
    let down = |value: f64| bottom - y.place(value) * (bottom - TOP);
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(figure.description) {
            @for (value, text) in y.ticks(4) {
                line.rule x1=(LEFT) x2=(right) y1=(at(down(value))) y2=(at(down(value))) {}
                text x=(LEFT - 6.0) y=(at(down(value) + 4.0)) text-anchor="end" { (text) }
            }
            @for (value, text) in x.ticks(5) {
                line.rule x1=(at(across(value))) x2=(at(across(value))) y1=(bottom) y2=(bottom + 4.0) {}
                text x=(at(across(value))) y=(bottom + 16.0) text-anchor="middle" { (text) }
            }
            line.axis x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
            text.name x=(right) y=(HEIGHT - 5.0) text-anchor="end" { (figure.x) }
            text.name x=(LEFT - 6.0) y="11" text-anchor="end" { (figure.y) }
            @for curve in figure.curves {
                (drawn(curve, &across, &down))
            }
        }
    }
}

fn drawn(curve: &Curve, across: &impl Fn(f64) -> f64, down: &impl Fn(f64) -> f64) -> Markup {
    let class = format!("c{}", curve.colour % super::COLOURS);
    let points = thinned(&curve.points);
    if curve.stroke == Stroke::Dots {
        let finite = points.iter().filter(|[_, y]| y.is_finite());
        return html! {
            g.dots.(class) {
                @for [x, y] in finite { circle cx=(at(across(*x))) cy=(at(down(*y))) r="1.7" {} }
            }
        };
    }
    let (mut path, mut pen) = (String::new(), 'M');
    for [x, y] in &points {
        if y.is_finite() {
            path.push_str(&format!("{pen}{} {}", at(across(*x)), at(down(*y))));
            pen = 'L';
        } else {
            pen = 'M';
        }
    }
    html! { path.line.(class) d=(path) {} }
}

/// So many points in a row become their mean that few enough are left.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let together = points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        finite.iter().sum::<f64>() / finite.len() as f64
    };
    (points.chunks(together))
        .map(|few| {
            let x = mean(&mut few.iter().map(|[x, _]| *x));
            [x, mean(&mut few.iter().map(|[_, y]| *y))]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: Vec<[f64; 2]>) -> String {
        let curve = Curve {
            colour: 0,
            stroke: Stroke::Line,
            points,
        };
        let figure = Lines {
            description: "loss \"of\" <a>",
            x: "epoch",
            y: "loss",
            reaches: &[],
            curves: &[curve],
        };
        lines(&figure).into_string()
    }

    #[test]
    fn a_gap_interrupts_the_line_and_words_are_escaped() {
        let svg = figure(vec![[0.0, 1.0], [1.0, f64::NAN], [2.0, 0.0], [3.0, 1.0]]);
        assert_eq!(svg.matches("d=\"M").count(), 1);
        let path = svg.split("d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(
            (path.matches('M').count(), path.matches('L').count()),
            (2, 1)
        );
        assert!(svg.contains("class=\"line c0\""), "{svg}");
        assert!(svg.contains("loss &quot;of&quot; &lt;a&gt;"), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_long_training_is_drawn_with_few_points() {
        let points: Vec<[f64; 2]> = (0..1000).map(|x| [f64::from(x), 1.0]).collect();
        let few = thinned(&points);
        assert_eq!(few.len(), 250);
        assert_eq!(few[0], [1.5, 1.0]);
    }
}
