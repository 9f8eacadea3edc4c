//! The check of a dataset's integrity: everything that is wrong with it, not just the first thing.

mod case;
mod finding;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use nnunet_image::{FormatRegistry, RawDataset};
use nnunet_schema::{LabelScheme, Progress, layout};
use rayon::prelude::*;
use serde::Serialize;

use crate::FingerprintError;

pub use finding::{Finding, FindingKind, Severity};

/// The result of [`verify`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Name of the dataset.
    pub dataset: String,
    /// Number of cases that were looked at.
    pub cases: usize,
    /// What was found: of the dataset first, then case by case.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether the dataset can be used: there are no errors, though perhaps warnings.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The findings that make the dataset unusable.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Error)
    }

    /// The findings that someone should look at.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Warning)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.severity() == severity)
    }
}

/// Checks a dataset: its description, that all files are there and readable, and that images and
/// label maps fit each other and the description.
///
/// Take the dataset from [`RawDataset::scan`], which does not stop at missing files. Cases run in
/// parallel on the current rayon pool, each with one channel and its label map in memory at a
/// time. Errors are what nnU-Net's own check stops at, and files that cannot be read.
///
/// # Errors
/// [`FingerprintError::Schema`] if the labels of `dataset.json` contradict each other,
/// [`FingerprintError::Image`] if no format is known for the dataset's file ending. What is wrong
/// with the files is not an error but a finding.
pub fn verify(
    dataset: &RawDataset,
    registry: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<VerifyReport, FingerprintError> {
    let scheme = dataset.description.label_scheme()?;
    registry.for_dataset(&dataset.description)?;
    let mut findings = of_dataset(dataset, &scheme);
    let task = progress.start("verify", dataset.cases.len());
    let of_cases: Vec<Vec<Finding>> = (dataset.cases.par_iter())
        .map(|case| {
            let findings = case::check(case, dataset, &scheme, registry);
            task.step(&case.id);
            findings
        })
        .collect();
    findings.extend(of_cases.into_iter().flatten());
    Ok(VerifyReport {
        dataset: dataset.name.clone(),
        cases: dataset.cases.len(),
        findings,
    })
}

fn of_dataset(dataset: &RawDataset, scheme: &LabelScheme) -> Vec<Finding> {
    let mut findings = Vec::new();
    let expected = dataset.description.num_training;
    if dataset.cases.is_empty() {
        findings.push(Finding::of_dataset(FindingKind::NoCases));
    } else if dataset.cases.len() != expected {
        findings.push(Finding::of_dataset(FindingKind::CaseCount {
            expected,
            found: dataset.cases.len(),
        }));
    }
    let labels: Vec<u16> = (scheme.all_labels().iter().copied())
        .chain(scheme.ignore_label())
        .collect();
    if labels
        .array_windows()
        .any(|[a, b]| b.saturating_sub(*a) != 1)
    {
        findings.push(Finding::of_dataset(FindingKind::LabelGap { labels }));
    }
    findings.extend(dataset.misnamed.iter().map(|path| {
        Finding::of_dataset(FindingKind::Misnamed {
            ending: dataset.description.file_ending.clone(),
        })
        .in_file(path)
    }));
    findings.extend(
        labels_without_images(dataset)
            .into_iter()
            .map(|path| Finding::of_dataset(FindingKind::LabelWithoutImage).in_file(&path)),
    );
    findings
}

/// Label maps in the dataset's folder that belong to no case, sorted.
fn labels_without_images(dataset: &RawDataset) -> Vec<PathBuf> {
    let used: BTreeSet<_> = dataset
        .cases
        .iter()
        .filter_map(|case| case.label.as_ref())
        .collect();
    let Ok(entries) = fs::read_dir(layout::training_labels(&dataset.folder)) else {
        return Vec::new();
    };
    let is_label = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| {
            name.ends_with(&dataset.description.file_ending) && !name.starts_with('.')
        })
    };
    let mut unused: Vec<PathBuf> = (entries.filter_map(Result::ok))
        .map(|entry| entry.path())
        .filter(|path| is_label(path) && !used.contains(path))
        .collect();
    unused.sort();
    unused
}
