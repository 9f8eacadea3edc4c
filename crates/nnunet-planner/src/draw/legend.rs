//! What the colours and lines of the figure mean.

use nnunet_schema::Configuration;
use nnunet_schema::plans::Dimensionality;

use super::canvas::{Anchor, Bounds, Canvas};
use super::labels::{LONGEST_NAME, last_component};
use super::network::{Block, Network};
use super::paint::{DOWN, Plate, RULE, SKIP, UP};
use super::text::{Style, shortened};

const GLYPH_WIDTH: f64 = 24.0;
const GLYPH_GAP: f64 = 9.0;
const COLUMN_GAP: f64 = 26.0;
const LINE_HEIGHT: f64 = 22.0;
const NOTE_HEIGHT: f64 = 15.0;

/// The sign that an entry explains.
#[derive(Clone, Copy, Debug)]
enum Glyph {
    Plate(Plate),
    Down,
    Up,
    Skip,
}

/// The legend, below all that is drawn already and as wide.
pub(super) fn write(canvas: &mut Canvas, configuration: &Configuration, network: &Network<'_>) {
    let entries = entries(configuration, network);
    let widths = entries.iter().map(|(_, text)| Style::NOTE.width(text));
    let column = GLYPH_WIDTH + GLYPH_GAP + COLUMN_GAP + widths.fold(0.0, f64::max);
    let bounds = canvas.bounds();
    let columns = ((bounds.width() + COLUMN_GAP) / column).floor().max(1.0) as usize;
    let rows = entries.len().div_ceil(columns).max(1);
    let rule = bounds.bottom + 28.0;
    canvas.line(&[(bounds.left, rule), (bounds.right, rule)], RULE, false);
    for (n, (glyph, text)) in entries.iter().enumerate() {
        let left = bounds.left + (n / rows) as f64 * column;
        let middle = rule + 22.0 + (n % rows) as f64 * LINE_HEIGHT;
        paint(
            canvas,
            *glyph,
            Bounds::new(left, middle - 8.0, GLYPH_WIDTH, 16.0),
        );
        let at = (left + GLYPH_WIDTH + GLYPH_GAP, middle + 3.5);
        canvas.text(at, Anchor::Start, Style::NOTE, text);
    }
    let mut baseline = rule + 29.0 + rows as f64 * LINE_HEIGHT;
    for note in notes(configuration, network) {
        canvas.text((bounds.left, baseline), Anchor::Start, Style::NOTE, &note);
        baseline += NOTE_HEIGHT;
    }
}

/// How to read the labels.
fn notes(configuration: &Configuration, network: &Network<'_>) -> Vec<String> {
    let (axes, kernel) = match configuration.dimensionality() {
        Dimensionality::Two => ("y×x", "3×3"),
        Dimensionality::Three => ("z×y×x", "3×3×3"),
    };
    let mut notes = vec![format!(
        "Bold: features · size of the feature maps ({axes}). Kernels are {kernel} unless named."
    )];
    if network.outputs() > 0 {
        let loss = "Loss: weight of the output in the sum over all resolutions.";
        notes.push(loss.to_owned());
    }
    notes
}

fn paint(canvas: &mut Canvas, glyph: Glyph, area: Bounds) {
    let (x, y) = area.middle();
    match glyph {
        Glyph::Plate(plate) => {
            let width = if plate.paint().halved { 16.0 } else { 12.0 };
            let plate_area = Bounds::new(x - width / 2.0, area.top, width, area.height());
            canvas.plate(plate, plate_area);
        }
        Glyph::Down => canvas.arrow(&[(x, area.top), (x, area.bottom)], DOWN, false),
        Glyph::Up => canvas.arrow(&[(x, area.bottom), (x, area.top)], UP, false),
        Glyph::Skip => canvas.arrow(&[(area.left, y), (area.right, y)], SKIP, true),
    }
}

/// Only of what occurs.
fn entries(configuration: &Configuration, network: &Network<'_>) -> Vec<(Glyph, String)> {
    let mut entries = encoder_entries(configuration, network);
    if network.outputs() > 0 {
        entries.push((Glyph::Up, "transposed convolution, kernel = stride".into()));
        entries.push((Glyph::Plate(Plate::Upsampled), "upsampled features".into()));
        entries.push((Glyph::Skip, "skip connection".into()));
        let copied = "features of the encoder, concatenated".into();
        entries.push((Glyph::Plate(Plate::Copied), copied));
        let kernel = vec!["1"; configuration.patch_size.len()].join("×");
        let output = format!("segmentation ({kernel} convolution)");
        entries.push((Glyph::Plate(Plate::Output), output));
    }
    if !(0..network.outputs()).all(|output| network.has_loss(output)) {
        let text = "segmentation that has no part in the loss".into();
        entries.push((Glyph::Plate(Plate::UnweightedOutput), text));
    }
    entries
}

fn encoder_entries(configuration: &Configuration, network: &Network<'_>) -> Vec<(Glyph, String)> {
    let convolution = layers(configuration);
    let mut entries = vec![(Glyph::Plate(Plate::Convolution), convolution)];
    let residual = network.encoder == Block::Residual;
    if residual {
        let text = "residual block of two convolutions".into();
        entries.push((Glyph::Plate(Plate::Residual), text));
    }
    if network
        .stages
        .iter()
        .skip(1)
        .any(|stage| stage.is_strided())
    {
        let (plate, text) = if residual {
            (Plate::StridedResidual, "strided residual block")
        } else {
            (Plate::StridedConvolution, "strided convolution")
        };
        entries.push((Glyph::Plate(plate), text.into()));
        entries.push((Glyph::Down, "stride of the convolution it leads to".into()));
    }
    entries
}

/// `Conv3d, InstanceNorm3d, LeakyReLU`.
fn layers(configuration: &Configuration) -> String {
    let network = &configuration.architecture.arch_kwargs;
    let optional = [&network.dropout_op, &network.norm_op, &network.nonlin];
    let paths = [&network.conv_op]
        .into_iter()
        .chain(optional.into_iter().flatten());
    let names = paths.map(|path| shortened(last_component(path), LONGEST_NAME / 2));
    names.collect::<Vec<_>>().join(", ")
}
