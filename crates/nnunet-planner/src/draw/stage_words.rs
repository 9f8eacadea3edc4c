//! What is said of a stage; the layout leaves room for it.

use super::network::Stage;
use super::text::{Style, times, times_known};

/// Plates of a stage that are drawn, should it have more.
pub(super) const DRAWN_PLATES: usize = 12;

/// What is said of a stage: features and size; below them kernel and depths if one could not
/// tell without.
pub(super) fn lines(stage: &Stage<'_>) -> Vec<(Style, String)> {
    let features = stage.features.map_or("?".to_owned(), |f| f.to_string());
    let size = times(&stage.size);
    let mut lines = vec![(Style::LABEL, format!("{features} · {size}"))];
    let mut remarks = Vec::new();
    if stage.kernel.is_empty() || stage.kernel.iter().any(|edge| *edge != 3) {
        remarks.push(format!("kernel {}", times_known(stage.kernel)));
    }
    if stage.encoder == 0 || stage.encoder.max(stage.decoder) > DRAWN_PLATES {
        remarks.push(format!(
            "depth {} down, {} up",
            stage.encoder, stage.decoder
        ));
    }
    if !remarks.is_empty() {
        lines.push((Style::NOTE, remarks.join(" · ")));
    }
    lines
}
