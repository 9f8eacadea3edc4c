use std::path::PathBuf;

use nnunet_schema::{SchemaError, Shape};

/// What can go wrong between a file and an image, or in the folder of a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file or folder could not be opened, read or listed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `open`, `read`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// No registered format has this file ending.
    #[error("`{asked}` has no known file ending; known are: {known}")]
    UnknownEnding {
        /// The path or ending that was asked for.
        asked: String,
        /// The endings that are registered.
        known: String,
    },
    /// The file is cut short, or what it says of itself cannot be true.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// The file is whole, but of a kind that is not read here.
    #[error("{} cannot be used: {problem}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds, what is read instead, and what to do.
        problem: String,
    },
    /// The image needs more memory than there is.
    #[error("{}: no memory for {bytes} bytes of voxels", path.display())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes that were asked for.
        bytes: usize,
    },
    /// A label map holds something that is not an integer from −32768 to 32767.
    #[error(
        "{}: voxel {voxel:?} (z, y, x) has the label {value}, expected an integer \
         from -32768 to 32767", path.display()
    )]
    LabelValue {
        /// The file.
        path: PathBuf,
        /// The first voxel that is wrong, `(z, y, x)`.
        voxel: [usize; 3],
        /// Its value.
        value: f64,
    },
    /// A label map was wanted, but the file has several channels.
    #[error("{}: a label map has one channel, this file has {channels}", path.display())]
    LabelChannels {
        /// The file.
        path: PathBuf,
        /// How many it has.
        channels: usize,
    },
    /// The image cannot be stored in this format.
    #[error("cannot write {}: {problem}", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        problem: String,
    },
    /// The channels of a case have different shapes.
    #[error(
        "case `{case}`: {} has {found} voxels, but the channel before it has {expected}",
        path.display()
    )]
    ChannelShape {
        /// The case.
        case: String,
        /// The file that differs.
        path: PathBuf,
        /// Shape of the first channel.
        expected: Shape,
        /// Shape of this channel.
        found: Shape,
    },
    /// The channels of a case have different spacings.
    #[error(
        "case `{case}`: {} has the spacing {found:?}, but the channel before it has {expected:?} \
         (mm; z, y, x)", path.display()
    )]
    ChannelSpacing {
        /// The case.
        case: String,
        /// The file that differs.
        path: PathBuf,
        /// Spacing of the first channel, `(z, y, x)`.
        expected: [f64; 3],
        /// Spacing of this channel, `(z, y, x)`.
        found: [f64; 3],
    },
    /// A case without any image.
    #[error("case `{case}` lists no image")]
    NoImages {
        /// The case.
        case: String,
    },
    /// A folder has no image of the dataset's kind.
    #[error(
        "{} has no images: expected files named like CASE_0000{ending}{}",
        path.display(), instead.as_ref().map(|name| format!(", found e.g. `{name}`"))
            .unwrap_or_default()
    )]
    NoCases {
        /// The folder.
        path: PathBuf,
        /// The file ending of the dataset.
        ending: String,
        /// A file with that ending but without a channel number, if there is one.
        instead: Option<String>,
    },
    /// A file with the right ending whose name says neither case nor channel.
    #[error(
        "{} has no channel number: expected a name like CASE_0000{ending}; rename or remove it",
        path.display()
    )]
    Misnamed {
        /// The file.
        path: PathBuf,
        /// The file ending of the dataset.
        ending: String,
    },
    /// A case lacks one of the dataset's channels.
    #[error("case `{case}` lacks channel {channel}: expected {}", expected.display())]
    MissingChannel {
        /// The case.
        case: String,
        /// The channel, counted from 0.
        channel: usize,
        /// The file that should be there.
        expected: PathBuf,
    },
    /// A case has more channels than the dataset.
    #[error("case `{case}` has the file {}, but there are only {channels} channels", path.display())]
    SurplusChannel {
        /// The case.
        case: String,
        /// The file that is too many.
        path: PathBuf,
        /// Number of channels of the dataset.
        channels: usize,
    },
    /// A training case has no label map.
    #[error("case `{case}` has no label map: expected {}", expected.display())]
    MissingLabel {
        /// The case.
        case: String,
        /// The file that should be there.
        expected: PathBuf,
    },
    /// A dataset is to be made where there is one already.
    #[error(
        "cannot make {}: {} is there already and not empty; remove it or choose another number",
        target.display(), existing.display()
    )]
    DatasetExists {
        /// The folder that is to be made.
        target: PathBuf,
        /// The folder with the same number.
        existing: PathBuf,
    },
    /// A document of the dataset is missing or wrong, or a file could not be written.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
