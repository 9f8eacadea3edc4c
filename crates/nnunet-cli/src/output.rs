//! Results go to stdout; a reader that has gone away (`| head`) is no error.

use std::fmt::Display;
use std::io::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use nnunet::schema::python_json;
use serde::Serialize;

/// Prints a line.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a document for programs; numbers that are not finite are null.
pub(crate) fn document(value: &impl Serialize) -> anyhow::Result<()> {
    let value = python_json::to_standard(value)?;
    line(serde_json::to_string_pretty(&value)?);
    Ok(())
}

/// An empty table with these column heads; all columns but the first are aligned right.
pub(crate) fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(heads);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A Dice value with four digits, or a dash where there is none.
pub(crate) fn score(value: f64) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else {
        format!("{value:.4}")
    }
}

/// A duration as a person reads it.
pub(crate) fn seconds(value: f64) -> String {
    if value < 60.0 {
        format!("{value:.1} s")
    } else {
        format!(
            "{:.0} min {:02.0} s",
            (value / 60.0).floor(),
            (value % 60.0).floor()
        )
    }
}

/// A duration that is only known roughly.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86400.0),
    }
}

/// A number of bytes as a person reads it.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        b if b < 1_000_000 => format!("{:.0} kB", b as f64 / 1e3),
        b if b < 1_000_000_000 => format!("{:.1} MB", b as f64 / 1e6),
        b => format!("{:.2} GB", b as f64 / 1e9),
    }
}
