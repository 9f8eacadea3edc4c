//! Words and numbers of the figure, and how much room they take.

use std::fmt::Display;

/// Fonts that exist on common systems, of similar widths.
pub(super) const FONTS: &str = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Height of the font, user units.
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) colour: &'static str,
}

impl Style {
    pub(super) const TITLE: Self = Self::new(17.0, true, "#1a1a1a");
    pub(super) const FACTS: Self = Self::new(12.0, false, "#4d4d4d");
    pub(super) const LABEL: Self = Self::new(11.5, true, "#1a1a1a");
    pub(super) const NOTE: Self = Self::new(10.5, false, "#4d4d4d");

    const fn new(size: f64, bold: bool, colour: &'static str) -> Self {
        Self { size, bold, colour }
    }

    pub(super) const fn coloured(self, colour: &'static str) -> Self {
        Self { colour, ..self }
    }

    /// The width of a text, estimated from above for the widest of [`FONTS`].
    pub(super) fn width(self, text: &str) -> f64 {
        let ems: f64 = text.chars().map(ems).sum();
        ems * self.size * if self.bold { 1.1 } else { 1.0 }
    }
}

/// The width of a character in units of the height of its font, by the metrics of DejaVu Sans.
fn ems(character: char) -> f64 {
    match character {
        ' ' | 'i' | 'j' | 'l' | 'I' | '.' | ',' | '·' | '\'' | ':' | ';' | '|' | '/' => 0.34,
        '×' => 0.84,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 1.0,
        'A'..='Z' | '&' | '<' | '>' | '=' | '+' | '~' | '#' => 0.84,
        ' '..='~' => 0.64,
        _ => 1.05,
    }
}

/// `128×128×64`; a question mark for what is unknown.
pub(super) fn times(values: &[Option<usize>]) -> String {
    join(values.iter().map(|value| match value {
        Some(value) => value.to_string(),
        None => "?".to_owned(),
    }))
}

/// `2×2×1`; a question mark for an empty list.
pub(super) fn times_known(values: &[usize]) -> String {
    join(values.iter().map(usize::to_string))
}

/// `1×0.763×0.763`: at most three decimals.
pub(super) fn times_decimal(values: &[f64]) -> String {
    join(values.iter().map(|value| {
        if value.abs() < 1e6 {
            trimmed(format!("{value:.3}"))
        } else {
            format!("{value:e}")
        }
    }))
}

fn join(values: impl Iterator<Item = String>) -> String {
    let joined = values.collect::<Vec<_>>().join("×");
    if joined.is_empty() {
        "?".to_owned()
    } else {
        joined
    }
}

/// A number without the zeros that end its decimals.
pub(super) fn trimmed(number: String) -> String {
    if number.contains('.') {
        let short = number.trim_end_matches('0').trim_end_matches('.');
        return if short == "-0" { "0" } else { short }.to_owned();
    }
    number
}

/// `1 channel`, `2 channels`.
pub(super) fn counted(count: impl Display + PartialEq<usize>, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// At most `characters` of a text, with an ellipsis where it is cut.
pub(super) fn shortened(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept = text.chars().take(characters.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// A text as content of an XML element or a quoted attribute. Characters that XML 1.0 cannot
/// hold become the replacement character.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(times_decimal(&[1.0, 0.762_882, 40.0]), "1×0.763×40");
        assert_eq!(times_decimal(&[-0.0, f64::NAN, 1e300]), "0×NaN×1e300");
        assert_eq!(times(&[Some(128), None]), "128×?");
        assert_eq!(times_known(&[]), "?");
        assert_eq!(trimmed("100".to_owned()), "100");
        assert_eq!(counted(1, "channel"), "1 channel");
        assert_eq!(counted(0, "channel"), "0 channels");
    }

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(escaped("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
        assert_eq!(escaped("\t\0\u{1b}\u{ffff}ß"), " \u{fffd}\u{fffd}\u{fffd}ß");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("héért", 5), "héért");
        assert_eq!(shortened("héérts", 5), "héér…");
    }
}
