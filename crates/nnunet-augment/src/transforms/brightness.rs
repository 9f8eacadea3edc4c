//! Brightness: a factor.

/// Multiplies a channel.
pub(super) fn multiply(channel: &mut [f32], factor: f64) {
    let factor = factor as f32;
    for value in channel {
        *value *= factor;
    }
}
