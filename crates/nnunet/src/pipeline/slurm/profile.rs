//! The profile of a cluster: what the jobs of a graph ask of Slurm.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use serde::Deserialize;

use super::error::SlurmError;
use super::values::{Memory, Name, SbatchOption, ShellLine, TimeLimit};
use crate::pipeline::graph::JobKind;

/// Seconds before the time limit at which a job is told to checkpoint, unless the profile says.
const CHECKPOINT_SECONDS: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// Groups of jobs that a profile tells apart, each the name of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobClass {
    /// The one Slurm job that verifies, fingerprints, plans and splits.
    Prepare,
    /// Preprocessing for a configuration.
    Preprocess,
    /// Training and validating a configuration on a fold.
    Train,
    /// Choosing the best model.
    Select,
    /// All others: those that follow the selection.
    Light,
}

impl JobClass {
    /// All, in the order of the work.
    pub const ALL: [Self; 5] = [
        Self::Prepare,
        Self::Preprocess,
        Self::Train,
        Self::Select,
        Self::Light,
    ];

    /// The class of the jobs of a kind.
    #[must_use]
    pub const fn of(kind: JobKind) -> Self {
        match kind {
            JobKind::Preprocess => Self::Preprocess,
            JobKind::Train => Self::Train,
            JobKind::Select => Self::Select,
            _ if !kind.follows_the_plan() => Self::Prepare,
            _ => Self::Light,
        }
    }

    /// The name of its table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Preprocess => "preprocess",
            Self::Train => "train",
            Self::Select => "select",
            Self::Light => "light",
        }
    }
}

/// Where the jobs that follow the plans are submitted from: they are known when these are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubmitFrom {
    /// From the Slurm job that plans, on its node.
    #[default]
    Job,
    /// From the machine on which `nnunet run --slurm` is started, which plans itself: for clusters
    /// whose nodes may not submit.
    Here,
}

/// What jobs of a class ask for. `None`: nothing, so that the cluster's default applies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Partition, or several.
    pub partition: Option<Name>,
    /// Account that is charged.
    pub account: Option<Name>,
    /// Quality of service.
    pub qos: Option<Name>,
    /// Time limit.
    pub time: Option<TimeLimit>,
    /// Memory of the node.
    pub memory: Option<Memory>,
    /// Processors, and threads that the job runs.
    pub cpus: Option<NonZeroU32>,
    /// GPUs of a job that runs networks; 0 for none.
    pub gpus: Option<u32>,
    /// Kind of GPU.
    pub gpu_type: Option<Name>,
    /// Jobs of an array that run at the same time, at most.
    pub at_once: Option<NonZeroU32>,
    /// Seconds before the time limit at which the job is told to checkpoint.
    pub checkpoint_seconds: Option<NonZeroU32>,
    /// Further options of `sbatch`.
    pub sbatch: Option<Vec<SbatchOption>>,
    /// Lines of shell before the program is run.
    pub setup: Option<Vec<ShellLine>>,
}

/// The keys of [`Settings`], for messages.
const SETTINGS: [&str; 12] = [
    "partition",
    "account",
    "qos",
    "time",
    "memory",
    "cpus",
    "gpus",
    "gpu_type",
    "at_once",
    "checkpoint_seconds",
    "sbatch",
    "setup",
];

const SUBMIT_FROM: &str = "submit_from";

impl Settings {
    /// These, and where they say nothing, those of `others`.
    fn or(self, others: &Self) -> Self {
        let others = others.clone();
        Self {
            partition: self.partition.or(others.partition),
            account: self.account.or(others.account),
            qos: self.qos.or(others.qos),
            time: self.time.or(others.time),
            memory: self.memory.or(others.memory),
            cpus: self.cpus.or(others.cpus),
            gpus: self.gpus.or(others.gpus),
            gpu_type: self.gpu_type.or(others.gpu_type),
            at_once: self.at_once.or(others.at_once),
            checkpoint_seconds: self.checkpoint_seconds.or(others.checkpoint_seconds),
            sbatch: self.sbatch.or(others.sbatch),
            setup: self.setup.or(others.setup),
        }
    }

    /// GPUs of a job that runs networks: one if only a kind is named.
    #[must_use]
    pub fn gpus(&self) -> u32 {
        self.gpus.unwrap_or(u32::from(self.gpu_type.is_some()))
    }

    /// Seconds before the time limit at which the job is told to checkpoint.
    #[must_use]
    pub fn checkpoint_seconds(&self) -> NonZeroU32 {
        self.checkpoint_seconds.unwrap_or(CHECKPOINT_SECONDS)
    }
}

/// The profile of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Where the jobs that follow the plans are submitted from.
    pub submit_from: SubmitFrom,
    common: Settings,
    classes: BTreeMap<JobClass, Settings>,
    text: String,
}

impl Profile {
    /// Reads a profile, a TOML document:
    ///
    /// ```toml
    /// partition = "gpu"            # of all jobs
    /// time = "12:00:00"
    ///
    /// [train]                      # of trainings, over those above
    /// time = "2-00:00:00"
    /// gpus = 1
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, has a key that profiles do not have, or a value
    /// that `sbatch` would not take.
    pub fn read(path: &Path) -> Result<Self, SlurmError> {
        let text = fs::read_to_string(path).map_err(|error| SlurmError::Profile {
            path: path.to_path_buf(),
            problem: format!("cannot read it: {error}"),
        })?;
        Self::parse(&text, path)
    }

