//! What lies outside the nonzero region of a case.

use super::PatchMut;

/// Sets the flagged channels to 0 where the label is below 0, that is outside the nonzero region
/// of the case or outside the case. Channels without a flag stay.
pub(super) fn zero_outside(patch: &mut PatchMut<'_>, masked_channels: &[bool]) {
    let volume = patch.labels.len();
    for (channel, masked) in patch.data.chunks_exact_mut(volume).zip(masked_channels) {
        if *masked {
            for (value, label) in channel.iter_mut().zip(patch.labels.iter()) {
                *value = if *label < 0 { 0.0 } else { *value };
            }
        }
    }
}

/// Makes every label below 0 background.
pub(super) fn clear_outside(patch: &mut PatchMut<'_>) {
    for label in patch.labels.iter_mut() {
        *label = (*label).max(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flagged_channels_lose_what_is_outside() {
        let mut data = vec![1.0_f32; 8];
        let mut labels = vec![-1_i16, 0, 1, -1];
        let mut patch = PatchMut::new([1, 2, 2], &mut data, &mut labels).unwrap();
        zero_outside(&mut patch, &[false, true]);
        clear_outside(&mut patch);
        assert_eq!(data, [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(labels, [0, 0, 1, 0]);
    }
}
