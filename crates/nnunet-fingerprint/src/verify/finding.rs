use std::fmt;
use std::path::{Path, PathBuf};

use nnunet_schema::Shape;
use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; the dataset can be used.
    Warning,
    /// The dataset cannot be used as it is.
    Error,
}

/// Something that is wrong with a dataset, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The case, if it is one case's.
    pub case: Option<String>,
    /// The file, if it is one file's.
    pub file: Option<PathBuf>,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: FindingKind,
}

impl Finding {
    pub(super) const fn of_dataset(kind: FindingKind) -> Self {
        Self {
            case: None,
            file: None,
            kind,
        }
    }

    pub(super) fn of_case(case: &str, kind: FindingKind) -> Self {
        Self {
            case: Some(case.to_owned()),
            file: None,
            kind,
        }
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_path_buf());
        self
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

/// What can be wrong with a dataset.
///
/// Shapes, spacings and voxels are `(z, y, x)`; world positions are LPS, millimetres.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// There are no training cases at all.
    NoCases,
    /// There are more or fewer cases than `numTraining` says.
    CaseCount {
        /// `numTraining`.
        expected: usize,
        /// Number of cases.
        found: usize,
    },
    /// The labels of `dataset.json` are not consecutive integers.
    LabelGap {
        /// All of them, ascending, the ignore label last.
        labels: Vec<u16>,
    },
    /// An image without a channel number in its name; it is not used.
    Misnamed {
        /// The dataset's file ending.
        ending: String,
    },
    /// A label map that belongs to no case; it is not used.
    LabelWithoutImage,
    /// The file of a channel is not there.
    MissingChannel {
        /// The channel, counted from 0.
        channel: usize,
    },
    /// A file of a channel that the dataset does not have.
    SurplusChannel {
        /// Number of channels of the dataset.
        channels: usize,
    },
    /// The images hold more or fewer channels than the dataset has.
    ChannelCount {
        /// Number of channels of the dataset.
        expected: usize,
        /// Number of channels in the case's files.
        found: usize,
    },
    /// The label map is not there.
    MissingLabel,
    /// The file is damaged or of a kind that is not supported.
    Unreadable {
        /// The reader's answer.
        reason: String,
    },
    /// A channel has another shape than the first one.
    ChannelShape {
        /// Shape of the first channel.
        expected: Shape,
        /// Shape of this one.
        found: Shape,
    },
    /// A channel has another spacing than the first one.
    ChannelSpacing {
        /// Spacing of the first channel, mm.
        expected: [f64; 3],
        /// Spacing of this one, mm.
        found: [f64; 3],
    },
    /// The label map has another shape than the image.
    LabelShape {
        /// Shape of the image.
        expected: Shape,
        /// Shape of the label map.
        found: Shape,
    },
    /// The label map has another spacing than the image.
    LabelSpacing {
        /// Spacing of the image, mm.
        expected: [f64; 3],
        /// Spacing of the label map, mm.
        found: [f64; 3],
    },
    /// Intensities that are NaN or infinite.
    NotFinite {
        /// Number of such voxels.
        count: usize,
        /// The first of them.
        voxel: [usize; 3],
    },
    /// Labels that `dataset.json` does not have.
    UnknownLabels {
        /// Each with the number of its voxels, ascending.
        found: Vec<(i16, usize)>,
        /// The labels of `dataset.json`, ascending, the ignore label last.
        expected: Vec<u16>,
    },
    /// The file starts at another world position than the case's first image.
    Origin {
        /// Position of the first voxel of the first image, `(x, y, z)`.
        expected: [f64; 3],
        /// Position of the first voxel of this file.
        found: [f64; 3],
    },
    /// The axes of the file point elsewhere than those of the case's first image.
    Direction {
        /// Direction of the first image, rows `(x, y, z)`, columns the axes x, y, z.
        expected: [[f64; 3]; 3],
        /// Direction of this file.
        found: [[f64; 3]; 3],
    },
    /// The axes of the file are not at right angles; the nearest ones that are take their place.
    Skewed {
        /// The largest deviation of two axes from a right angle, degrees.
        degrees: f64,
    },
}

impl FindingKind {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Misnamed { .. }
            | Self::LabelWithoutImage
            | Self::Origin { .. }
            | Self::Direction { .. }
            | Self::Skewed { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One line: `error: case `x`: path: what is wrong`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity())?;
        if let Some(case) = &self.case {
            write!(f, "case `{case}`: ")?;
        }
        // The reader's answer names the file itself.
        if let (Some(file), false) = (
            &self.file,
            matches!(self.kind, FindingKind::Unreadable { .. }),
        ) {
            write!(f, "{}: ", file.display())?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCases => write!(f, "the dataset has no training cases"),
            Self::CaseCount { expected, found } => write!(
                f,
                "`numTraining` of dataset.json is {expected}, but there are {found} cases"
            ),
            Self::LabelGap { labels } => write!(
                f,
                "the labels of dataset.json are {labels:?}, expected consecutive integers from 0"
            ),
            Self::Misnamed { ending } => write!(
                f,
                "not used: its name has no channel number, expected CASE_0000{ending}"
            ),
            Self::LabelWithoutImage => write!(f, "not used: there is no image for this label map"),
            Self::MissingChannel { channel } => write!(f, "channel {channel} is missing"),
            Self::SurplusChannel { channels } => {
                write!(f, "a channel too many: the dataset has {channels}")
            }
            Self::ChannelCount { expected, found } => write!(
                f,
                "the images hold {found} channels, the dataset has {expected}"
            ),
            Self::MissingLabel => write!(f, "the label map is missing"),
            Self::Unreadable { reason } => f.write_str(reason),
            Self::ChannelShape { expected, found } => {
                write!(f, "has {found} voxels, the first channel has {expected}")
            }
            Self::ChannelSpacing { expected, found } => write!(
                f,
                "has the spacing {found:?} mm, the first channel has {expected:?}"
            ),
            Self::LabelShape { expected, found } => {
                write!(f, "has {found} voxels, the image has {expected}")
            }
            Self::LabelSpacing { expected, found } => write!(
                f,
                "has the spacing {found:?} mm, the image has {expected:?}"
            ),
            Self::NotFinite { count, voxel } => write!(
                f,
                "{count} voxels are NaN or infinite, the first at {voxel:?} (z, y, x)"
            ),
            Self::UnknownLabels { found, expected } => {
                let found: Vec<String> = (found.iter())
                    .map(|(label, voxels)| format!("{label} ({voxels} voxels)"))
                    .collect();
                write!(
                    f,
                    "holds labels that dataset.json does not have: {}; it has {expected:?}",
                    found.join(", ")
                )
            }
            Self::Origin { expected, found } => write!(
                f,
                "its origin is {found:?} mm (x, y, z), that of the first image {expected:?}"
            ),
            Self::Direction { expected, found } => write!(
                f,
                "its direction is {found:?}, that of the first image {expected:?}"
            ),
            Self::Skewed { degrees } => write!(
                f,
                "its axes are {degrees:.2}° from right angles; the nearest ones that are take \
                 their place"
            ),
        }
    }
}
