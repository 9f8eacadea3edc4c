//! Comparing the results of several methods on several datasets.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use indexmap::IndexMap;
use nnunet_draw::{BubbleChart, BubbleColumn, BubblePanel, ParallelPlot};
use nnunet_evaluate::compare::{
    CompareOptions, Comparison, DatasetScores, FingerprintComparison, FingerprintOf, Ranking,
    compare, figure, fingerprint_figure,
};
use nnunet_schema::{DatasetDescription, DatasetFingerprint, SchemaError, Summary, atomic};
use serde::Deserialize;

use super::PipelineError;

/// Panels side by side in a picture.
const PANELS_PER_ROW: usize = 4;

/// Where a method's result on a dataset is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResult {
    /// The method.
    pub method: String,
    /// The dataset.
    pub dataset: String,
    /// Its `summary.json`.
    pub summary: PathBuf,
}

impl FromStr for MethodResult {
    type Err = String;

    /// `METHOD=DATASET=FILE`; only the file may have a `=` in its name.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.splitn(3, '=').collect::<Vec<_>>().as_slice() {
            [method, dataset, file] if [method, dataset, file].iter().all(|p| !p.is_empty()) => {
                Ok(Self {
                    method: (*method).to_owned(),
                    dataset: (*dataset).to_owned(),
                    summary: PathBuf::from(file),
                })
            }
            _ => Err(format!(
                "`{text}` is not a result: expected METHOD=DATASET=FILE, e.g. \
                 plain=Liver=plain/liver/summary.json"
            )),
        }
    }
}

impl MethodResult {
    /// Reads a list of results, a TOML file with a table per method, in which each dataset has the
    /// path of a `summary.json`, seen from the file:
    ///
    /// ```toml
    /// [plain]
    /// Liver = "plain/liver/summary.json"
    /// Prostate = "plain/prostate/summary.json"
    ///
    /// ["no augmentation"]
    /// Liver = "no_augmentation/liver/summary.json"
    /// Prostate = "no_augmentation/prostate/summary.json"
    /// ```
    ///
    /// # Errors
    /// [`PipelineError::Description`] if it cannot be read or is something else.
    pub fn load_list(path: &Path) -> Result<Vec<Self>, PipelineError> {
        let methods: IndexMap<String, IndexMap<String, PathBuf>> = read_toml(path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let mut results = Vec::new();
        for (method, datasets) in methods {
            results.extend(datasets.into_iter().map(|(dataset, summary)| Self {
                method: method.clone(),
                dataset,
                summary: folder.join(summary),
            }));
        }
        Ok(results)
    }
}

/// Reads a TOML document.
pub(super) fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, PipelineError> {
    let description = |problem: String| PipelineError::Description {
        path: path.to_path_buf(),
        problem,
    };
    let text = fs::read_to_string(path).map_err(|error| description(error.to_string()))?;
    toml::from_str(&text).map_err(|error| description(error.to_string().trim_end().to_owned()))
}

/// Compares methods by their results, the datasets in the order in which they come.
///
/// # Errors
/// [`PipelineError::Schema`] if a summary cannot be read; [`PipelineError::Evaluate`] if the
/// results are not of the same methods on every dataset, or a dataset's not of the same cases and
/// classes, or there are fewer than two methods.
pub fn compare_results(
    results: &[MethodResult],
    options: &CompareOptions,
) -> Result<Comparison, PipelineError> {
    let mut datasets: IndexMap<&str, Vec<(String, Summary)>> = IndexMap::new();
    for result in results {
        let summary = Summary::load(&result.summary)?;
        let methods = datasets.entry(&result.dataset).or_default();
        methods.push((result.method.clone(), summary));
    }
    let scores = (datasets.iter())
        .map(|(dataset, methods)| DatasetScores::from_summaries(dataset, methods))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(compare(&scores, options)?)
}

/// The files of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparisonFiles {
    /// The whole document, JSON.
    pub document: PathBuf,
    /// The same as tables for people.
    pub tables: PathBuf,
    /// The figure, as SVG and as PNG.
    pub figures: [PathBuf; 2],
}

/// Writes a comparison as `comparison.json`, `comparison.txt` and, in the manner of the paper's
/// Figure 6, `ranks.svg` and `ranks.png` into a folder.
///
/// # Errors
/// If a file cannot be written, or the figure would be too large.
pub fn save_comparison(
    comparison: &Comparison,
    folder: &Path,
) -> Result<ComparisonFiles, PipelineError> {
    let files = ComparisonFiles {
        document: folder.join("comparison.json"),
        tables: folder.join("comparison.txt"),
        figures: ["ranks.svg", "ranks.png"].map(|name| folder.join(name)),
    };
    comparison.save(&files.document)?;
    write_text(&files.tables, &comparison.to_string())?;
    let [vectors, pixels] = &files.figures;
    write_text(vectors, &figure(comparison))?;
    chart(comparison).draw()?.save(pixels)?;
    Ok(files)
}