    /// The profile that a text says, which stands at `path`.
    ///
    /// # Errors
    /// As [`Profile::read`], but for reading.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SlurmError> {
        let wrong = |error: toml::de::Error| SlurmError::Profile {
            path: path.to_path_buf(),
            problem: error.to_string().trim_end().to_owned(),
        };
        let mut common: toml::Table = text.parse().map_err(wrong)?;
        let mut classes = BTreeMap::new();
        for class in JobClass::ALL {
            let found = common.remove(class.word());
            let Some(value) = found else { continue };
            let toml::Value::Table(table) = value else {
                return Err(SlurmError::Profile {
                    path: path.to_path_buf(),
                    problem: format!("`{0}` is a table, begun by a line `[{0}]`", class.word()),
                });
            };
            known_keys(&table, Some(class), path)?;
            let of_class = |error: toml::de::Error| SlurmError::Profile {
                path: path.to_path_buf(),
                problem: format!("in [{}]: {}", class.word(), error.to_string().trim_end()),
            };
            classes.insert(class, table.try_into().map_err(of_class)?);
        }
        let submit_from = match common.remove(SUBMIT_FROM) {
            Some(value) => value.try_into().map_err(wrong)?,
            None => SubmitFrom::default(),
        };
        known_keys(&common, None, path)?;
        Ok(Self {
            submit_from,
            common: common.try_into().map_err(wrong)?,
            classes,
            text: text.to_owned(),
        })
    }

    /// The document that it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What jobs of a class ask for: what its table says, else what is said for all. The selection
    /// asks for what trainings do unless its own table says something.
    #[must_use]
    pub fn settings(&self, class: JobClass) -> Settings {
        let table = |class| self.classes.get(&class).cloned().unwrap_or_default();
        let own = match class {
            // It runs networks, too: to average two of them.
            JobClass::Select => table(class).or(&table(JobClass::Train)),
            _ => table(class),
        };
        own.or(&self.common)
    }
}

fn known_keys(table: &toml::Table, class: Option<JobClass>, path: &Path) -> Result<(), SlurmError> {
    let Some(key) = table.keys().find(|key| !SETTINGS.contains(&key.as_str())) else {
        return Ok(());
    };
    let mut known = SETTINGS.to_vec();
    if class.is_none() {
        known.push(SUBMIT_FROM);
        known.extend(JobClass::ALL.map(JobClass::word));
    }
    Err(SlurmError::UnknownKey {
        path: path.to_path_buf(),
        table: class.map(JobClass::word),
        key: key.clone(),
        known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Profile, SlurmError> {
        Profile::parse(text, Path::new("cluster.toml"))
    }

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn tables_stand_over_what_is_said_for_all() {
        let profile = parse(
            r#"
            submit_from = "here"
            partition = "cpu"
            time = "4:00:00"
            setup = ["module load a"]

            [train]
            partition = "gpu"
            gpu_type = "a100"
            setup = []
            "#,
        )
        .unwrap();
        assert_eq!(profile.submit_from, SubmitFrom::Here);
        let train = profile.settings(JobClass::Train);
        assert_eq!(train.partition.as_ref().unwrap().to_string(), "gpu");
        assert_eq!(train.time.as_ref().unwrap().to_string(), "4:00:00");
        assert_eq!(train.gpus(), 1);
        assert_eq!(train.setup, Some(Vec::new()));
        assert_eq!(profile.settings(JobClass::Select), train);
        let light = profile.settings(JobClass::Light);
        assert_eq!(light.partition.as_ref().unwrap().to_string(), "cpu");
        assert_eq!(light.gpus(), 0);
        assert_eq!(light.setup.unwrap().len(), 1);
        assert_eq!(parse("").unwrap(), Profile::default());
    }

    #[test]
    fn keys_that_there_are_not_are_named() {
        let said = message("partitoin = 'gpu'");
        assert!(said.contains("cluster.toml: there is no `partitoin`; there are partition,"));
        assert!(
            said.contains("submit_from") && said.contains("train"),
            "{said}"
        );
        let said = message("[train]\nsubmit_from = 'here'");
        assert!(said.contains("no `submit_from` in [train]"), "{said}");
        assert!(message("[trainings]\ntime = '1'").contains("no `trainings`"));
        assert!(message("train = 3").contains("[train]"));
    }

    #[test]
    fn wrong_values_are_said_with_their_key() {
        for (text, expected) in [
            ("time = '24h'", ["time", "`24h` is not a time"]),
            (
                "[train]\nmemory = '32'",
                ["memory", "`32` is not an amount"],
            ),
            ("cpus = 0", ["cpus", "nonzero"]),
            ("sbatch = ['--array=0']", ["sbatch", "sets itself"]),
            ("submit_from = 'there'", ["there", "`here`"]),
            ("partition =", ["line 1", "partition"]),
        ] {
            let said = message(text);
            for expected in expected {
                assert!(said.contains(expected), "{text}: {said}");
            }
        }
    }

    #[test]
    fn the_list_of_keys_is_that_of_the_settings() {
        for key in SETTINGS {
            // A table is none of their values: it is refused for that, not for its name.
            let said = message(&format!("{key} = {{}}"));
            assert!(said.contains("invalid type"), "{key}: {said}");
        }
        let all = SETTINGS.map(|key| match key {
            "cpus" | "gpus" | "at_once" | "checkpoint_seconds" => format!("{key} = 1"),
            "time" => format!("{key} = '1'"),
            "memory" => format!("{key} = '1G'"),
            "sbatch" | "setup" => format!("{key} = []"),
            _ => format!("{key} = 'a'"),
        });
        let text = format!("{:?}", parse(&all.join("\n")).unwrap().common);
        assert!(!text.contains("None"), "{text}");
    }
}
