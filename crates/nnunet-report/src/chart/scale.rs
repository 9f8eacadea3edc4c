/// The numbers of an axis, from where to where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Scale {
    /// An axis on which all these numbers, as far as they are finite, have room; of a single one
    /// as much around it.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = (values.filter(|v| v.is_finite()))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
            };
        }
        if high - low <= 1e-9 * low.abs().max(high.abs()) {
            let around = if low == 0.0 { 1.0 } else { 0.5 * low.abs() };
            return Self {
                low: low - around,
                high: high + around,
            };
        }
        Self { low, high }
    }

    /// The same, as far as the next round numbers.
    pub(super) fn rounded(self, wanted: usize) -> Self {
        let step = self.step(wanted);
        Self {
            low: (self.low / step + 1e-9).floor() * step,
            high: (self.high / step - 1e-9).ceil() * step,
        }
    }

    /// Where a number is, 0 at the beginning of the axis and 1 at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// About so many round numbers on the axis, with what is written there.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let step = self.step(wanted);
        let digits = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (self.low / step - 1e-6).ceil();
        let last = (self.high / step + 1e-6).floor();
        let count = (last - first).clamp(0.0, 100.0) as usize;
        (0..=count)
            .map(|number| {
                // A negative zero has no sign.
                let value = (first + number as f64) * step + 0.0;
                (value, format!("{value:.digits$}"))
            })
            .collect()
    }

    /// The distance of ticks: 1, 2 or 5 times a power of ten.
    fn step(&self, wanted: usize) -> f64 {
        let rough = (self.high - self.low) / wanted.max(2) as f64;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        (steps.into_iter().find(|step| *step >= rough * 0.999)).unwrap_or(rough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, wanted: usize) -> Vec<String> {
        let ticks = scale.ticks(wanted).into_iter();
        ticks.map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let scale = Scale::of([0.0, 1.0].into_iter());
        assert_eq!(texts(scale, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let scale = Scale::of([-0.93, f64::NAN, 0.11].into_iter());
        assert_eq!(texts(scale, 4), ["-0.5", "0.0"]);
        assert_eq!(texts(scale.rounded(4), 4), ["-1.0", "-0.5", "0.0", "0.5"]);
    }

    #[test]
    fn nothing_and_a_single_number_have_an_axis() {
        let empty = Scale::of(std::iter::empty());
        assert_eq!((empty.low, empty.high), (0.0, 1.0));
        let single = Scale::of([4.0].into_iter());
        assert_eq!(single.place(4.0), 0.5);
        assert_eq!(Scale::of([0.0].into_iter()).place(0.0), 0.5);
    }
}