pub(super) fn write_text(path: &Path, text: &str) -> Result<(), SchemaError> {
    atomic::write_with(path, |file| file.write_all(text.as_bytes()))
}

/// A dataset whose fingerprint is compared: its name, and the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerprintFile {
    /// What it is called.
    pub dataset: String,
    /// Its `dataset_fingerprint.json`. The `dataset.json` beside it, if there is one, tells how
    /// many classes there are.
    pub fingerprint: PathBuf,
}

impl FingerprintFile {
    /// The name of a file is that of its folder.
    #[must_use]
    pub fn new(fingerprint: &Path) -> Self {
        let folder = fingerprint.parent().and_then(Path::file_name);
        let name = folder.or_else(|| fingerprint.file_stem());
        Self {
            dataset: name.map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            fingerprint: fingerprint.to_path_buf(),
        }
    }
}

/// Compares the fingerprints of datasets.
///
/// # Errors
/// [`PipelineError::Schema`] if a document cannot be read, [`PipelineError::Evaluate`] for fewer
/// than two.
pub fn compare_fingerprints(
    files: &[FingerprintFile],
) -> Result<FingerprintComparison, PipelineError> {
    let mut documents = Vec::with_capacity(files.len());
    for file in files {
        let fingerprint = DatasetFingerprint::load(&file.fingerprint)?;
        let beside = file.fingerprint.with_file_name("dataset.json");
        let description = match beside.is_file() {
            true => Some(DatasetDescription::load(&beside)?),
            false => None,
        };
        documents.push((&file.dataset, fingerprint, description));
    }
    let datasets = documents
        .iter()
        .map(|(dataset, fingerprint, description)| FingerprintOf {
            dataset,
            fingerprint,
            description: description.as_ref(),
        });
    Ok(FingerprintComparison::new(&datasets.collect::<Vec<_>>())?)
}

/// Writes a comparison of fingerprints as `fingerprints.json`, `fingerprints.txt` and, in the
/// manner of the paper's Figure 5, `fingerprints.svg` and `fingerprints.png` into a folder.
///
/// # Errors
/// If a file cannot be written, or the figure would be too large.
pub fn save_fingerprints(
    comparison: &FingerprintComparison,
    folder: &Path,
) -> Result<ComparisonFiles, PipelineError> {
    let files = ComparisonFiles {
        document: folder.join("fingerprints.json"),
        tables: folder.join("fingerprints.txt"),
        figures: ["fingerprints.svg", "fingerprints.png"].map(|name| folder.join(name)),
    };
    comparison.save(&files.document)?;
    write_text(&files.tables, &comparison.to_string())?;
    let [vectors, pixels] = &files.figures;
    write_text(vectors, &fingerprint_figure(comparison))?;
    let line = |(number, name): (usize, &String)| {
        let scores = comparison.properties.iter().map(|p| p.z_scores.get(number));
        let scores = scores.map(|z| z.copied().unwrap_or(f64::NAN));
        (name.clone(), scores.collect())
    };
    let plot = ParallelPlot {
        columns: (comparison.properties.iter())
            .map(|p| p.property.name().to_owned())
            .collect(),
        lines: comparison.datasets.iter().enumerate().map(line).collect(),
    };
    plot.draw()?.save(pixels)?;
    Ok(files)
}

fn chart(comparison: &Comparison) -> BubbleChart {
    let panel = |title: String, ranking: &Ranking| BubblePanel {
        title,
        columns: (ranking.methods.iter())
            .map(|method| BubbleColumn {
                name: method.method.clone(),
                shares: method.shares.clone(),
                interval: method.interval,
                rank: method.rank,
            })
            .collect(),
    };
    let datasets = comparison.datasets.iter();
    let mut panels: Vec<BubblePanel> = datasets
        .map(|d| panel(format!("{} ({} cases)", d.dataset, d.cases), &d.ranking))
        .collect();
    if let Some(overall) = &comparison.overall {
        panels.push(panel(format!("all {} datasets", panels.len()), overall));
    }
    BubbleChart {
        panels,
        panels_per_row: PANELS_PER_ROW,
    }
}

#[cfg(test)]
mod tests {
    use nnunet_evaluate::{Overlap, summarise};
    use nnunet_schema::summary::CaseMetrics;

    use super::*;

