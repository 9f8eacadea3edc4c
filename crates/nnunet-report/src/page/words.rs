//! Numbers and tables as the page shows them.

use maud::{Markup, html};

/// A Dice with four digits, or a dash where there is none.
pub(super) fn dice(value: f64) -> String {
    match value.is_nan() {
        true => "–".to_owned(),
        false => format!("{value:.4}"),
    }
}

/// A difference with its sign.
pub(super) fn change([before, after]: [f64; 2]) -> String {
    match (after - before).is_nan() {
        true => "–".to_owned(),
        false => format!("{:+.4}", after - before),
    }
}

/// About four digits, none behind the point of large or whole numbers.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let magnitude = value.abs();
    if magnitude >= 1000.0 || value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let digits = match magnitude {
        m if m >= 100.0 => 1,
        m if m >= 10.0 => 2,
        m if m >= 0.1 => 3,
        m if m >= 0.001 => 4,
        _ => return format!("{value:.3e}"),
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "–".to_owned(),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 60.0 => format!("{s:.0} s"),
        // Rounded before it is taken apart: there are no 60 seconds beside the minutes.
        s if s < 3600.0 => {
            let whole = s.round();
            format!("{:.0} min {:02.0} s", (whole / 60.0).floor(), whole % 60.0)
        }
        s => {
            let minutes = (s / 60.0).round();
            format!(
                "{:.0} h {:02.0} min",
                (minutes / 60.0).floor(),
                minutes % 60.0
            )
        }
    }
}

/// An amount of memory.
pub(super) fn memory(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes >= 1e9 {
        true => format!("{:.1} GB", bytes / 1e9),
        false => format!("{:.0} MB", (bytes / 1e6).ceil()),
    }
}

/// Folds as the subject of a sentence: `fold 0`, `the folds 0 1 2`.
pub(super) fn folds(list: &str) -> String {
    match list.contains(' ') {
        true => format!("the folds {list}"),
        false => format!("fold {list}"),
    }
}

/// Smallest, median and largest of the values that are numbers.
pub(super) fn extremes(values: &[f64]) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let median = match (sorted.get(half), sorted.len() % 2) {
        (Some(upper), 0) => (sorted[half - 1] + upper) / 2.0,
        (Some(middle), _) => *middle,
        (None, _) => f64::NAN,
    };
    let outer = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
    [outer(sorted.first()), median, outer(sorted.last())]
}

/// A table that is moved to and fro where the page is narrower, also with the keyboard.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cell with this text.
pub(super) fn cell(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

/// The names of the colours of a figure.
pub(super) fn legend<'a>(entries: impl Iterator<Item = (String, &'a str)>) -> Markup {
    html! {
        ul.legend {
            @for (class, name) in entries { li { span.swatch.(class) {} (name) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, wanted) in [
            (0.0, "0"),
            (21.0, "21"),
            (1.148_44, "1.148"),
            (-44.5, "-44.5"),
            (12_345.6, "12346"),
            (0.5, "0.5"),
            (0.05, "0.05"),
            (0.000_123_4, "1.234e-4"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(value), wanted);
        }
    }

    #[test]
    fn durations_have_no_sixtieth_second() {
        for (seconds, wanted) in [
            (3.21, "3.2 s"),
            (59.4, "59 s"),
            (119.7, "2 min 00 s"),
            (3600.0, "1 h 00 min"),
            (7199.0, "2 h 00 min"),
        ] {
            assert_eq!(duration(seconds), wanted);
        }
    }

    #[test]
    fn memory_is_never_nothing() {
        assert_eq!(memory(2_350_000_000), "2.4 GB");
        assert_eq!(memory(30_200_000), "31 MB");
        assert_eq!(memory(10), "1 MB");
    }

    #[test]
    fn the_median_of_two_is_between_them() {
        assert_eq!(extremes(&[4.0, 1.0, f64::NAN, 2.0, 3.0]), [1.0, 2.5, 4.0]);
        assert_eq!(extremes(&[7.0]), [7.0; 3]);
        assert!(extremes(&[]).iter().all(|value| value.is_nan()));
    }
}
