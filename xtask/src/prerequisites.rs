//! What has to be on the machine before anything else.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Something that the user has to install.
#[derive(Debug, Clone, Copy)]
struct Prerequisite {
    what: &'static str,
    debian: &'static str,
    fedora: &'static str,
}

const COMPILER: Prerequisite = Prerequisite {
    what: "a C++ compiler (`c++`)",
    debian: "g++",
    fedora: "gcc-c++",
};

const PYTHON: Prerequisite = Prerequisite {
    what: "`python3`, which fetches libtorch,",
    debian: "python3 python3-venv",
    fedora: "python3 python3-pip",
};

const VENV: Prerequisite = Prerequisite {
    what: "`python3 -m venv`, which fetches libtorch,",
    debian: "python3-venv",
    fedora: "python3-pip",
};

impl Prerequisite {
    /// Says that it is missing and how to install it.
    fn missing(self) -> String {
        let Self {
            what,
            debian,
            fedora,
        } = self;
        format!(
            "{what} is missing, install it with `sudo apt install {debian}` \
             or `sudo dnf install {fedora}`"
        )
    }
}

/// Checks for the compiler that builds the bindings of libtorch.
pub(crate) fn check_compiler() -> Result<()> {
    // Whoever names a compiler of their own hears from it.
    if env::var_os("CXX").is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    check_tool(&path, "c++", COMPILER)
}

fn check_tool(path: &OsStr, name: &str, prerequisite: Prerequisite) -> Result<()> {
    match process::find_in(path, name) {
        Some(_) => Ok(()),
        None => bail!(prerequisite.missing()),
    }
}

/// A Python that has pip: the one of the system, else one in a virtual
/// environment made in `folder` for the purpose.
pub(crate) fn python_with_pip(folder: &Path) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    check_tool(&path, "python3", PYTHON)?;
    if process::succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        return Ok(Command::new("python3"));
    }
    virtual_environment(folder)
}

/// The Python of a new virtual environment in `folder`.
pub(crate) fn virtual_environment(folder: &Path) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    check_tool(&path, "python3", PYTHON)?;
    let mut command = Command::new("python3");
    command.args(["-m", "venv"]).arg(folder);
    process::output(&mut command)
        .context("cannot make a virtual environment")
        .with_context(|| VENV.missing())?;
    Ok(Command::new(folder.join("bin/python")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tool_is_named_with_its_packages() {
        let folder = tempfile::tempdir().unwrap();
        let error = check_tool(folder.path().as_os_str(), "c++", COMPILER).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a C++ compiler (`c++`) is missing, install it with `sudo apt install g++` \
             or `sudo dnf install gcc-c++`"
        );
    }
}
