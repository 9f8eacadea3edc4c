//! The lower envelope of parabolas along one line.

/// A parabola of the envelope.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The position of its vertex.
    vertex: usize,
    /// The squared distance at the vertex.
    height: f64,
    /// Its value at position 0, which is all that the crossing of two parabolas depends on
    /// besides their vertices.
    at_zero: f64,
    /// The position from which on it is the lowest.
    from: f64,
}

/// Works on lines of one length along one axis.
#[derive(Debug)]
pub(super) struct Envelope {
    /// mm² per squared step.
    scale: f64,
    /// For two vertices that are so many steps apart, 1 / (2 · scale · steps).
    crossing: Vec<f64>,
    pieces: Vec<Piece>,
}

impl Envelope {
    pub(super) fn new(length: usize, step_mm: f64) -> Self {
        let scale = step_mm * step_mm;
        Self {
            scale,
            crossing: (0..=length)
                .map(|steps| 0.5 / (scale * steps as f64))
                .collect(),
            pieces: Vec::with_capacity(length),
        }
    }

    /// Replaces each squared distance by the smallest sum of one of the line and the squared
    /// way to it.
    ///
    /// Where the line is 0 it stays so, and nothing beyond a 0 is nearer than that: each stretch
    /// between two zeros is a line of its own.
    pub(super) fn apply(&mut self, line: &mut [f64]) {
        let mut start = 0;
        while start < line.len() {
            let zeros = line[start..].iter().take_while(|v| **v == 0.0).count();
            start += zeros;
            let others = line[start..].iter().take_while(|v| **v != 0.0).count();
            let end = start + others;
            if others > 0 {
                let low = start.saturating_sub(1);
                let high = (end + 1).min(line.len());
                self.find(&line[low..high]);
                self.fill(&mut line[low..high]);
            }
            start = end;
        }
    }

    fn find(&mut self, line: &[f64]) {
        self.pieces.clear();
        for (vertex, height) in line.iter().copied().enumerate() {
            if height == f64::INFINITY {
                continue;
            }
            let position = vertex as f64;
            let at_zero = self.scale * (position * position) + height;
            let mut from = f64::NEG_INFINITY;
            while let Some(last) = self.pieces.last() {
                from = (at_zero - last.at_zero) * self.crossing[vertex - last.vertex];
                if from > last.from {
                    break;
                }
                self.pieces.pop();
                from = f64::NEG_INFINITY;
            }
            self.pieces.push(Piece {
                vertex,
                height,
                at_zero,
                from,
            });
        }
    }

    fn fill(&self, line: &mut [f64]) {
        let mut rest = line;
        let mut done = 0;
        for (i, piece) in self.pieces.iter().enumerate() {
            let beyond = match self.pieces.get(i + 1) {
                Some(next) => (next.from.max(-1.0).floor() + 1.0) as usize,
                None => usize::MAX,
            };
            let count = beyond.saturating_sub(done).min(rest.len());
            let (here, later) = rest.split_at_mut(count);
            let offset = done as f64 - piece.vertex as f64;
            for (i, value) in here.iter_mut().enumerate() {
                let steps = offset + i as f64;
                *value = self.scale * (steps * steps) + piece.height;
            }
            rest = later;
            done += count;
        }
    }
}
