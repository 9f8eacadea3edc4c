//! What the labels of a dataset mean for training and inference.

use super::{DatasetDescription, LabelValue, invalid};
use crate::SchemaError;

/// The labels of a dataset sorted into what a network learns and what a label map holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelScheme {
    all_labels: Vec<u16>,
    names: Vec<String>,
    targets: Vec<Vec<u16>>,
    output_values: Vec<u16>,
    ignore_label: Option<u16>,
    region_based: bool,
    entries: usize,
}

impl LabelScheme {
    pub(super) fn new(description: &DatasetDescription) -> Result<Self, SchemaError> {
        match description.labels.get("background") {
            Some(LabelValue::Single(0)) => {}
            Some(other) => {
                return Err(invalid(
                    "labels.background",
                    format!("is {:?}, expected 0", other.members()),
                ));
            }
            None => return Err(invalid("labels", "has no `background`: add it as 0".into())),
        }
        let mut all_labels: Vec<u16> = (description.labels.iter())
            .filter(|(name, _)| *name != "ignore")
            .flat_map(|(_, value)| value.members().iter().copied())
            .collect();
        all_labels.sort_unstable();
        all_labels.dedup();

        let ignore_label = match description.labels.get("ignore") {
            None => None,
            Some(LabelValue::Single(value)) => Some(*value),
            Some(LabelValue::Region(values)) => {
                return Err(invalid(
                    "labels.ignore",
                    format!("is {values:?}, expected a single label"),
                ));
            }
        };
        let highest = all_labels.last().copied().unwrap_or(0);
        if let Some(ignore) = ignore_label
            && ignore != highest.saturating_add(1)
        {
            return Err(invalid(
                "labels.ignore",
                format!(
                    "is {ignore}, expected {}: one above the highest label",
                    u32::from(highest) + 1
                ),
            ));
        }

        if let Some((name, _)) = (description.labels.iter()).find(|(_, v)| v.members().is_empty()) {
            return Err(invalid(
                &format!("labels.{name}"),
                "is an empty list, expected the labels of a region".into(),
            ));
        }

        let region_based = (description.labels.values()).any(|value| value.members().len() > 1);
        let (names, targets): (Vec<_>, Vec<_>) = (description.labels.iter())
            .filter(|(name, value)| *name != "ignore" && value.members().iter().any(|v| *v != 0))
            .map(|(name, value)| (name.clone(), value.members().to_vec()))
            .unzip();
        let (names, targets, output_values) = if region_based {
            let order = description.regions_class_order.clone().ok_or_else(|| {
                invalid(
                    "regions_class_order",
                    "is missing: regions need the label that each is written as".into(),
                )
            })?;
            if order.len() != targets.len() {
                return Err(invalid(
                    "regions_class_order",
                    format!("has {} entries for {} regions", order.len(), targets.len()),
                ));
            }
            (names, targets, order)
        } else {
            // Heads follow the label values, whatever the order of the file.
            let mut sorted: Vec<_> = names.into_iter().zip(targets).collect();
            sorted.sort_by_key(|(_, members)| members.first().copied());
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0].1 == pair[1].1) {
                let ((first, members), (second, _)) = (&pair[0], &pair[1]);
                let value = members.first().copied().unwrap_or(0);
                return Err(invalid(
                    &format!("labels.{second}"),
                    format!("is {value}, which is `{first}` already"),
                ));
            }
            let values = sorted.iter().flat_map(|(_, m)| m.clone()).collect();
            let (names, targets) = sorted.into_iter().unzip();
            (names, targets, values)
        };
        if targets.is_empty() {
            return Err(invalid(
                "labels",
                "has no foreground: add at least one label above 0".into(),
            ));
        }
        Ok(Self {
            all_labels,
            names,
            targets,
            output_values,
            ignore_label,
            region_based,
            entries: description.labels.len(),
        })
    }

    /// All labels that a label map may hold, ascending, background included, ignore excluded.
    #[must_use]
    pub fn all_labels(&self) -> &[u16] {
        &self.all_labels
    }

    /// Labels above background, ascending, ignore excluded.
    #[must_use]
    pub fn foreground_labels(&self) -> Vec<u16> {
        (self.all_labels.iter().copied())
            .filter(|v| *v != 0)
            .collect()
    }

    /// Names of the foreground classes (labels or regions), in the order of [`Self::targets`].
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The foreground classes: for each the labels that belong to it. Single labels ascending,
    /// or the regions in the order of the file.
    #[must_use]
    pub fn targets(&self) -> &[Vec<u16>] {
        &self.targets
    }

    /// The label that each class is written as in a label map.
    #[must_use]
    pub fn output_values(&self) -> &[u16] {
        &self.output_values
    }

    /// The label whose voxels are left out of training and evaluation.
    #[must_use]
    pub const fn ignore_label(&self) -> Option<u16> {
        self.ignore_label
    }

    /// Whether classes are regions that may overlap (sigmoid) rather than labels (softmax).
    #[must_use]
    pub const fn is_region_based(&self) -> bool {
        self.region_based
    }

    /// Number of network outputs: the regions, or the labels with the background.
    #[must_use]
    pub fn segmentation_heads(&self) -> usize {
        if self.region_based {
            self.targets.len()
        } else {
            self.all_labels.len()
        }
    }

    /// Number of entries of `labels`, background and ignore included: the class count of the
    /// memory estimate.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Whether a label map may hold `value`.
    #[must_use]
    pub fn allows(&self, value: i64) -> bool {
        u16::try_from(value).is_ok_and(|v| {
            self.all_labels.binary_search(&v).is_ok() || self.ignore_label == Some(v)
        })
    }
}
