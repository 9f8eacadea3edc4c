//! Runs the program over a small dataset of phantoms.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nnunet::image::FormatRegistry;
use nnunet::phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet::schema::NoProgress;

/// The program with its three roots in a folder of its own.
pub(crate) struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With `Dataset900_Phantom` among the raw datasets: 5 cases for training, 1 for testing.
    pub(crate) fn with_phantoms() -> Self {
        Self::with_phantoms_in(tempfile::tempdir().unwrap())
    }

    /// The same in a folder of this name.
    pub(crate) fn with_phantoms_in(folder: tempfile::TempDir) -> Self {
        let program = Self { folder };
        let dataset = PhantomDataset {
            training_cases: 5,
            test_cases: 1,
            config: PhantomConfig::tiny(),
            ..PhantomDataset::default()
        };
        let raw = program.path("raw");
        write_dataset(&raw, &dataset, &FormatRegistry::default(), &NoProgress).unwrap();
        program
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// A file of the phantom dataset.
    pub(crate) fn raw(&self, relative: &str) -> PathBuf {
        self.path("raw/Dataset900_Phantom").join(relative)
    }

    /// The first files of a folder of the phantom dataset, sorted.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.raw(folder)).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The program with the roots, to which words are to be added.
    pub(crate) fn command(&self) -> Command {
        let mut command = bare();
        for (option, folder) in [
            ("--raw", "raw"),
            ("--preprocessed", "preprocessed"),
            ("--results", "results"),
        ] {
            command.arg(option).arg(self.path(folder));
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command().args(arguments).output().unwrap())
    }

    /// Runs a command that must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code,
            Some(0),
            "{arguments:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
        ended
    }
}

/// The program without any roots.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nnunet"));
    for variable in ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"] {
        command.env_remove(variable);
    }
    // Nobody's own settings.
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env_remove("NNUNET_LOG");
    command
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// That it failed and said all of these on either stream.
    pub(crate) fn failed_with(&self, words: &[&str]) {
        assert_ne!(self.code, Some(0), "{self:?}");
        for word in words {
            let said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(said, "`{word}` is not in {self:#?}");
        }
    }
}

/// Name of a file without its folder, for messages.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