    /// A summary of ten cases with so many false voxels each, more in some.
    fn write(folder: &Path, method: &str, dataset: &str, wrong: u64) -> PathBuf {
        let cases = (0..10).map(|case: u64| {
            let overlap = Overlap {
                true_positive: 100,
                false_positive: wrong + case % 3,
                ..Overlap::default()
            };
            CaseMetrics {
                metrics: [("1".to_owned(), overlap.into())].into(),
                prediction_file: format!("{method}/{case}.nii.gz"),
                reference_file: format!("labels/{case}.nii.gz"),
            }
        });
        let path = folder.join(method).join(format!("{dataset}.json"));
        summarise(cases.collect()).unwrap().save(&path).unwrap();
        path
    }

    fn result(method: &str, dataset: &str, summary: PathBuf) -> MethodResult {
        MethodResult {
            method: method.to_owned(),
            dataset: dataset.to_owned(),
            summary,
        }
    }

    #[test]
    fn a_result_is_written_as_method_dataset_and_file() {
        let parsed: MethodResult = "a b=Liver=x=y/summary.json".parse().unwrap();
        assert_eq!(parsed, result("a b", "Liver", "x=y/summary.json".into()));
        for text in ["a=b", "a==c", "=b=c", ""] {
            assert!(
                text.parse::<MethodResult>()
                    .unwrap_err()
                    .contains("METHOD=DATASET=FILE")
            );
        }
    }

    #[test]
    fn a_list_gives_the_same_comparison_and_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let mut results = Vec::new();
        let mut list = String::new();
        for (method, wrong) in [("good", 5), ("less good", 40)] {
            list.push_str(&format!("[\"{method}\"]\n"));
            for dataset in ["Liver", "Prostate"] {
                let path = write(at, method, dataset, wrong);
                list.push_str(&format!("{dataset} = \"{method}/{dataset}.json\"\n"));
                results.push(result(method, dataset, path));
            }
        }
        let file = at.join("results.toml");
        fs::write(&file, list).unwrap();
        assert_eq!(MethodResult::load_list(&file).unwrap(), results);

        let comparison = compare_results(&results, &CompareOptions::default()).unwrap();
        let overall = comparison.overall.as_ref().unwrap();
        assert_eq!(overall.methods[0].shares, [1.0, 0.0]);
        let files = save_comparison(&comparison, &at.join("out")).unwrap();
        assert_eq!(Comparison::load(&files.document).unwrap(), comparison);
        let tables = fs::read_to_string(&files.tables).unwrap();
        assert!(tables.contains("all 2 datasets"), "{tables}");
        for figure in &files.figures {
            assert!(fs::metadata(figure).unwrap().len() > 500, "{figure:?}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let [a, b] = ["a", "b"].map(|method| write(at, method, "Liver", 5));
        let options = CompareOptions::default();
        let one = [result("a", "Liver", a.clone())];
        assert!(compare_results(&one, &options).is_err());
        let gap = [
            result("a", "Liver", a.clone()),
            result("b", "Liver", b),
            result("a", "Prostate", a.clone()),
        ];
        let error = compare_results(&gap, &options).unwrap_err().to_string();
        assert!(error.contains("Prostate"), "{error}");
        let absent = [result("a", "Liver", at.join("none.json"))];
        let error = compare_results(&absent, &options).unwrap_err().to_string();
        assert!(error.contains("none.json"), "{error}");

        let file = at.join("wrong.toml");
        fs::write(&file, "[a]\nLiver = 3\n").unwrap();
        let error = MethodResult::load_list(&file).unwrap_err().to_string();
        assert!(
            error.contains("wrong.toml") && error.contains("Liver"),
            "{error}"
        );
    }

    #[test]
    fn fingerprints_are_called_as_their_folders_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (name, edge) in [("Dataset001_A", 30), ("Dataset002_B", 90)] {
            let path = folder.path().join(name).join("dataset_fingerprint.json");
            let text = format!(
                r#"{{"foreground_intensity_properties_per_channel": {{}},
                "median_relative_size_after_cropping": 1.0,
                "shapes_after_crop": [[{edge}, 40, 50]], "spacings": [[1.0, 1.0, 2.0]]}}"#
            );
            write_text(&path, &text).unwrap();
            files.push(FingerprintFile::new(&path));
        }
        let comparison = compare_fingerprints(&files).unwrap();
        assert_eq!(comparison.datasets, ["Dataset001_A", "Dataset002_B"]);
        let written = save_fingerprints(&comparison, &folder.path().join("out")).unwrap();
        for figure in &written.figures {
            assert!(fs::metadata(figure).unwrap().len() > 500, "{figure:?}");
        }
        let error = compare_fingerprints(&files[..1]).unwrap_err().to_string();
        assert!(error.contains("two or more"), "{error}");
    }
}
