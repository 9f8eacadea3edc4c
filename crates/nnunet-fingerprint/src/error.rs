use std::path::PathBuf;

use nnunet_image::ImageError;
use nnunet_schema::{SchemaError, Shape};

/// Why a dataset has no fingerprint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// The dataset lists no cases.
    #[error("dataset `{dataset}` has no training cases")]
    NoCases {
        /// The dataset.
        dataset: String,
    },
    /// A training case without a label map.
    #[error("case `{case}` has no label map: the foreground of training cases must be labelled")]
    NoLabel {
        /// The case.
        case: String,
    },
    /// The image has more or fewer channels than the dataset.
    #[error("case `{case}` has {found} channels, the dataset has {expected}")]
    ChannelCount {
        /// The case.
        case: String,
        /// Channels of `dataset.json`.
        expected: usize,
        /// Channels in the files.
        found: usize,
    },
    /// Image and label map don't fit each other.
    #[error(
        "case `{case}`: the image has {image} voxels, but its label map {} has {labels}",
        path.display()
    )]
    LabelShape {
        /// The case.
        case: String,
        /// The label map.
        path: PathBuf,
        /// Shape of the image.
        image: Shape,
        /// Shape of the label map.
        labels: Shape,
    },
    /// An intensity that is NaN or infinite.
    #[error(
        "case `{case}`: {} has the value {value} at voxel {voxel:?} (z, y, x): every intensity \
         must be finite", path.display()
    )]
    NotFinite {
        /// The case.
        case: String,
        /// The file.
        path: PathBuf,
        /// The first such voxel, `(z, y, x)`.
        voxel: [usize; 3],
        /// Its value.
        value: f32,
    },
    /// A file of the dataset cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A document of the dataset is wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
