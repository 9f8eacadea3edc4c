//! Provides libtorch: finds the one to use, and fetches it where there is none.
//!
//! `.cargo/config.toml` points the bindings at `.libtorch` in the workspace,
//! a link into a cache that serves all checkouts. Users who export `LIBTORCH`
//! or `LIBTORCH_USE_PYTORCH` use theirs, which is only checked here.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{prerequisites, process};

mod install;
mod link;
mod source;
mod staging;
mod unpack;
mod version;
mod wheels;

use source::{Source, variables};
use version::{Strictness, VERSION};

/// What of libtorch is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// The libraries and headers that the bindings need, for CPU.
    Cpu,
    /// The whole Python package with CUDA, in a virtual environment.
    Cuda,
}

impl Build {
    /// Its folder in the cache.
    fn folder_name(self) -> String {
        format!("libtorch-{VERSION}-{self}")
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

/// Makes sure that there is a libtorch to build with, and that it is the
/// right one. One that `.libtorch` already leads to is kept, with or without
/// CUDA; if there is none, the CPU build is fetched.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    prerequisites::check_compiler()?;
    match Source::choose(workspace.root(), |name| env::var_os(name))? {
        Source::Ours(link) => match check_folder(&link) {
            Ok(version) => {
                say_linked(&version, &link);
                Ok(())
            }
            Err(reason) => {
                if fs::symlink_metadata(&link).is_ok() {
                    println!("`.libtorch` is stale and made anew: {reason:#}");
                }
                install_and_link(&link, Build::Cpu, false)
            }
        },
        theirs => check_theirs(&theirs),
    }
}

/// Makes `.libtorch` lead to the wanted build, unless the user has a libtorch
/// of their own. `force` fetches it even if it is already there.
pub(crate) fn provide(workspace: &Workspace, build: Build, force: bool) -> Result<()> {
    prerequisites::check_compiler()?;
    match Source::choose(workspace.root(), |name| env::var_os(name))? {
        Source::Ours(link) => install_and_link(&link, build, force),
        theirs => check_theirs(&theirs),
    }
}

fn install_and_link(link: &Path, build: Build, force: bool) -> Result<()> {
    link::check_replaceable(link)?;
    let cache = source::cache_root(|name| env::var_os(name))?;
    let folder = install::install(&cache, build, force)?;
    link::point(link, &folder)?;
    let version = check_folder(link)?;
    say_linked(&version, link);
    Ok(())
}

fn say_linked(version: &str, link: &Path) {
    let folder = fs::canonicalize(link).unwrap_or_else(|_| link.to_path_buf());
    println!("libtorch {version} in {}", folder.display());
}

/// Checks the libtorch that the user chose and says which it is.
fn check_theirs(source: &Source) -> Result<()> {
    match source {
        Source::Ours(_) => {}
        Source::Folder(folder) => {
            let version = check_folder(folder).with_context(|| {
                format!(
                    "the libtorch that {} names cannot be used (unset it to have libtorch \
                     {VERSION} fetched, or name another)",
                    variables::LIBTORCH
                )
            })?;
            println!(
                "libtorch {version} in {}, as {} says",
                folder.display(),
                variables::LIBTORCH
            );
        }
        Source::Python(python) => {
            let version = check_python(python).with_context(|| {
                format!(
                    "the torch of `{python}` cannot be used (unset {} to have libtorch \
                     {VERSION} fetched, or install torch=={VERSION} there)",
                    variables::USE_PYTORCH
                )
            })?;
            println!(
                "libtorch {version} of `{python}`, as {} says",
                variables::USE_PYTORCH
            );
        }
    }
    Ok(())
}

/// Checks that a folder holds a libtorch that the bindings can be built with,
/// and returns its version.
fn check_folder(folder: &Path) -> Result<String> {
    if !folder.is_dir() {
        match fs::read_link(folder) {
            Ok(target) => bail!("it leads to {}, which is no folder", target.display()),
            Err(_) => bail!("there is no folder {}", folder.display()),
        }
    }
    for part in ["lib", "include/torch"] {
        if !folder.join(part).is_dir() {
            bail!("{} has no folder {part}", folder.display());
        }
    }
    let library: PathBuf = [
        "lib",
        &format!(
            "{}torch_cpu{}",
            env::consts::DLL_PREFIX,
            env::consts::DLL_SUFFIX
        ),
    ]
    .iter()
    .collect();
    if !folder.join(&library).is_file() {
        bail!("{} has no {}", folder.display(), library.display());
    }
    let (version, strictness) = version::of_folder(folder)?;
    version::check(&version, strictness)?;
    Ok(version)
}

/// Checks the torch package of a Python and returns its version.
fn check_python(python: &str) -> Result<String> {
    let mut command = Command::new(python);
    command.args(["-c", "import torch; print(torch.__version__)"]);
    let output = process::output(&mut command)?;
    let version = output.trim();
    version::check(version, Strictness::from_environment())?;
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libtorch(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("lib")).unwrap();
        fs::create_dir_all(at("include/torch")).unwrap();
        let library = format!(
            "lib/{}torch_cpu{}",
            env::consts::DLL_PREFIX,
            env::consts::DLL_SUFFIX
        );
        fs::write(at(&library), "").unwrap();
        fs::write(at("build-version"), version).unwrap();
        folder
    }

    #[test]
    fn folder_with_the_right_version_is_accepted() {
        let folder = libtorch("2.11.0+cpu\n");
        assert_eq!(check_folder(folder.path()).unwrap(), "2.11.0+cpu");
    }

    #[test]
    fn folder_with_another_version_is_refused() {
        let folder = libtorch("2.10.0");
        let error = check_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("2.10.0"), "{error}");
        assert!(error.contains(VERSION), "{error}");
    }

    #[test]
    fn incomplete_folder_is_refused() {
        let folder = libtorch("2.11.0");
        fs::remove_dir(folder.path().join("include/torch")).unwrap();
        let error = check_folder(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("has no folder include/torch"), "{error}");
        let error = check_folder(&folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("there is no folder"), "{error}");
    }
}
