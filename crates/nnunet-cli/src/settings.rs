//! Settings, and where each comes from: an option, else the settings file, else the environment.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use nnunet::model::DeviceChoice;
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};
use serde::{Deserialize, Deserializer};

use crate::args::{Arguments, PrecisionChoice};

/// The settings file of a folder.
const LOCAL_FILE: &str = "nnunet.toml";
/// The settings file of a user, below the folder of all programs' settings.
const USER_FILE: &str = "nnunet/config.toml";
const ENV_CONFIG_HOME: &str = "XDG_CONFIG_HOME";

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This option was given.
    Option(&'static str),
    /// The settings file has it.
    File(PathBuf),
    /// This variable is set.
    Environment(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(variable) => f.write_str(variable),
        }
    }
}

/// What the user set, by whatever means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The settings file that was read.
    pub(crate) file: Option<Setting<PathBuf>>,
    pub(crate) raw: Option<Setting<PathBuf>>,
    pub(crate) preprocessed: Option<Setting<PathBuf>>,
    pub(crate) results: Option<Setting<PathBuf>>,
    pub(crate) threads: Option<Setting<NonZeroUsize>>,
    /// Only from the file; commands that use a device have an option for it.
    pub(crate) device: Option<Setting<DeviceChoice>>,
    /// As the device.
    pub(crate) precision: Option<Setting<PrecisionChoice>>,
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    raw: Option<PathBuf>,
    preprocessed: Option<PathBuf>,
    results: Option<PathBuf>,
    threads: Option<NonZeroUsize>,
    #[serde(default, deserialize_with = "device")]
    device: Option<DeviceChoice>,
    #[serde(default, deserialize_with = "precision")]
    precision: Option<PrecisionChoice>,
}

impl Settings {
    /// Puts together what was typed, the settings file and the environment.
    pub(crate) fn gather(arguments: &Arguments) -> anyhow::Result<Self> {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let file = match &arguments.config {
            Some(path) => Some(Setting {
                value: path.clone(),
                origin: Origin::Option("--config"),
            }),
            None => found_file(&variable),
        };
        let document = match &file {
            Some(file) => read(&file.value)?,
            None => Document::default(),
        };
        let path = file.as_ref().map(|file| file.value.as_path());
        let root = |typed: &Option<PathBuf>, option, stored, name| {
            let from_environment = || variable(name).map(PathBuf::from);
            first(typed.clone(), option, stored, path).or_else(|| {
                Some(Setting {
                    value: from_environment()?,
                    origin: Origin::Environment(name),
                })
            })
        };
        let roots = &arguments.roots;
        Ok(Self {
            raw: root(&roots.raw, "--raw", document.raw, ENV_RAW),
            preprocessed: root(
                &roots.preprocessed,
                "--preprocessed",
                document.preprocessed,
                ENV_PREPROCESSED,
            ),
            results: root(&roots.results, "--results", document.results, ENV_RESULTS),
            threads: first(arguments.threads, "--threads", document.threads, path),
            device: first(None, "--device", document.device, path),
            precision: first(None, "--precision", document.precision, path),
            file,
        })
    }
}

/// The value of the option, else that of the file.
fn first<T>(
    typed: Option<T>,
    option: &'static str,
    stored: Option<T>,
    file: Option<&Path>,
) -> Option<Setting<T>> {
    let typed = typed.map(|value| Setting {
        value,
        origin: Origin::Option(option),
    });
    typed.or_else(|| {
        Some(Setting {
            value: stored?,
            origin: Origin::File(file?.to_path_buf()),
        })
    })
}

/// `nnunet.toml` in the current folder, else the user's own settings file, if there is one.
fn found_file(variable: &impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<Setting<PathBuf>> {
    let local = PathBuf::from(LOCAL_FILE);
    if local.is_file() {
        let value = std::path::absolute(&local).unwrap_or(local);
        let origin = Origin::File(value.clone());
        return Some(Setting { value, origin });
    }
    let home = || Some(PathBuf::from(variable("HOME")?).join(".config"));
    let folder = variable(ENV_CONFIG_HOME).map(PathBuf::from).or_else(home)?;
    let value = folder.join(USER_FILE);
    let origin = Origin::File(value.clone());
    value.is_file().then_some(Setting { value, origin })
}

/// Reads a settings file. Relative folders in it are relative to where it lies.
fn read(path: &Path) -> anyhow::Result<Document> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!("there is no settings file {}", path.display()),
        _ => anyhow::anyhow!("cannot read {}: {error}", path.display()),
    })?;
    let mut document: Document = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| {
            1 + text
                .get(..span.start)
                .map_or(0, |before| before.matches('\n').count())
        });
        let place = line
            .map(|line| format!(", line {line}"))
            .unwrap_or_default();
        anyhow::anyhow!("{}{place}: {}", path.display(), error.message())
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for (name, root) in [
        ("raw", &mut document.raw),
        ("preprocessed", &mut document.preprocessed),
        ("results", &mut document.results),
    ] {
        let Some(given) = root else { continue };
        if given.as_os_str().is_empty() {
            bail!("{}: `{name}` is empty, expected a folder", path.display());
        }
        let whole = folder.join(&given);
        *given = std::path::absolute(&whole)
            .with_context(|| format!("{}: `{name}` cannot be found", path.display()))?;
    }
    Ok(document)
}

fn device<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DeviceChoice>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn precision<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PrecisionChoice>, D::Error> {
    let text = String::deserialize(from)?;
    let choice = PrecisionChoice::from_str(&text, false);
    choice.map(Some).map_err(|_| {
        let known = PrecisionChoice::value_variants().iter();
        let known: Vec<String> = known
            .filter_map(|choice| Some(choice.to_possible_value()?.get_name().to_owned()))
            .collect();
        let known = known.join("`, `");
        serde::de::Error::custom(format!("precision is `{text}`, expected one of `{known}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nnunet.toml");
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("nnunet.toml"), "{error}");
        error
    }

    #[test]
    fn a_settings_file_is_read_with_its_folders_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let text = "raw = \"data/raw\"\nresults = \"/models\"\nthreads = 3\ndevice = \"cpu\"\n\
                    precision = \"bf16\"\n";
        fs::write(&path, text).unwrap();
        let document = read(&path).unwrap();
        assert_eq!(document.raw, Some(folder.path().join("data/raw")));
        assert_eq!(document.results, Some(PathBuf::from("/models")));
        assert_eq!(document.preprocessed, None);
        assert_eq!(document.threads.map(NonZeroUsize::get), Some(3));
        assert_eq!(document.device, Some(DeviceChoice::Cpu));
        assert_eq!(document.precision, Some(PrecisionChoice::Bf16));
    }

    #[test]
    fn what_a_settings_file_cannot_mean_is_named() {
        for (text, words) in [
            ("threads = 2\nresult = \"x\"", ["line 2", "`results`"]),
            ("threads = 0", ["line 1", "zero"]),
            ("device = \"gpu\"", ["line 1", "gpu"]),
            ("precision = \"half\"", ["`half`", "`fp32`, `bf16`, `fp16`"]),
            ("raw = \"\"", ["`raw`", "folder"]),
            ("raw = ", ["line 1", ""]),
        ] {
            let said = problem(text);
            for word in words {
                assert!(said.contains(word), "{word}: {said}");
            }
        }
        let missing = read(Path::new("/nowhere/x.toml")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/x.toml"), "{missing}");
    }
}
