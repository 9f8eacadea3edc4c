use nnunet_schema::{DatasetDescription, LabelScheme, LabelValue};

use crate::EvaluateError;

/// One label or region whose overlap is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    key: String,
    name: String,
    members: Vec<u16>,
}

impl Class {
    /// The key in `summary.json`: `2` for a label, `(1, 2)` for a region.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name in `dataset.json`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels that belong to the class.
    #[must_use]
    pub fn members(&self) -> &[u16] {
        &self.members
    }
}

/// The foreground classes of a dataset, the labels that its maps may hold, and the label that is
/// left out of every metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    classes: Vec<Class>,
    labels: Vec<u16>,
    ignore: Option<u16>,
}

impl Classes {
    /// The classes that nnU-Net evaluates for a dataset: its regions in the order of
    /// `dataset.json`, or else its labels above 0, ascending.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if the labels of the description contradict each other.
    pub fn of(description: &DatasetDescription) -> Result<Self, EvaluateError> {
        let scheme = description.label_scheme()?;
        let mut classes = Self::from(&scheme);
        for class in &mut classes.classes {
            // `[3]` among regions is a tuple of one for Python, `3` is a plain number.
            if scheme.is_region_based()
                && class.members.len() == 1
                && let Some(LabelValue::Region(_)) = description.labels.get(&class.name)
            {
                class.key = region_key(&class.members);
            }
        }
        Ok(classes)
    }

    /// The classes, in the order of the network's heads.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The labels that a label map may hold, ascending, background and ignore label included.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The label of the reference whose voxels count for nothing.
    #[must_use]
    pub const fn ignore(&self) -> Option<u16> {
        self.ignore
    }
}

impl From<&LabelScheme> for Classes {
    /// As [`Classes::of`], but a region of a single label gets the key of that label whether or
    /// not `dataset.json` writes it as a list.
    fn from(scheme: &LabelScheme) -> Self {
        let classes = (scheme.names().iter())
            .zip(scheme.targets())
            .map(|(name, members)| Class {
                key: match members.as_slice() {
                    [label] => label.to_string(),
                    several => region_key(several),
                },
                name: name.clone(),
                members: members.clone(),
            })
            .collect();
        let mut labels = scheme.all_labels().to_vec();
        labels.extend(scheme.ignore_label());
        labels.sort_unstable();
        labels.dedup();
        Self {
            classes,
            labels,
            ignore: scheme.ignore_label(),
        }
    }
}

/// The text of a Python tuple: `(1, 2, 3)`, or `(3,)` for one entry.
fn region_key(members: &[u16]) -> String {
    match members {
        [label] => format!("({label},)"),
        several => {
            let texts: Vec<String> = several.iter().map(u16::to_string).collect();
            format!("({})", texts.join(", "))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use nnunet_schema::python_json;

    use super::*;

    pub(crate) fn classes(labels: &str, order: &str) -> Classes {
        Classes::of(&description(labels, order)).unwrap()
    }

    pub(crate) fn description(labels: &str, order: &str) -> DatasetDescription {
        python_json::parse(&format!(
            "{{\"channel_names\": {{\"0\": \"MRI\"}}, \"labels\": {labels}, \
             \"numTraining\": 2, \"file_ending\": \".nii.gz\" {order}}}"
        ))
        .unwrap()
    }

    fn keys(classes: &Classes) -> Vec<&str> {
        classes.classes().iter().map(Class::key).collect()
    }

    #[test]
    fn plain_labels_are_ascending() {
        let found = classes(r#"{"background": 0, "b": 10, "a": 2, "ignore": 11}"#, "");
        assert_eq!(keys(&found), ["2", "10"]);
        assert_eq!(found.labels(), [0, 2, 10, 11]);
        assert_eq!(found.ignore(), Some(11));
    }

    #[test]
    fn regions_have_the_text_of_python_tuples() {
        let found = classes(
            r#"{"background": 0, "whole": [1, 2, 3], "core": [3], "rim": 2}"#,
            r#", "regions_class_order": [1, 2, 3]"#,
        );
        assert_eq!(keys(&found), ["(1, 2, 3)", "(3,)", "2"]);
    }
}
