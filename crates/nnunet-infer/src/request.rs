//! What is asked of a run over a folder.

use std::path::{Path, PathBuf};

use crate::InferError;

/// A folder to predict: what, to where, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderRequest {
    /// Folder of images, `CASE_0000.nii.gz`, one per channel.
    pub input: PathBuf,
    /// Folder for the label maps, `CASE.nii.gz`.
    pub output: PathBuf,
    /// Which of the cases.
    pub shard: Shard,
    /// For the second stage of a cascade: the folder of the label maps of the first,
    /// `CASE.nii.gz`, on the grid of the images.
    pub previous_stage: Option<PathBuf>,
    /// Whether a [`RunReport`](crate::RunReport) is written beside the label maps.
    pub report: bool,
}

impl FolderRequest {
    /// All cases of `input`.
    #[must_use]
    pub fn new(input: &Path, output: &Path) -> Self {
        Self {
            input: input.to_path_buf(),
            output: output.to_path_buf(),
            shard: Shard::default(),
            previous_stage: None,
            report: false,
        }
    }

    /// Where the report goes: `predict_report.json`, or, of a part, with its number.
    #[must_use]
    pub fn report_path(&self) -> PathBuf {
        let Shard { index, count } = self.shard;
        self.output.join(match count {
            1 => "predict_report.json".to_owned(),
            _ => format!("predict_report_{index}_of_{count}.json"),
        })
    }
}

/// Part of the cases of a folder, so that several runs can share them: every `count`th from
/// `index` on, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl Shard {
    /// Part `index`, from 0, of `count`.
    ///
    /// # Errors
    /// [`InferError::Shard`] unless `index` is below `count`.
    pub const fn new(index: usize, count: usize) -> Result<Self, InferError> {
        if index < count {
            return Ok(Self { index, count });
        }
        Err(InferError::Shard { index, count })
    }

    /// Those of `cases` that belong to this part.
    pub fn of<T>(self, cases: Vec<T>) -> impl Iterator<Item = T> {
        cases.into_iter().skip(self.index).step_by(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_cases_and_leave_none_out() {
        let cases: Vec<usize> = (0..10).collect();
        let mut all: Vec<usize> = (0..3)
            .flat_map(|index| Shard::new(index, 3).unwrap().of(cases.clone()))
            .collect();
        assert_eq!(all[..4], [0, 3, 6, 9]);
        all.sort_unstable();
        assert_eq!(all, cases);
        for (index, count) in [(3, 3), (0, 0)] {
            assert!(Shard::new(index, count).is_err());
        }
    }
}
