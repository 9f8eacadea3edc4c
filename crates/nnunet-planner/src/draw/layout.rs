//! Where the plates and arrows of the figure go.

use super::canvas::{Bounds, Canvas};
use super::network::{Block, Network, Stage};
use super::paint::{DOWN, FLOW, Plate, SKIP, UP};
use super::stage_words::{DRAWN_PLATES, lines};

/// Between the rows, for the arrows; user units like all lengths here.
const ROW_GAP: f64 = 44.0;
const PLATE_GAP: f64 = 9.0;
/// Between residual blocks, of which there are many.
const BLOCK_GAP: f64 = 6.0;
/// Shortest skip connection.
const SKIP_LENGTH: f64 = 44.0;
/// How far the arrow that leaves the bottleneck keeps from it.
const ELBOW: f64 = 26.0;
/// Between a label and what it stands beside.
pub(super) const LABEL_GAP: f64 = 9.0;
/// The part of an arrow that sticks out beyond the label above it.
const ARROW_TAIL: f64 = 20.0;
const END_WIDTH: f64 = 9.0;

/// The places of everything in the figure but the words.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) input: Option<Bounds>,
    /// Full resolution first.
    pub(super) rows: Vec<Row>,
}

/// The places of one resolution.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) encoder: Group,
    /// Absent in the bottleneck.
    pub(super) decoder: Option<Decoder>,
}

#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) group: Group,
    pub(super) output: (Plate, Bounds),
}

/// Plates side by side, which data pass from left to right.
#[derive(Debug)]
pub(super) struct Group {
    plates: Vec<(Plate, Bounds)>,
    /// The box around them.
    pub(super) area: Bounds,
    /// Where an arrow from the row above or below comes in.
    pub(super) entry: f64,
    /// Where one to the row below or above goes out.
    pub(super) exit: f64,
}

impl Group {
    /// `plates`, the first of which has its middle at `entry`.
    fn row(plates: &[Plate], entry: f64, top: f64, extent: (f64, f64)) -> Self {
        let (width, height) = extent;
        let left = entry - width / 2.0;
        let residual = plates.iter().any(|plate| plate.paint().halved);
        let gap = if residual { BLOCK_GAP } else { PLATE_GAP };
        let place = |n: usize| {
            let x = left + n as f64 * (width + gap);
            Bounds::new(x, top, width, height)
        };
        let plates: Vec<_> = (plates.iter().enumerate())
            .map(|(n, plate)| (*plate, place(n)))
            .collect();
        let last = place(plates.len().saturating_sub(1));
        Self {
            plates,
            area: Bounds { left, ..last },
            entry,
            exit: last.middle().0,
        }
    }

    /// Puts a plate directly before the first.
    fn prepend(&mut self, plate: Plate, width: f64) {
        self.area.left -= width;
        let Bounds { left, top, .. } = self.area;
        let area = Bounds::new(left, top, width, self.area.height());
        self.plates.insert(0, (plate, area));
    }

    /// Height of its middle.
    pub(super) fn y(&self) -> f64 {
        self.area.middle().1
    }

    fn paint(&self, canvas: &mut Canvas) {
        let (from, to) = ((self.area.left, self.y()), (self.area.right, self.y()));
        canvas.line(&[from, to], FLOW, false);
        for (plate, area) in &self.plates {
            canvas.plate(*plate, *area);
        }
    }
}

impl Layout {
    pub(super) fn arrange(network: &Network<'_>) -> Self {
        let encoders = encoders(network);
        let decoders = decoders(network, &encoders);
        let input = (network.stages.first().zip(encoders.first())).map(|(stage, group)| {
            let arrow = label_width(stage) + 2.0 * LABEL_GAP + ARROW_TAIL;
            let left = group.area.left - arrow - END_WIDTH;
            Bounds::new(left, group.area.top, END_WIDTH, group.area.height())
        });
        let decoders = decoders.into_iter().map(Some).chain([None]);
        let rows = encoders.into_iter().zip(decoders);
        Self {
            input,
            rows: rows
                .map(|(encoder, decoder)| Row { encoder, decoder })
                .collect(),
        }
    }

    pub(super) fn paint(&self, canvas: &mut Canvas) {
        self.paint_arrows(canvas);
        if let Some(input) = self.input {
            canvas.plate(Plate::Input, input);
        }
        for row in &self.rows {
            row.encoder.paint(canvas);
            if let Some(decoder) = &row.decoder {
                decoder.group.paint(canvas);
                canvas.plate(decoder.output.0, decoder.output.1);
            }
        }
    }

