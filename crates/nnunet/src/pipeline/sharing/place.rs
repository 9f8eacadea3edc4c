//! Which entries an archive may have, and what each of them belongs to.

use nnunet_evaluate::select::ModelName;

use super::{CHECKSUMS, ENSEMBLES, INFORMATION};

/// The plans in a model folder.
pub(super) const DATASET_PLANS: &str = "plans.json";
/// Longest path that an entry may have, in bytes.
const LONGEST: usize = 1000;
/// Longest part of a path, which file systems set.
const LONGEST_PART: usize = 255;
/// How the folder of a dataset begins.
const DATASET: &str = "Dataset";

/// The path of an entry: parts without anything that could lead elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryPath {
    parts: Vec<String>,
}

/// What a file of an archive belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the list of checksums.
    Checksums,
    /// It is the outcome of the selection.
    Information,
    /// It is in this model folder.
    Model(ModelName),
    /// It is in the folder of an ensemble.
    Ensemble(String),
    /// It is nothing that an export has.
    Elsewhere,
}

impl EntryPath {
    /// Takes a path apart as an archive has it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        if name.len() > LONGEST {
            return Err(format!(
                "its path has {} bytes, expected at most {LONGEST}",
                name.len()
            ));
        }
        if let Some(bad) = name
            .chars()
            .find(|c| c.is_control() || matches!(c, '\\' | ':'))
        {
            return Err(format!("its path has the character {bad:?}"));
        }
        if name.starts_with('/') {
            return Err("its path begins at the root of the file system".to_owned());
        }
        let parts: Vec<String> = name.split('/').map(str::to_owned).collect();
        for part in &parts {
            match part.as_str() {
                ".." => return Err("its path leads out of the folder with `..`".to_owned()),
                "" | "." => return Err("its path has an empty part".to_owned()),
                long if long.len() > LONGEST_PART => {
                    return Err(format!(
                        "a part of its path has more than {LONGEST_PART} bytes"
                    ));
                }
                _ => {}
            }
        }
        Ok(Self { parts })
    }

    /// The folder of the dataset, if the file lies in one.
    pub(super) fn dataset(&self) -> Option<&str> {
        let first = self.parts.first().map(String::as_str);
        first.filter(|name| name.starts_with(DATASET) && self.parts.len() > 1)
    }

    /// What the file belongs to.
    pub(super) fn place(&self) -> Place {
        if self.dataset().is_none() {
            return Place::Elsewhere;
        }
        let below: Vec<&str> = self.parts.iter().skip(1).map(String::as_str).collect();
        match below.as_slice() {
            [CHECKSUMS] => Place::Checksums,
            [INFORMATION] => Place::Information,
            [ENSEMBLES, name, _, ..] => Place::Ensemble((*name).to_owned()),
            [model, _, ..] => model.parse().map_or(Place::Elsewhere, Place::Model),
            _ => Place::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        EntryPath::parse(name).unwrap().place()
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "Dataset001_A/../../x",
            "Dataset001_A/./x",
            "Dataset001_A//x",
            "Dataset001_A/x/",
            "Dataset001_A\\..\\x",
            "C:/x",
            "Dataset001_A/x\n",
            "Dataset001_A/\u{1b}[2J",
        ] {
            assert!(EntryPath::parse(name).is_err(), "{name:?}");
        }
        assert!(EntryPath::parse(&"a".repeat(256)).is_err());
        assert!(EntryPath::parse(&["a"; 501].join("/")).is_err());
    }

    #[test]
    fn files_belong_to_models_ensembles_or_the_dataset() {
        let model: ModelName = "T__P__2d".parse().unwrap();
        let name = "Dataset001_A/T__P__2d/fold_0/checkpoint_final.pth";
        assert_eq!(place(name), Place::Model(model));
        assert_eq!(
            EntryPath::parse(name).unwrap().dataset(),
            Some("Dataset001_A")
        );
        let ensemble = place("Dataset001_A/ensembles/ensemble___a/plans.json");
        assert_eq!(ensemble, Place::Ensemble("ensemble___a".to_owned()));
        assert_eq!(place("Dataset001_A/checksums.sha256"), Place::Checksums);
        assert_eq!(
            place("Dataset001_A/inference_information.json"),
            Place::Information
        );
        for other in [
            "T__P__2d/plans.json",
            "Dataset001_A",
            "Dataset001_A/T__P__2d",
            "Dataset001_A/ensembles/plans.json",
            "__MACOSX/Dataset001_A/T__P__2d/x",
            "Dataset001_A/.DS_Store",
        ] {
            assert_eq!(place(other), Place::Elsewhere, "{other}");
        }
    }
}
