//! The version of a libtorch, and whether it is the right one.

use std::env;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::source::variables;

/// The version that the bindings are made for.
pub(super) const VERSION: &str = "2.11.0";

/// The releases whose binary interface is that of [`VERSION`].
const SERIES: &str = "2.11.";

/// The file that tells the version of a libtorch without Python.
pub(super) const VERSION_FILE: &str = "build-version";

/// How much of the version has to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// All of it: the build script of the bindings checks that.
    Exact,
    /// The series: the bindings cannot or need not check.
    Series,
}

impl Strictness {
    /// What the build script of the bindings does with a version that it sees.
    pub(super) fn from_environment() -> Self {
        match env::var_os(variables::BYPASS_CHECK) {
            Some(_) => Self::Series,
            None => Self::Exact,
        }
    }
}

/// Refuses a version that the bindings cannot be built with.
pub(super) fn check(version: &str, strictness: Strictness) -> Result<()> {
    let release = version.split('+').next().unwrap_or_default();
    if release == VERSION {
        return Ok(());
    }
    if !release.starts_with(SERIES) {
        bail!("it is version {version}, and {VERSION} is needed");
    }
    match strictness {
        Strictness::Series => Ok(()),
        Strictness::Exact => bail!(
            "it is version {version}, and {VERSION} is needed (with {}=1 it may do)",
            variables::BYPASS_CHECK
        ),
    }
}

/// The version of the libtorch in a folder, from the first of its files that
/// tells it, and how strictly it has to be taken.
pub(super) fn of_folder(folder: &Path) -> Result<(String, Strictness)> {
    type Parse = fn(&str) -> Option<String>;
    let sources: [(&str, Parse, Strictness); 3] = [
        (VERSION_FILE, from_file, Strictness::from_environment()),
        ("version.py", from_python, Strictness::Series),
        (
            "include/torch/headeronly/version.h",
            from_header,
            Strictness::Series,
        ),
    ];
    for (name, parse, strictness) in sources {
        let file = folder.join(name);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        if let Some(version) = parse(&text) {
            return Ok((version, strictness));
        }
    }
    bail!("no file in {} tells its version", folder.display());
}

/// The content of a `build-version` file.
fn from_file(text: &str) -> Option<String> {
    let version = text.trim();
    (!version.is_empty()).then(|| version.to_owned())
}

/// The line `__version__ = '2.11.0+cu130'` of the Python package.
fn from_python(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    let (_, value) = line.split_once('=')?;
    from_file(value.trim().trim_matches(['\'', '"']))
}

/// The lines `#define TORCH_VERSION_MAJOR 2` and so on of the headers.
fn from_header(text: &str) -> Option<String> {
    let number = |part: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let name = (words.next()? == "#define").then(|| words.next())??;
            let value: u32 = words.next()?.parse().ok()?;
            (name.strip_prefix("TORCH_VERSION_")? == part).then_some(value)
        })
    };
    let (major, minor, patch) = (number("MAJOR")?, number("MINOR")?, number("PATCH")?);
    Some(format!("{major}.{minor}.{patch}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_version_is_accepted_whatever_its_build() {
        for version in ["2.11.0", "2.11.0+cpu", "2.11.0+cu130"] {
            check(version, Strictness::Exact).unwrap();
        }
    }

    #[test]
    fn another_patch_version_is_accepted_where_nobody_else_checks() {
        check("2.11.1+cpu", Strictness::Series).unwrap();
        let error = check("2.11.1", Strictness::Exact).unwrap_err().to_string();
        assert!(error.contains("LIBTORCH_BYPASS_VERSION_CHECK"), "{error}");
    }

    #[test]
    fn other_versions_are_refused() {
        for version in ["2.10.0", "2.1.0", "2.110.0", "1.11.0", "", "2.11"] {
            for strictness in [Strictness::Exact, Strictness::Series] {
                assert!(check(version, strictness).is_err(), "{version}");
            }
        }
    }

    #[test]
    fn version_is_read_from_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let read = || of_folder(folder.path()).map(|(version, _)| version);
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        assert!(read().is_err());
        write(
            "include/torch/headeronly/version.h",
            "#pragma once\n#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 9\n\
             #define TORCH_VERSION_PATCH 1\n#define TORCH_VERSION \\\n",
        );
        assert_eq!(read().unwrap(), "2.9.1");
        write("version.py", "x = 1\n__version__ = '2.11.0+cu130'\n");
        assert_eq!(read().unwrap(), "2.11.0+cu130");
        write(VERSION_FILE, "2.11.0\n");
        assert_eq!(read().unwrap(), "2.11.0");
    }
}
