use std::path::Path;

use nnunet_image::FormatRegistry;
use nnunet_schema::Progress;
use rayon::prelude::*;

use super::Postprocessing;
use crate::EvaluateError;
use crate::pairs::{all_or_failures, label_files};

/// What postprocessing did to one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The case.
    pub case: String,
    /// Voxels that became background.
    pub removed: u64,
}

/// Carries out the steps on every label map of `input` whose name ends so, and writes the outcome
/// under the same name into `output`, which may be the same folder.
///
/// Cases are worked on in parallel in the rayon pool of the caller, one label map per thread; each
/// file is written whole or not at all. Cases that fail don't keep the others from being written.
///
/// # Errors
/// [`EvaluateError::NoPredictions`] if there is no such file; [`EvaluateError::File`] for a case
/// that cannot be read or written, [`EvaluateError::Several`] for more than one.
pub fn apply_to_folder(
    postprocessing: &Postprocessing,
    input: &Path,
    output: &Path,
    ending: &str,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<Vec<Cleaned>, EvaluateError> {
    let files: Vec<String> = label_files(input, ending)?.into_iter().collect();
    if files.is_empty() {
        return Err(EvaluateError::NoPredictions {
            folder: input.to_path_buf(),
            ending: ending.to_owned(),
        });
    }
    let task = progress.start("postprocess", files.len());
    let clean = |file: &String| -> Result<u64, EvaluateError> {
        let mut map = formats.read_labels(&input.join(file))?;
        let removed = postprocessing.apply(&mut map)?;
        formats.write_labels(&output.join(file), &map)?;
        Ok(removed)
    };
    let results = (files.par_iter())
        .map(|file| {
            let case = file.strip_suffix(ending).unwrap_or(file).to_owned();
            let result = clean(file);
            task.step(&case);
            match result {
                Ok(removed) => Ok(Cleaned { case, removed }),
                Err(source) => Err(EvaluateError::File {
                    case,
                    path: input.join(file),
                    source: Box::new(source),
                }),
            }
        })
        .collect();
    all_or_failures(results)
}
