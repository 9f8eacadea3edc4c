use serde::Serialize;

use super::Part;

/// The facts about the images of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fingerprint {
    /// Training cases.
    pub cases: usize,
    /// Median part of the volume that cropping to nonzero leaves, 0 to 1.
    pub kept_by_cropping: f64,
    /// Edges of the cases after cropping in voxels and their spacings in millimetres, per axis of
    /// the files: z, y, x.
    pub geometry: Vec<Spread>,
    /// Intensities of the foreground, per channel.
    pub intensities: Vec<ChannelIntensities>,
    /// How large the classes are.
    pub volumes: Part<Vec<ClassVolumes>>,
    /// How the dataset differs from others.
    pub comparison: Part<Comparison>,
}

/// A quantity over the cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// A value per case.
    pub values: Vec<f64>,
}

/// Statistics of a channel's intensities inside the foreground; NaN where there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelIntensities {
    /// Name of the channel.
    pub channel: String,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Smallest value.
    pub lowest: f64,
    /// 0.5th percentile.
    pub percentile_00_5: f64,
    /// Median.
    pub median: f64,
    /// 99.5th percentile.
    pub percentile_99_5: f64,
    /// Largest value.
    pub highest: f64,
}

/// The volume of a class in the references, case by case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassVolumes {
    /// Name of the class.
    pub class: String,
    /// Millilitres, of the cases that have it.
    pub millilitres: Vec<f64>,
    /// Cases that lack it.
    pub cases_without: usize,
}

/// Fingerprints of several datasets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The datasets.
    pub datasets: Vec<String>,
    /// The place of the dataset of the page among them.
    pub own: usize,
    /// The properties.
    pub properties: Vec<Property>,
}

/// A property of all datasets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Property {
    /// What it is.
    pub name: String,
    /// A value per dataset; NaN where it is not known.
    pub values: Vec<f64>,
    /// Standard deviations from the mean over the datasets; NaN likewise.
    pub z_scores: Vec<f64>,
}
