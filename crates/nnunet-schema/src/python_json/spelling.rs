//! The layout of a JSON text, as `json.dump(…, indent=4)` spells it.

use std::io::{self, Write};

use serde_json::ser::{Formatter, PrettyFormatter};

/// Four spaces of indent; floats as Python's `repr` gives them; nothing but ASCII.
pub(super) struct PythonFormatter(PrettyFormatter<'static>);

impl PythonFormatter {
    pub(super) fn new() -> Self {
        Self(PrettyFormatter::with_indent(b"    "))
    }
}

impl Formatter for PythonFormatter {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float_text(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let plain = |c: char| (' '..='~').contains(&c);
        if fragment.chars().all(plain) {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if plain(c) {
                write!(writer, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// The shortest digits that give `value` back, laid out as Python's `repr` does: with an
/// exponent of at least two digits below 1e-4 and from 1e16 on, with a decimal point otherwise.
fn float_text(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(-4..16) | Err(_) => {
            let plain = value.to_string();
            if plain.contains('.') {
                plain
            } else {
                plain + ".0"
            }
        }
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python_json;

    #[test]
    fn floats_are_spelt_as_python_spells_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.25e-7, "1.25e-07"),
            (1e15, "1000000000000000.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e16, "1e+16"),
            (-1e300, "-1e+300"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(float_text(value), text);
        }
    }

    #[test]
    fn text_is_written_in_ascii() {
        let text = python_json::to_text(&["é", "a\n\"", "𝄞", "\u{7f}"]).unwrap();
        let expected = r#"["\u00e9", "a\n\"", "\ud834\udd1e", "\u007f"]"#;
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>().join(" "),
            expected.replace('[', "[ ").replace(']', " ]")
        );
        let back: Vec<String> = python_json::parse(&text).unwrap();
        assert_eq!(back, ["é", "a\n\"", "𝄞", "\u{7f}"]);
    }

    #[test]
    fn empty_lists_and_objects_stay_on_their_line() {
        let value = serde_json::json!({"a": [], "b": {}});
        let text = python_json::to_text(&value).unwrap();
        assert_eq!(text, "{\n    \"a\": [],\n    \"b\": {}\n}");
    }
}
