//! The second stage of a cascade: the label map of the first stage as channels.
//!
//! The label map lies on the grid of the image, wherever the first stage worked. It goes through
//! the second stage's preprocessing as labels do (transposed, cropped, resampled label by label),
//! and each foreground label becomes a channel of zeros and ones behind those of the image
//! (Online Methods, "Network architecture": "U-Net cascade").

use ndarray::{Array4, ArrayView3, Zip};
use nnunet_image::{Image, LabelMap};
use nnunet_preprocess::{CasePipeline, PreprocessedCase};
use nnunet_schema::Shape;

use crate::{InferError, Recipe};

/// Preprocesses an image that may have other channels than the model, or lack the previous stage.
pub(crate) fn prepare(
    pipeline: &CasePipeline,
    recipe: &Recipe,
    case: &str,
    image: Image,
    previous: Option<LabelMap>,
) -> Result<PreprocessedCase, InferError> {
    if image.channels() != recipe.channels() {
        return Err(InferError::Channels {
            case: case.to_owned(),
            found: image.channels(),
            expected: recipe.channels(),
        });
    }
    check(recipe, previous.is_some())?;
    let has_previous = previous.is_some();
    let mut prepared = pipeline.run(case, image, previous)?;
    if has_previous {
        let labels = recipe.previous_labels();
        prepared.data = with_channels(prepared.data, prepared.labels.view(), labels);
    }
    Ok(prepared)
}

impl Recipe {
    /// A preprocessed case with the channels of the previous stage behind those of the image:
    /// what the second stage of a cascade predicts. `previous` are the labels `(z, y, x)` that the
    /// first stage gave the case, on its preprocessed grid.
    ///
    /// # Errors
    /// [`InferError::NoCascade`] if the configuration has no previous stage,
    /// [`InferError::Channels`] if the case has other channels than the images of the model, and
    /// [`InferError::PreviousShape`] if `previous` lies on another grid.
    pub fn with_previous_stage(
        &self,
        case: &str,
        prepared: PreprocessedCase,
        previous: ArrayView3<'_, i16>,
    ) -> Result<PreprocessedCase, InferError> {
        check(self, true)?;
        let (channels, ..) = prepared.data.dim();
        if channels != self.channels() {
            return Err(InferError::Channels {
                case: case.to_owned(),
                found: channels,
                expected: self.channels(),
            });
        }
        let found: [usize; 3] = previous.dim().into();
        let expected = prepared.shape();
        if Shape::new(found) != expected {
            return Err(InferError::PreviousShape {
                case: case.to_owned(),
                found: found.into(),
                expected,
            });
        }
        Ok(PreprocessedCase {
            data: with_channels(prepared.data, previous, self.previous_labels()),
            ..prepared
        })
    }
}

/// Refuses a previous stage that is missing, or one too many.
pub(crate) fn check(recipe: &Recipe, has_previous: bool) -> Result<(), InferError> {
    let configuration = || recipe.name().to_owned();
    match (recipe.previous_stage(), has_previous) {
        (Some(previous), false) => Err(InferError::Cascade {
            configuration: configuration(),
            previous: previous.to_owned(),
        }),
        (None, true) => Err(InferError::NoCascade {
            configuration: configuration(),
        }),
        _ => Ok(()),
    }
}

/// The image `(channel, z, y, x)` with one channel more for each of `labels`, 1 where the label is.
fn with_channels(image: Array4<f32>, map: ArrayView3<'_, i16>, labels: &[i16]) -> Array4<f32> {
    let (channels, z, y, x) = image.dim();
    let mut all = Array4::zeros((channels + labels.len(), z, y, x));
    let mut targets = all.outer_iter_mut();
    // The image first: `zip` asks its second part only if the first goes on.
    for (channel, mut target) in image.outer_iter().zip(targets.by_ref()) {
        target.assign(&channel);
    }
    for (target, label) in targets.zip(labels) {
        Zip::from(target)
            .and(map)
            .for_each(|value, found| *value = if found == label { 1.0 } else { 0.0 });
    }
    all
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Axis};

    use super::*;

    #[test]
    fn labels_become_channels_behind_the_image() {
        let image = Array4::from_elem((2, 1, 1, 4), 7.0);
        let map = Array3::from_shape_vec((1, 1, 4), vec![-1, 3, 0, 1]).unwrap();
        let all = with_channels(image, map.view(), &[1, 3]);
        let channel = |c: usize| {
            all.index_axis(Axis(0), c)
                .iter()
                .copied()
                .collect::<Vec<_>>()
        };
        assert_eq!(channel(1), [7.0; 4]);
        assert_eq!(channel(2), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(channel(3), [0.0, 1.0, 0.0, 0.0]);
    }
}
