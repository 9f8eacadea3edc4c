//! Label maps as one channel of zeros and ones per class.

use nnunet_schema::LabelScheme;

use crate::AugmentError;

/// The labels of each channel of a region-based target: those of every region in the order of
/// the dataset, then the ignore label, if there is one, as a channel of its own. For label-based
/// training the same as one channel per foreground label.
#[must_use]
pub fn target_classes(scheme: &LabelScheme) -> Vec<Vec<u16>> {
    let ignored = scheme.ignore_label().map(|label| vec![label]);
    scheme.targets().iter().cloned().chain(ignored).collect()
}

/// Writes a channel per class: 1 where the label is one of the class's, 0 elsewhere. Labels are
/// of any shape, `out` has one volume of that shape per class, one after the other.
///
/// Batches carry label maps, a fraction of the size, and nearest-neighbour downsampling gives
/// the same before and after this; so convert where the network is.
///
/// # Errors
/// [`AugmentError::Setting`] if `out` has another length.
pub fn encode_classes<T: From<bool>>(
    labels: &[i16],
    classes: &[Vec<u16>],
    out: &mut [T],
) -> Result<(), AugmentError> {
    if out.len() != labels.len() * classes.len() {
        return Err(AugmentError::setting(
            "encoded classes",
            format!("{} values", out.len()),
            "as many values as there are labels, for each class",
        ));
    }
    if labels.is_empty() {
        return Ok(());
    }
    for (channel, class) in out.chunks_exact_mut(labels.len()).zip(classes) {
        match class.as_slice() {
            [single] => {
                let single = i32::from(*single);
                for (value, label) in channel.iter_mut().zip(labels) {
                    *value = T::from(i32::from(*label) == single);
                }
            }
            members => {
                for (value, label) in channel.iter_mut().zip(labels) {
                    let label = u16::try_from(*label);
                    *value = T::from(label.is_ok_and(|label| members.contains(&label)));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nnunet_schema::{DatasetDescription, Shape};
    use serde_json::json;

    use super::*;
    use crate::downsample_labels;

    fn scheme(labels: serde_json::Value) -> LabelScheme {
        let description: DatasetDescription = serde_json::from_value(json!({
            "channel_names": {"0": "MRI"}, "numTraining": 1, "file_ending": ".nii.gz",
            "labels": labels, "regions_class_order": [1, 2, 3]
        }))
        .unwrap();
        description.label_scheme().unwrap()
    }

    #[test]
    fn regions_overlap_and_the_ignore_label_comes_last() {
        let scheme = scheme(json!({
            "background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4
        }));
        let classes = target_classes(&scheme);
        assert_eq!(classes, [vec![1, 2, 3], vec![2, 3], vec![3], vec![4]]);
        let labels = [-1, 0, 1, 2, 3, 4];
        let mut out = [7_u8; 24];
        encode_classes(&labels, &classes, &mut out).unwrap();
        assert_eq!(out[..6], [0, 0, 1, 1, 1, 0]);
        assert_eq!(out[6..12], [0, 0, 0, 1, 1, 0]);
        assert_eq!(out[12..18], [0, 0, 0, 0, 1, 0]);
        assert_eq!(out[18..], [0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn downsampling_may_come_before_or_after() {
        let (from, to) = (Shape::new([4, 6, 7]), Shape::new([2, 3, 3]));
        let labels: Vec<i16> = (0..from.volume()).map(|i| (i * i % 5) as i16).collect();
        let classes = [vec![1, 3], vec![2]];
        let (mut first, mut then) = (Vec::new(), vec![9_i16; 2 * to.volume()]);
        downsample_labels(&labels, from, to, &mut first);
        encode_classes(&first, &classes, &mut then).unwrap();
        let mut encoded = vec![9_i16; 2 * from.volume()];
        encode_classes(&labels, &classes, &mut encoded).unwrap();
        let mut last = Vec::new();
        for channel in encoded.chunks_exact(from.volume()) {
            downsample_labels(channel, from, to, &mut last);
        }
        assert_eq!(then, last);
        assert!(then.contains(&1) && then.contains(&0));
    }

    #[test]
    fn room_for_another_number_of_classes_is_refused() {
        let mut out = [0.0_f32; 5];
        assert!(encode_classes(&[0, 1], &[vec![1], vec![2]], &mut out).is_err());
        assert!(encode_classes::<f32>(&[], &[vec![1]], &mut []).is_ok());
    }
}
