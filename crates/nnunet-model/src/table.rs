//! Plain text tables: for errors that show what was planned, and for summaries.

use std::fmt;

use nnunet_schema::plans::ArchitectureArguments;

use crate::spec::{EncoderKind, NetworkSpec};

/// Rows shown at most: plans can hold lists of any length.
const MAX_ROWS: usize = 24;
const GAP: &str = "  ";

/// The columns below each other, numbers flush right, the first column flush left, without a
/// line break at the end.
pub(crate) fn aligned(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = std::iter::once(&header).chain(rows);
            let lengths = cells
                .filter_map(|row| row.get(column))
                .map(|c| c.chars().count());
            lengths.max().unwrap_or(0)
        })
        .collect();
    let lines: Vec<String> = std::iter::once(&header)
        .chain(rows)
        .map(|row| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells: Vec<String> = cells
                .map(|(column, (cell, width))| match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            cells.join(GAP).trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// Edges as people write them: `3×3×3`.
pub(crate) fn edges(values: &[usize]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join("×")
}

/// The stages of a network as planned, for errors; prints as a table on lines of its own, or as
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageTable(String);

impl fmt::Display for StageTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "\n{}", self.0)
    }
}

impl StageTable {
    /// What the plans say, however little of it fits together; `–` where a list is too short.
    pub(crate) fn of_plans(arguments: &ArchitectureArguments) -> Self {
        let (title, blocks) = match &arguments.n_blocks_per_stage {
            Some(blocks) => ("blocks", Some(blocks)),
            None => ("convolutions", arguments.n_conv_per_stage.as_ref()),
        };
        let lists = [
            arguments.features_per_stage.len(),
            arguments.kernel_sizes.len(),
            arguments.strides.len(),
            blocks.map_or(0, Vec::len),
        ];
        let count = lists.into_iter().max().unwrap_or(0);
        let number = |list: Option<&Vec<usize>>, i: usize| {
            list.and_then(|list| list.get(i)).map(ToString::to_string)
        };
        let list = |list: &[Vec<usize>], i: usize| list.get(i).map(|values| edges(values));
        let rows = (0..count.min(MAX_ROWS)).map(|i| {
            let cells = [
                Some(i.to_string()),
                number(Some(&arguments.features_per_stage), i),
                list(&arguments.kernel_sizes, i),
                list(&arguments.strides, i),
                number(blocks, i),
            ];
            let absent = || "–".to_owned();
            cells.map(|cell| cell.unwrap_or_else(absent)).to_vec()
        });
        Self::new(title, rows.collect(), count)
    }

    /// The stages of a network.
    pub(crate) fn of_network(spec: &NetworkSpec) -> Self {
        let title = match spec.encoder() {
            EncoderKind::Plain => "convolutions",
            EncoderKind::Residual => "blocks",
        };
        let stages = spec.stages();
        let rows = stages.iter().take(MAX_ROWS).enumerate().map(|(i, stage)| {
            vec![
                i.to_string(),
                stage.features().to_string(),
                edges(stage.kernel()),
                edges(stage.stride()),
                stage.blocks().to_string(),
            ]
        });
        Self::new(title, rows.collect(), stages.len())
    }

    fn new(blocks: &str, rows: Vec<Vec<String>>, count: usize) -> Self {
        if rows.is_empty() {
            return Self::default();
        }
        let mut text = aligned(&["stage", "features", "kernel", "stride", blocks], &rows);
        if count > rows.len() {
            text.push_str(&format!("\n… {} more", count - rows.len()));
        }
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["ab".to_owned(), "1".to_owned()],
            vec!["c".to_owned(), "1000".to_owned()],
        ];
        assert_eq!(
            aligned(&["n", "size"], &rows),
            "n   size\nab     1\nc   1000"
        );
    }
}
