//! Datasets side by side: how their fingerprints differ.

use std::fmt;
use std::path::Path;

use nnunet_schema::{DatasetDescription, DatasetFingerprint, Shape, python_json};
use serde::{Deserialize, Serialize};

use crate::EvaluateError;
use crate::summarise::nan_mean;
use crate::surface::percentile;

/// A dataset that takes part.
#[derive(Clone, Copy, Debug)]
pub struct FingerprintOf<'a> {
    /// Its name.
    pub dataset: &'a str,
    /// Its fingerprint.
    pub fingerprint: &'a DatasetFingerprint,
    /// What tells how many classes it has, if it is at hand.
    pub description: Option<&'a DatasetDescription>,
}

/// What is compared. Of properties that span orders of magnitude the decimal logarithm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Property {
    /// Training cases.
    Cases,
    /// Channels of an image.
    Channels,
    /// Foreground labels or regions.
    Classes,
    /// Voxels of a case after cropping, median.
    Voxels,
    /// Longest edge of a case after cropping, voxels, median.
    LongestEdge,
    /// Shortest edge of a case after cropping, voxels, median.
    ShortestEdge,
    /// Finest spacing of a case, mm, median.
    FinestSpacing,
    /// Coarsest spacing of a case, mm, median.
    CoarsestSpacing,
    /// Coarsest by finest spacing of a case, median.
    Anisotropy,
    /// How much cases differ in size: the standard deviation of the decimal logarithm of their
    /// voxels.
    SizeVariation,
    /// How much cases differ in resolution: the same of the volumes of their voxels.
    SpacingVariation,
    /// Part of the volume that cropping to nonzero leaves, median.
    KeptByCropping,
    /// How much the mean of the foreground's intensities is above their median, in standard
    /// deviations; mean over the channels.
    Skewness,
    /// How far the 0.5th and the 99.5th percentile of the foreground's intensities are apart, in
    /// standard deviations; mean over the channels.
    IntensityRange,
}

impl Property {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Cases,
        Self::Channels,
        Self::Classes,
        Self::Voxels,
        Self::LongestEdge,
        Self::ShortestEdge,
        Self::FinestSpacing,
        Self::CoarsestSpacing,
        Self::Anisotropy,
        Self::SizeVariation,
        Self::SpacingVariation,
        Self::KeptByCropping,
        Self::Skewness,
        Self::IntensityRange,
    ];

    /// A few words for a heading.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cases => "cases",
            Self::Channels => "channels",
            Self::Classes => "classes",
            Self::Voxels => "voxels",
            Self::LongestEdge => "longest edge",
            Self::ShortestEdge => "shortest edge",
            Self::FinestSpacing => "finest spacing",
            Self::CoarsestSpacing => "coarsest spacing",
            Self::Anisotropy => "anisotropy",
            Self::SizeVariation => "size variation",
            Self::SpacingVariation => "spacing variation",
            Self::KeptByCropping => "kept by cropping",
            Self::Skewness => "skewness",
            Self::IntensityRange => "intensity range",
        }
    }

    /// Whether its logarithm is compared.
    #[must_use]
    pub const fn is_logarithmic(self) -> bool {
        matches!(
            self,
            Self::Cases
                | Self::Voxels
                | Self::LongestEdge
                | Self::ShortestEdge
                | Self::FinestSpacing
                | Self::CoarsestSpacing
                | Self::Anisotropy
        )
    }

    /// The value of a dataset; NaN where it is not known.
    #[must_use]
    pub fn of(self, dataset: &FingerprintOf<'_>) -> f64 {
        let fingerprint = dataset.fingerprint;
        let shapes = &fingerprint.shapes_after_crop;
        let edge = |of: fn(&[f64; 3]) -> f64| {
            median(shapes.iter().map(|s| of(&s.voxels().map(|v| v as f64))))
        };
        let spacing =
            |of: fn(&[f64; 3]) -> f64| median(fingerprint.spacings.iter().map(|s| of(&s.mm())));
        let channels = fingerprint
            .foreground_intensity_properties_per_channel
            .values();
        match self {
            Self::Cases => shapes.len() as f64,
            Self::Channels => channels.len() as f64,
            Self::Classes => (dataset.description)
                .and_then(|description| crate::Classes::of(description).ok())
                .map_or(f64::NAN, |classes| classes.classes().len() as f64),
            Self::Voxels => median(voxels(shapes)),
            Self::LongestEdge => edge(largest),
            Self::ShortestEdge => edge(smallest),
            Self::FinestSpacing => spacing(smallest),
            Self::CoarsestSpacing => spacing(largest),
            Self::Anisotropy => spacing(|mm| largest(mm) / smallest(mm)),
            Self::SizeVariation => deviation_of_logarithms(voxels(shapes)),
            Self::SpacingVariation => {
                let volumes = fingerprint.spacings.iter().map(|s| s.mm().iter().product());
                deviation_of_logarithms(volumes)
            }
            Self::KeptByCropping => fingerprint.median_relative_size_after_cropping,
            Self::Skewness => mean(channels.map(|c| (c.mean - c.median) / c.std)),
            Self::IntensityRange => {
                mean(channels.map(|c| (c.percentile_99_5 - c.percentile_00_5) / c.std))
            }
        }
    }
}

