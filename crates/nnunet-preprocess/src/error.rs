use std::path::{Path, PathBuf};

use nnunet_image::{CropBox, ImageError, RawCase};
use nnunet_schema::{SchemaError, Shape};

/// What can go wrong between a raw case and a preprocessed one, or in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// An image with more or fewer channels than the dataset.
    #[error(
        "case `{case}` has {found} image channels, but the plans normalise {expected}: \
         the files of a case are CASE_0000, CASE_0001, …, one per channel of dataset.json"
    )]
    Channels {
        /// The case.
        case: String,
        /// Channels of the image.
        found: usize,
        /// Channels of the dataset.
        expected: usize,
    },
    /// An image without voxels.
    #[error("case `{case}` has the shape {found}, expected at least one voxel along each axis")]
    NoVoxels {
        /// The case.
        case: String,
        /// Its shape, axes as in the file.
        found: Shape,
    },
    /// A label map of another shape than the image.
    #[error(
        "case `{case}`: the label map{} has the shape {found}, expected {expected} as the image",
        in_brackets(file.as_deref())
    )]
    LabelShape {
        /// The case.
        case: String,
        /// The file of the label map, if it came from one.
        file: Option<PathBuf>,
        /// Shape of the label map, axes as in the file.
        found: Shape,
        /// Shape of the image, axes as in the file.
        expected: Shape,
    },
    /// A label that `dataset.json` does not know.
    #[error(
        "case `{case}`{}: {voxels} voxels have the label {found}, the first at {first:?} \
         (z, y, x); dataset.json allows {expected}", in_brackets(file.as_deref())
    )]
    LabelValue {
        /// The case.
        case: String,
        /// The file of the label map, if it came from one.
        file: Option<PathBuf>,
        /// The label.
        found: i16,
        /// How many voxels have it.
        voxels: usize,
        /// The first of them, axes as in the file.
        first: [usize; 3],
        /// The labels of the dataset.
        expected: String,
    },
    /// NaN or infinite intensities.
    #[error(
        "case `{case}`: channel {channel}{} has {voxels} voxels that are NaN or infinite, the \
         first at {first:?} (z, y, x); expected finite intensities: replace them in the image",
        in_brackets(file.as_deref())
    )]
    NonFinite {
        /// The case.
        case: String,
        /// The file of the channel, if it came from one.
        file: Option<PathBuf>,
        /// The channel, counted from 0.
        channel: usize,
        /// How many voxels are not finite.
        voxels: usize,
        /// The first of them, axes as in the file.
        first: [usize; 3],
    },
    /// A channel that its scheme cannot normalise.
    #[error("case `{case}`: channel {channel} cannot be normalised by {scheme}: {problem}")]
    Normalization {
        /// The case.
        case: String,
        /// The channel, counted from 0.
        channel: usize,
        /// Class name of the scheme.
        scheme: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// Plans that cannot be carried out.
    #[error("configuration `{configuration}`: `{key}` {problem}")]
    Configuration {
        /// Name of the configuration.
        configuration: String,
        /// The key of the plans.
        key: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A spline order that is not supported.
    #[error("resampling: `{key}` is {found}, expected {expected}")]
    ResamplingOrder {
        /// `order` or `order_z`.
        key: &'static str,
        /// Its value.
        found: u8,
        /// The values that are supported.
        expected: &'static str,
    },
    /// An array that cannot be resampled.
    #[error("cannot resample an array of {from} voxels to {to}: {problem}")]
    Resample {
        /// Shape of the array.
        from: Shape,
        /// Shape that was asked for.
        to: Shape,
        /// What is wrong with it.
        problem: String,
    },
    /// An array that there is no memory for.
    #[error(
        "no memory for {bytes} bytes of {shape} voxels; is the spacing of the image right, and \
         that of the plans?"
    )]
    OutOfMemory {
        /// Voxels along each axis.
        shape: Shape,
        /// Bytes that were asked for.
        bytes: usize,
    },
    /// Intensities that half precision cannot hold.
    #[error(
        "case `{case}` has the intensity {found} after normalisation, half precision holds at \
         most 65504; use a normalisation that scales, or single precision"
    )]
    HalfOverflow {
        /// The case.
        case: String,
        /// The intensity that is too large.
        found: f32,
    },
    /// A store that was made with other settings.
    #[error(
        "{} was preprocessed with other settings: {differences}; preprocess into another folder, \
         or delete this one", folder.display()
    )]
    ChangedPlan {
        /// Folder of the store.
        folder: PathBuf,
        /// Which settings differ, what the store has and what was asked for.
        differences: String,
    },
    /// A folder that is not a store.
    #[error("{} is no store of preprocessed cases: {problem}", folder.display())]
    NoStore {
        /// The folder.
        folder: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
    /// A case that the store does not have, or has not in full.
    #[error("{} has no case `{case}`: preprocess it first", folder.display())]
    UnknownCase {
        /// Folder of the store.
        folder: PathBuf,
        /// The case.
        case: String,
    },
    /// A case identifier that cannot be a file name.
    #[error("`{case}` cannot name a case: expected a plain file name, not starting with a dot")]
    CaseName {
        /// The identifier.
        case: String,
    },
    /// A box that reaches beyond the case.
    #[error("case `{case}` has {shape} voxels, the box {asked:?} does not lie inside")]
    BoxOutside {
        /// The case.
        case: String,
        /// The box that was asked for.
        asked: CropBox,
        /// Shape of the preprocessed case.
        shape: Shape,
    },
    /// Arrays on disk that cannot be written or read, or were damaged.
    #[error("cannot {action} {}: {problem}", path.display())]
    Array {
        /// `write`, `read`.
        action: &'static str,
        /// Folder of the array.
        path: PathBuf,
        /// What the array library says.
        problem: String,
    },
    /// A file or folder of the store cannot be listed, written, removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `list`, `remove`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The threads that were asked for cannot be started.
    #[error("cannot start {threads} threads: {problem}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The operating system's answer.
        problem: String,
    },
    /// A fault of this program while it worked on a case; other cases are not affected.
    #[error("case `{case}`: internal fault: {problem}")]
    Internal {
        /// The case.
        case: String,
        /// What the fault was.
        problem: String,
    },
    /// A document is missing or wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A file of the case cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl PreprocessError {
    /// The same error with the file in which it was found, where only the case is known.
    pub(crate) fn in_files_of(mut self, raw: &RawCase) -> Self {
        match &mut self {
            Self::NonFinite { channel, file, .. } => {
                *file = raw.file_of_channel(*channel).map(Path::to_path_buf);
            }
            Self::LabelShape { file, .. } | Self::LabelValue { file, .. } => {
                file.clone_from(&raw.label);
            }
            _ => {}
        }
        self
    }
}

fn in_brackets(file: Option<&Path>) -> String {
    file.map(|path| format!(" ({})", path.display()))
        .unwrap_or_default()
}
