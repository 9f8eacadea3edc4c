use std::fmt;
use std::path::PathBuf;

use nnunet_schema::abridged;

/// Names that a message lists before it only counts them.
const SHOWN: usize = 10;

/// What can go wrong while models are exported or installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// There is no model to export.
    #[error("nothing to export from {}: {reason}", folder.display())]
    NothingToExport {
        /// The folder of the dataset's models.
        folder: PathBuf,
        /// Why, and what to do about it.
        reason: String,
    },
    /// A model lacks something without which nobody could predict with it.
    #[error("{} cannot be exported: {problem}", folder.display())]
    Incomplete {
        /// The model folder.
        folder: PathBuf,
        /// What is missing, and what to do about it.
        problem: String,
    },
    /// The work was stopped, and what it had written removed.
    #[error("stopped before the end; nothing is left of it")]
    Stopped,
    /// An archive that cannot be read or written.
    #[error("{}: {problem}", archive.display())]
    Archive {
        /// The file.
        archive: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An archive with an entry that no export has, and that may do harm.
    #[error(
        "{} is refused for its entry `{entry}`: {problem}. Nothing of it was installed; get the \
         file from whom you trust", archive.display()
    )]
    Refused {
        /// The file.
        archive: PathBuf,
        /// The entry as the archive names it, control characters escaped.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An archive that holds no models, or models that cannot be used.
    #[error("{} holds no usable model: {problem}", archive.display())]
    NoModel {
        /// The file.
        archive: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// Files of an archive are not as its list of checksums has them.
    #[error(
        "{} is damaged: {}. Nothing of it was installed; copy it anew",
        archive.display(),
        abridged(damages, SHOWN)
    )]
    Damaged {
        /// The file.
        archive: PathBuf,
        /// Every file that is not as it should be.
        damages: Vec<Damage>,
    },
    /// Where models would be installed there are some already.
    #[error(
        "{} {} there already: replace what is there with `--overwrite`, or install into another \
         folder of results with `--results`",
        abridged(paths.iter().map(|path| path.display()), SHOWN),
        if paths.len() == 1 { "is" } else { "are" }
    )]
    Occupied {
        /// What is there.
        paths: Vec<PathBuf>,
    },
}

/// A file of an archive that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's path in the archive.
    pub file: String,
    /// What is wrong with it.
    pub kind: DamageKind,
}

/// What may be wrong with a file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// Its bytes are others than those of the checksum.
    Altered,
    /// It is listed and not there.
    Missing,
    /// It is there and not listed.
    Unlisted,
    /// It cannot be read.
    Unreadable(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.kind {
            DamageKind::Altered => write!(f, "`{file}` is altered"),
            DamageKind::Missing => write!(f, "`{file}` is missing"),
            DamageKind::Unlisted => write!(f, "`{file}` is not in its list of checksums"),
            DamageKind::Unreadable(why) => write!(f, "`{file}` cannot be read ({why})"),
        }
    }
}
