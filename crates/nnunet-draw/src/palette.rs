use crate::picture::Colour;

/// Colours that are easy to tell apart on grey, also with the common colour blindnesses as far
/// as that goes.
const FIRST: [Colour; 10] = [
    [255, 92, 77],
    [64, 196, 255],
    [255, 205, 56],
    [92, 220, 120],
    [214, 120, 255],
    [255, 150, 60],
    [60, 225, 210],
    [255, 130, 190],
    [175, 205, 75],
    [125, 145, 255],
];

/// The colour of the `index`-th label: one of a fixed list, then hues that never repeat.
#[must_use]
pub fn colour(index: usize) -> Colour {
    if let Some(colour) = FIRST.get(index) {
        return *colour;
    }
    // Steps of the golden section keep neighbours far apart on the circle of hues.
    let hue = (index as f64 * 0.618_034).fract() * 6.0;
    let value = if index.is_multiple_of(2) {
        255.0
    } else {
        200.0
    };
    let channel = |offset: f64| {
        let k = (offset + hue) % 6.0;
        let weight = k.min(4.0 - k).clamp(0.0, 1.0);
        (value * (1.0 - 0.65 * weight)).round() as u8
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn colours_do_not_repeat_and_are_bright() {
        let colours: BTreeSet<Colour> = (0..200).map(colour).collect();
        assert!(colours.len() > 195, "{}", colours.len());
        assert!(colours.iter().all(|c| c.iter().any(|v| *v >= 180)));
    }
}
