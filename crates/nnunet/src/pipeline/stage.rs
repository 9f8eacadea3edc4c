//! What the log says of the stages.

use std::time::Instant;

use tracing::Span;
use tracing::span::EnteredSpan;

/// A stage that is under way: what is logged meanwhile belongs to it, and its beginning and end
/// are logged too.
#[derive(Debug)]
#[must_use = "the stage ends when this is dropped"]
pub(super) struct Stage {
    began: Instant,
    _span: EnteredSpan,
}

impl Stage {
    /// The stage of this name and what it is about begins.
    pub(super) fn begin(span: Span) -> Self {
        let span = span.entered();
        tracing::info!("begins");
        Self {
            began: Instant::now(),
            _span: span,
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whether it succeeded is for whoever called it to say.
        tracing::info!(seconds = seconds(self.began), "ends");
    }
}

/// Seconds since then, rounded to milliseconds.
pub(super) fn seconds(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}
