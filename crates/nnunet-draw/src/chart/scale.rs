/// The numbers of an axis: from where to where, and which are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// An axis on which all these numbers, as far as they are finite, have room.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|v| v.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
            };
        }
        // Of a single number as much as that, and of zero one.
        let spread = high - low;
        if spread <= 1e-12 * low.abs().max(high.abs()) {
            let around = if low == 0.0 { 1.0 } else { 0.5 * low.abs() };
            return Self {
                low: low - around,
                high: high + around,
            };
        }
        Self { low, high }
    }

    /// Where a number is on the axis, 0 at its beginning and 1 at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// About `wanted` round numbers on the axis, with what is written there.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / wanted.max(2) as f64;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * magnitude)
            .into_iter()
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(rough);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        let count = (last - first).clamp(0.0, 1000.0) as usize;
        (0..=count)
            .map(|i| {
                let value = (first + i as f64) * step;
                // A negative zero has no sign.
                (value, written(value + 0.0, step, digits))
            })
            .collect()
    }
}

/// A number, so short that ticks one `step` apart differ.
fn written(value: f64, step: f64, digits: usize) -> String {
    if digits > 4 || value.abs() >= 1e6 {
        let leading = if value == 0.0 {
            0
        } else {
            (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize
        };
        return format!("{value:.leading$e}");
    }
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let texts = |values: [f64; 2], wanted| -> Vec<String> {
            let ticks = Scale::of(values.into_iter()).ticks(wanted);
            ticks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(
            texts([0.0, 1.0], 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(texts([-0.93, 0.11], 4), ["-0.5", "0.0"]);
        assert_eq!(texts([0.0, 1000.0], 4), ["0", "500", "1000"]);
        assert_eq!(texts([0.0, 1e-5], 2), ["0e0", "5e-6", "1.0e-5"]);
    }

    proptest! {
        #[test]
        fn ticks_lie_on_the_axis_and_differ(
            low in -1e9_f64..1e9, spread in 1e-6_f64..1e9, wanted in 2_usize..20
        ) {
            let scale = Scale::of([low, low + spread].into_iter());
            let ticks = scale.ticks(wanted);
            prop_assert!(ticks.len() <= 2 * wanted + 2);
            for (value, _) in &ticks {
                let place = scale.place(*value);
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&place), "{place}");
            }
        }
    }
}
