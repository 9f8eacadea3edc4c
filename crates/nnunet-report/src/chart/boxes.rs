use maud::{Markup, html};

use super::scale::Scale;
use super::{WIDTH, at};

const SIDE: f64 = 16.0;
const ROW: f64 = 36.0;
const NAME: f64 = 13.0;
const BOX: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Of more values than these only those beyond the whiskers are dots.
pub(crate) const MOST_DOTS: usize = 120;

/// A row of a box plot.
#[derive(Clone, Debug)]
pub(crate) struct BoxRow<'a> {
    /// What it is, above it.
    pub(crate) name: &'a str,
    /// The number of its colour, from 0.
    pub(crate) colour: usize,
    /// The values with what each belongs to; those that are not finite are left out.
    pub(crate) values: Vec<(&'a str, f64)>,
}

/// Draws boxes from quartile to quartile with the median, whiskers to the farthest value within
/// 1.5 times the box's length, and every value as a dot (after J. W. Tukey); of more than
/// [`MOST_DOTS`] values those beyond the whiskers. `of` is the axis that
/// all figures side by side share, or nothing.
pub(crate) fn boxes(
    description: &str,
    unit: &str,
    rows: &[BoxRow<'_>],
    of: Option<[f64; 2]>,
) -> Markup {
    let all = rows.iter().flat_map(|row| &row.values).map(|(_, v)| *v);
    let scale = Scale::of(all.chain(of.into_iter().flatten())).rounded(5);
    let bottom = rows.len() as f64 * ROW + 6.0;
    let height = bottom + BOTTOM;
    let across = |value: f64| SIDE + scale.place(value) * (WIDTH - 2.0 * SIDE);
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(description) {
            @for (value, text) in scale.ticks(5) {
                line.rule x1=(at(across(value))) x2=(at(across(value))) y1="0" y2=(bottom) {}
                text x=(at(across(value))) y=(bottom + 14.0) text-anchor="middle" { (text) }
            }
            line.axis x1=(SIDE) x2=(WIDTH - SIDE) y1=(bottom) y2=(bottom) {}
            text.name x=(WIDTH - SIDE) y=(height - 5.0) text-anchor="end" { (unit) }
            @for (number, row) in rows.iter().enumerate() {
                (drawn(row, number as f64 * ROW, &across))
            }
        }
    }
}

fn drawn(row: &BoxRow<'_>, top: f64, across: &impl Fn(f64) -> f64) -> Markup {
    let finite = || row.values.iter().filter(|(_, value)| value.is_finite());
    let summary = FiveNumbers::of(finite().map(|(_, value)| *value).collect());
    let middle = top + NAME + 4.0 + BOX / 2.0;
    let class = format!("c{}", row.colour % super::COLOURS);
    let are_few = finite().count() <= MOST_DOTS;
    html! {
        text.row x=(SIDE) y=(top + NAME) { (row.name) }
        @if let Some(FiveNumbers { whiskers: [low, high], box_: [q1, q3], median }) = summary {
            g.box.(class) {
                line.whisker x1=(at(across(low))) x2=(at(across(high))) y1=(at(middle)) y2=(at(middle)) {}
                rect x=(at(across(q1))) width=(at((across(q3) - across(q1)).max(0.5)))
                    y=(at(middle - BOX / 2.0)) height=(BOX) {}
                line.median x1=(at(across(median))) x2=(at(across(median)))
                    y1=(at(middle - BOX / 2.0)) y2=(at(middle + BOX / 2.0)) {}
                @for (name, value) in finite().filter(|(_, v)| are_few || *v < low || *v > high) {
                    circle cx=(at(across(*value))) cy=(at(middle)) r="2.2" {
                        title { (name) ": " (format!("{value:.3}")) }
                    }
                }
            }
        }
    }
}

/// What a box shows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FiveNumbers {
    whiskers: [f64; 2],
    box_: [f64; 2],
    median: f64,
}

impl FiveNumbers {
    /// `None` of no values.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let box_ = [quantile(&values, 0.25)?, quantile(&values, 0.75)?];
        let reach = 1.5 * (box_[1] - box_[0]);
        let within = |value: &&f64| (box_[0] - reach..=box_[1] + reach).contains(*value);
        let low = values.iter().find(within).copied()?;
        let high = values.iter().rev().find(within).copied()?;
        Some(Self {
            // Between two values that lie far apart a quartile may be beyond both.
            whiskers: [low.min(box_[0]), high.max(box_[1])],
            box_,
            median: quantile(&values, 0.5)?,
        })
    }
}

/// Linear between sorted values.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)?) as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiskers_leave_outliers_out() {
        let values = vec![10.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let found = FiveNumbers::of(values).unwrap();
        assert_eq!(found.median, 3.5);
        assert_eq!(found.box_, [2.25, 4.75]);
        assert_eq!(found.whiskers, [1.0, 5.0]);
        assert_eq!(FiveNumbers::of(Vec::new()), None);
        let one = FiveNumbers::of(vec![7.0]).unwrap();
        assert_eq!((one.whiskers, one.median), ([7.0, 7.0], 7.0));
    }

    #[test]
    fn every_value_is_a_dot_with_its_name_and_nothing_is_none() {
        let row = |values: &[(&'static str, f64)]| BoxRow {
            name: "<b>",
            colour: 9,
            values: values.to_vec(),
        };
        let full = row(&[("case \"1\"", 0.5), ("2", f64::NAN), ("3", 0.9)]);
        let svg = boxes("x", "Dice", &[full, row(&[])], Some([0.0, 1.0])).into_string();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("&lt;b&gt;").count(), 2);
        let many: Vec<(&'static str, f64)> =
            (0..200).map(|n| ("many", f64::from(n % 10))).collect();
        let outlier = [many, vec![("far", 100.0)]].concat();
        let crowd = boxes("x", "Dice", &[row(&outlier)], None).into_string();
        assert_eq!(crowd.matches("<circle").count(), 1);
        assert!(crowd.contains("far: 100.000"), "{crowd}");
        assert!(svg.contains("case &quot;1&quot;: 0.500"), "{svg}");
        // The ninth colour is the first again.
        assert!(svg.contains("class=\"box c1\""), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
