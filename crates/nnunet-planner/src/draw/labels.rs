//! The words of the figure, apart from the legend.

use super::Drawing;
use super::canvas::{Anchor, Canvas};
use super::layout::{Decoder, Group, LABEL_GAP, Layout};
use super::network::{Network, Stage};
use super::paint::{DOWN, UP};
use super::stage_words::lines;
use super::text::{Style, counted, shortened, times_decimal, times_known};

/// Longest name in the figure, characters.
pub(super) const LONGEST_NAME: usize = 64;
const LINE_HEIGHT: f64 = 13.0;

/// Name of the figure.
pub(super) fn title(drawing: &Drawing<'_>) -> String {
    format!("{} · {}", drawing.dataset, drawing.name)
}

/// The heading, above all that is drawn already.
pub(super) fn write_heading(canvas: &mut Canvas, drawing: &Drawing<'_>, network: &Network<'_>) {
    let configuration = drawing.configuration;
    let class = &configuration.architecture.network_class_name;
    let plan = format!(
        "patch size {} · batch size {} · target spacing {} mm",
        times_known(&configuration.patch_size),
        configuration.batch_size,
        times_decimal(&configuration.spacing),
    );
    let architecture = format!(
        "{} · {} · {} in · {} out",
        shortened(last_component(class), LONGEST_NAME),
        counted(network.stages.len(), "stage"),
        counted(drawing.input_channels, "channel"),
        counted(drawing.output_channels, "channel"),
    );
    let bounds = canvas.bounds();
    let mut at = (bounds.left, bounds.top - 30.0);
    for line in [architecture, plan] {
        canvas.text(at, Anchor::Start, Style::FACTS, &line);
        at.1 -= 17.0;
    }
    at.1 -= 5.0;
    let title = shortened(&title(drawing), LONGEST_NAME);
    canvas.text(at, Anchor::Start, Style::TITLE, &title);
}

/// The labels of stages, arrows and ends.
pub(super) fn write(
    canvas: &mut Canvas,
    drawing: &Drawing<'_>,
    network: &Network<'_>,
    layout: &Layout,
) {
    for (n, (stage, row)) in network.stages.iter().zip(&layout.rows).enumerate() {
        write_encoder(canvas, stage, &row.encoder, n == 0);
        if n > 0 {
            let x = row.encoder.entry - 6.0;
            let at = (x, row.encoder.area.top - 19.0);
            let style = Style::NOTE.coloured(DOWN);
            canvas.text(at, Anchor::End, style, &times_known(stage.stride));
        }
        if let Some(decoder) = &row.decoder {
            let stride = network
                .stages
                .get(n + 1)
                .map_or(&[][..], |below| below.stride);
            write_decoder(canvas, stage, &decoder.group, stride);
            let channels = counted(drawing.output_channels, "channel");
            write_end(canvas, decoder, [channels, loss(network, n)]);
        }
    }
    if let Some(input) = layout.input {
        let y = input.middle().1;
        let x = input.left - LABEL_GAP;
        let channels = counted(drawing.input_channels, "channel");
        canvas.text((x, y - 3.0), Anchor::End, Style::LABEL, "input");
        canvas.text((x, y + 11.0), Anchor::End, Style::NOTE, &channels);
    }
}

/// Left of the plates.
fn write_encoder(canvas: &mut Canvas, stage: &Stage<'_>, group: &Group, on_arrow: bool) {
    let lines = lines(stage);
    let (indent, baselines) = if on_arrow {
        (2.0 * LABEL_GAP, around_arrow(lines.len()))
    } else {
        (LABEL_GAP, centred(lines.len()))
    };
    let x = group.area.left - indent;
    for ((style, line), baseline) in lines.into_iter().zip(baselines) {
        canvas.text((x, group.y() + baseline), Anchor::End, style, &line);
    }
}

/// Right of the plates around the arrow to the output, and the stride beside the arrow from
/// below.
fn write_decoder(canvas: &mut Canvas, stage: &Stage<'_>, group: &Group, stride: &[usize]) {
    let lines = lines(stage);
    let x = group.area.right + LABEL_GAP;
    let baselines = around_arrow(lines.len());
    for ((style, line), baseline) in lines.into_iter().zip(baselines) {
        canvas.text((x, group.y() + baseline), Anchor::Start, style, &line);
    }
    let at = (group.entry + 6.0, group.area.bottom + 24.0);
    let style = Style::NOTE.coloured(UP);
    canvas.text(at, Anchor::Start, style, &times_known(stride));
}

/// Baselines of lines of which the first stands on an arrow at height 0.
fn around_arrow(lines: usize) -> Vec<f64> {
    let below = (1..lines).map(|n| 1.0 + LINE_HEIGHT * n as f64);
    [-6.0].into_iter().chain(below).collect()
}

/// Baselines of lines whose middle is at height 0.
fn centred(lines: usize) -> Vec<f64> {
    let first = 4.0 - LINE_HEIGHT * lines.saturating_sub(1) as f64 / 2.0;
    (0..lines).map(|n| first + LINE_HEIGHT * n as f64).collect()
}

fn write_end(canvas: &mut Canvas, decoder: &Decoder, [channels, loss]: [String; 2]) {
    let area = decoder.output.1;
    let (x, y) = (area.right + LABEL_GAP, area.middle().1);
    canvas.text((x, y - 3.0), Anchor::Start, Style::LABEL, &channels);
    canvas.text((x, y + 11.0), Anchor::Start, Style::NOTE, &loss);
}

fn loss(network: &Network<'_>, output: usize) -> String {
    if !network.has_loss(output) {
        return "no loss".to_owned();
    }
    match network.loss_weight(output) {
        (above, 1.0) => format!("loss × {above}"),
        (above, below) if below < 1e6 => format!("loss × {above}/{below}"),
        _ => format!("loss × 2^-{}", output + 1),
    }
}

/// `Conv3d` of `torch.nn.modules.conv.Conv3d`.
pub(super) fn last_component(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