    fn paint_arrows(&self, canvas: &mut Canvas) {
        if let (Some(input), Some(first)) = (self.input, self.rows.first()) {
            let y = first.encoder.y();
            let line = [(input.right, y), (first.encoder.area.left, y)];
            canvas.arrow(&line, FLOW, false);
        }
        for (row, below) in self.rows.iter().zip(self.rows.iter().skip(1)) {
            let Some(decoder) = &row.decoder else {
                continue;
            };
            let (encoder, y) = (&row.encoder, row.encoder.y());
            let down = [
                (encoder.exit, encoder.area.bottom),
                (below.encoder.entry, below.encoder.area.top),
            ];
            canvas.arrow(&down, DOWN, false);
            let skip = [(encoder.area.right, y), (decoder.group.area.left, y)];
            canvas.arrow(&skip, SKIP, true);
            canvas.arrow(&way_up(below, &decoder.group), UP, false);
            let out = [(decoder.group.area.right, y), (decoder.output.1.left, y)];
            canvas.arrow(&out, FLOW, false);
        }
    }
}

/// The line of a transposed convolution, from the right side of the bottleneck or the top of a
/// decoder stage.
fn way_up(from: &Row, to: &Group) -> Vec<(f64, f64)> {
    let end = (to.entry, to.area.bottom);
    match &from.decoder {
        Some(decoder) => {
            let (x, top) = (decoder.group.exit, decoder.group.area.top);
            let bend = f64::midpoint(top, to.area.bottom);
            if x == to.entry {
                vec![(x, top), end]
            } else {
                vec![(x, top), (x, bend), (to.entry, bend), end]
            }
        }
        None => {
            let y = from.encoder.y();
            vec![(from.encoder.area.right, y), (to.entry, y), end]
        }
    }
}

fn encoders(network: &Network<'_>) -> Vec<Group> {
    let (mut entry, mut top) = (0.0, 0.0);
    let groups = network.stages.iter().enumerate().map(|(n, stage)| {
        let mut plates = encoder_plates(network.encoder, stage);
        if network.encoder == Block::Residual && n == 0 {
            plates.insert(0, Plate::Convolution);
        }
        let group = Group::row(&plates, entry, top, extent(stage));
        entry = group.exit;
        top = group.area.bottom + ROW_GAP;
        group
    });
    groups.collect()
}

fn encoder_plates(encoder: Block, stage: &Stage<'_>) -> Vec<Plate> {
    let (plain, strided) = match encoder {
        Block::Convolution => (Plate::Convolution, Plate::StridedConvolution),
        Block::Residual => (Plate::Residual, Plate::StridedResidual),
    };
    let mut plates = vec![plain; stage.encoder.min(DRAWN_PLATES)];
    if let (Some(first), true) = (plates.first_mut(), stage.is_strided()) {
        *first = strided;
    }
    plates
}

/// The decoder beside all encoder groups but the last, full resolution first.
fn decoders(network: &Network<'_>, encoders: &[Group]) -> Vec<Decoder> {
    let groups = decoder_groups(network, encoders);
    let ends = groups.iter().zip(&network.stages);
    let ends = ends.map(|(group, stage)| group.area.right + label_width(stage));
    let output = ends.fold(f64::NEG_INFINITY, f64::max) + 2.0 * LABEL_GAP + ARROW_TAIL;
    let decoders = groups.into_iter().enumerate();
    decoders
        .map(|(n, group)| {
            let plate = if network.has_loss(n) {
                Plate::Output
            } else {
                Plate::UnweightedOutput
            };
            let area = Bounds::new(output, group.area.top, END_WIDTH, group.area.height());
            Decoder {
                group,
                output: (plate, area),
            }
        })
        .collect()
}

fn decoder_groups(network: &Network<'_>, encoders: &[Group]) -> Vec<Group> {
    let Some((bottleneck, encoders)) = encoders.split_last() else {
        return Vec::new();
    };
    let mut entry = bottleneck.area.right + ELBOW;
    let upwards = network.stages.iter().zip(encoders).rev();
    let groups = upwards.map(|(stage, encoder)| {
        let (width, height) = extent(stage);
        entry = entry.max(encoder.area.right + SKIP_LENGTH + 1.5 * width);
        let mut plates = vec![Plate::Convolution; stage.decoder.min(DRAWN_PLATES)];
        plates.insert(0, Plate::Upsampled);
        let mut group = Group::row(&plates, entry, encoder.area.top, (width, height));
        group.prepend(Plate::Copied, width);
        entry = group.exit;
        group
    });
    let mut groups: Vec<_> = groups.collect();
    groups.reverse();
    groups
}

/// Width and height of the plates of a stage: both grow with the logarithm, of the features and
/// of the mean edge of the feature maps.
fn extent(stage: &Stage<'_>) -> (f64, f64) {
    let features = stage.features.unwrap_or(1).max(1) as f64;
    let known = stage.size.iter().flatten();
    let logarithms: f64 = known
        .clone()
        .map(|edge| (*edge.max(&1) as f64).log2())
        .sum();
    let mean = logarithms / known.count().max(1) as f64;
    (
        (1.6 * features.log2() + 5.0).clamp(8.0, 22.0),
        (9.0 * mean + 8.0).clamp(26.0, 104.0),
    )
}

/// The room that the label of a stage takes.
fn label_width(stage: &Stage<'_>) -> f64 {
    let lines = lines(stage);
    let widths = lines.iter().map(|(style, line)| style.width(line));
    widths.fold(0.0, f64::max)
}