/// Fingerprints of several datasets, each property in standard deviations from its mean over the
/// datasets (paper, Figure 5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FingerprintComparison {
    /// The datasets, in the order in which they were given.
    pub datasets: Vec<String>,
    /// The properties.
    pub properties: Vec<PropertyScores>,
}

/// A property of all datasets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyScores {
    /// Which.
    pub property: Property,
    /// The values, one per dataset.
    #[serde(with = "floats")]
    pub values: Vec<f64>,
    /// How many standard deviations (of the datasets that have the property) a dataset is above
    /// the mean; 0 where all are alike, NaN where the value is not known. Of logarithmic
    /// properties that of the logarithms.
    #[serde(with = "floats")]
    pub z_scores: Vec<f64>,
}

impl FingerprintComparison {
    /// Compares datasets.
    ///
    /// # Errors
    /// [`EvaluateError::NothingToSelect`] for fewer than two datasets.
    pub fn new(datasets: &[FingerprintOf<'_>]) -> Result<Self, EvaluateError> {
        if datasets.len() < 2 {
            return Err(EvaluateError::NothingToSelect {
                reason: format!(
                    "{} fingerprints are given, a comparison needs two or more",
                    datasets.len()
                ),
            });
        }
        let scores = |property: Property| {
            let values: Vec<f64> = datasets.iter().map(|d| property.of(d)).collect();
            let scaled = values.iter().map(|value| match property.is_logarithmic() {
                true => value.log10(),
                false => *value,
            });
            PropertyScores {
                property,
                z_scores: z_scores(&scaled.collect::<Vec<f64>>()),
                values,
            }
        };
        Ok(Self {
            datasets: datasets.iter().map(|d| d.dataset.to_owned()).collect(),
            properties: Property::ALL.map(scores).into(),
        })
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), EvaluateError> {
        Ok(python_json::save(path, self)?)
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, EvaluateError> {
        Ok(python_json::load(path)?)
    }
}

impl fmt::Display for FingerprintComparison {
    /// A table: a line per property, a column per dataset, each value with its z-score.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDEST_NUMBER: usize = 18;
        let widths: Vec<usize> = (self.datasets.iter())
            .map(|name| name.chars().count().max(WIDEST_NUMBER))
            .collect();
        write!(f, "{:<17}", "property")?;
        for (name, width) in self.datasets.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        writeln!(f)?;
        for row in &self.properties {
            write!(f, "{:<17}", row.property.name())?;
            for ((value, z), width) in row.values.iter().zip(&row.z_scores).zip(&widths) {
                let text = match value.is_finite() {
                    true => format!("{} ({z:+.2})", shortened(*value)),
                    false => "–".to_owned(),
                };
                write!(f, "  {text:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A number with three digits behind the point, or none if it is large or whole.
fn shortened(value: f64) -> String {
    if value.abs() >= 1000.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

fn voxels(shapes: &[Shape]) -> impl Iterator<Item = f64> {
    shapes.iter().map(|shape| shape.volume() as f64)
}

fn largest(values: &[f64; 3]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn smallest(values: &[f64; 3]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    percentile(&values, 50.0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    nan_mean(&finite)
}

fn deviation_of_logarithms(values: impl Iterator<Item = f64>) -> f64 {
    let logarithms: Vec<f64> = values.map(f64::log10).collect();
    deviation(&logarithms)
}

/// The standard deviation (divisor n) of the values that are numbers.
fn deviation(values: &[f64]) -> f64 {
    let centre = nan_mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - centre).powi(2)).collect();
    nan_mean(&squares).sqrt()
}

fn z_scores(values: &[f64]) -> Vec<f64> {
    let (centre, spread) = (nan_mean(values), deviation(values));
    // Equal values differ by the rounding of their mean at most.
    let are_alike = spread <= 1e-12 * centre.abs().max(1.0);
    let score = |value: &f64| match (value.is_nan(), are_alike) {
        (true, _) => f64::NAN,
        (false, true) => 0.0,
        (false, false) => (value - centre) / spread,
    };
    values.iter().map(score).collect()
}

/// Lists of numbers, of which some may be NaN.
mod floats {
    use nnunet_schema::python_json;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Float(#[serde(with = "python_json::float")] f64);

    pub(super) fn serialize<S: Serializer>(values: &[f64], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(values.iter().map(|value| Float(*value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Float>::deserialize(input)?;
        Ok(values.into_iter().map(|value| value.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(cases: usize, edge: usize, coarse_mm: f64) -> DatasetFingerprint {
        let shapes = vec![[edge / 2, edge, edge]; cases];
        let spacings = vec![[coarse_mm, 1.0, 1.0]; cases];
        let text = document(&shapes, &spacings);
        python_json::parse(&text).unwrap()
    }

    fn document(shapes: &[[usize; 3]], spacings: &[[f64; 3]]) -> String {
        format!(
            r#"{{"foreground_intensity_properties_per_channel": {{"0": {{"max": 9.0, "mean": 3.0,
            "median": 2.0, "min": 0.0, "percentile_00_5": 1.0, "percentile_99_5": 7.0,
            "std": 2.0}}}}, "median_relative_size_after_cropping": 1.0,
            "shapes_after_crop": {shapes:?}, "spacings": {spacings:?}}}"#
        )
    }

    fn compared() -> FingerprintComparison {
        let prints = [
            fingerprint(10, 100, 1.0),
            fingerprint(100, 100, 2.0),
            fingerprint(1000, 100, 4.0),
        ];
        let text = r#"{"channel_names": {"0": "CT"}, "numTraining": 3, "file_ending": ".nii.gz",
            "labels": {"background": 0, "a": 1, "b": 2}}"#;
        let description = python_json::parse(text).unwrap();
        let of = |number: usize, description| FingerprintOf {
            dataset: ["A", "B", "C"][number],
            fingerprint: &prints[number],
            description,
        };
        FingerprintComparison::new(&[of(0, Some(&description)), of(1, None), of(2, None)]).unwrap()
    }

    fn row(comparison: &FingerprintComparison, property: Property) -> PropertyScores {
        let mut rows = comparison.properties.iter();
        rows.find(|row| row.property == property).unwrap().clone()
    }

    #[test]
    fn values_become_standard_deviations_from_their_mean() {
        let comparison = compared();
        let cases = row(&comparison, Property::Cases);
        assert_eq!(cases.values, [10.0, 100.0, 1000.0]);
        // Logarithms 1, 2, 3: the deviation is the root of two thirds.
        let outer = 1.5_f64.sqrt();
        for (found, wanted) in cases.z_scores.iter().zip([-outer, 0.0, outer]) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert_eq!(
            row(&comparison, Property::Anisotropy).values,
            [1.0, 2.0, 4.0]
        );
        assert_eq!(row(&comparison, Property::Voxels).z_scores, [0.0; 3]);
        assert_eq!(row(&comparison, Property::Skewness).values, [0.5; 3]);
        assert_eq!(row(&comparison, Property::IntensityRange).values, [3.0; 3]);
        let classes = row(&comparison, Property::Classes);
        assert_eq!((classes.values[0], classes.z_scores[0]), (2.0, 0.0));
        assert!(classes.z_scores[1].is_nan());
    }

    #[test]
    fn the_document_reads_back_and_the_table_has_all() {
        let comparison = compared();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprints.json");
        comparison.save(&path).unwrap();
        let read = FingerprintComparison::load(&path).unwrap();
        // Debug, as NaN is not equal to itself.
        assert_eq!(format!("{read:?}"), format!("{comparison:?}"));
        let table = comparison.to_string();
        assert_eq!(table.lines().count(), 1 + Property::ALL.len());
        assert!(table.contains("1000 (+1.22)"), "{table}");
    }

    #[test]
    fn one_dataset_is_no_comparison() {
        assert!(FingerprintComparison::new(&[]).is_err());
    }
}
