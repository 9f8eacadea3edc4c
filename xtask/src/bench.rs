//! The benchmarks.

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::workspace::{Package, Workspace};
use crate::{libtorch, process};

/// Runs the benchmarks of one package, or of all that have some.
pub(crate) fn run(workspace: &Workspace, name: Option<&str>, args: &[OsString]) -> Result<()> {
    let packages = workspace.packages()?;
    let selected = select(&packages, name)?;
    if selected.iter().any(|package| package.sees_torch) {
        libtorch::ensure(workspace)?;
    }
    for package in selected {
        let mut command = workspace.cargo();
        command.args(["bench", "--locked", "--package", &package.name]);
        // By name: the test harness of the library does not know what
        // benchmarks accept.
        for bench in &package.benches {
            command.args(["--bench", bench]);
        }
        if !args.is_empty() {
            command.arg("--").args(args);
        }
        process::run(&mut command)?;
    }
    Ok(())
}

/// The packages with benchmarks that `name` asks for.
fn select<'a>(packages: &'a [Package], name: Option<&str>) -> Result<Vec<&'a Package>> {
    let mut selected: Vec<&Package> = packages.iter().filter(|p| !p.benches.is_empty()).collect();
    if let Some(name) = name {
        let all: Vec<&str> = selected.iter().map(|p| p.name.as_str()).collect();
        let all = all.join(", ");
        selected.retain(|p| p.name == name || p.name.strip_prefix("nnunet-") == Some(name));
        if selected.is_empty() {
            bail!("no package `{name}` with benchmarks: there are {all}");
        }
    }
    if selected.is_empty() {
        bail!("no package has benchmarks");
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, benches: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            is_examples: false,
            sees_torch: false,
            benches: benches.iter().map(|&b| b.to_owned()).collect(),
            binaries: Vec::new(),
            examples: Vec::new(),
        }
    }

    #[test]
    fn packages_with_benches_are_selected() {
        let packages = [
            package("nnunet-image", &["read"]),
            package("nnunet-schema", &[]),
            package("nnunet-train", &["loss", "step"]),
        ];
        let names = |name| -> Result<Vec<String>> {
            Ok(select(&packages, name)?
                .iter()
                .map(|p| p.name.clone())
                .collect())
        };
        assert_eq!(names(None).unwrap(), ["nnunet-image", "nnunet-train"]);
        assert_eq!(names(Some("nnunet-train")).unwrap(), ["nnunet-train"]);
        assert_eq!(names(Some("image")).unwrap(), ["nnunet-image"]);
        let error = names(Some("schema")).unwrap_err().to_string();
        assert!(error.contains("nnunet-image, nnunet-train"), "{error}");
    }
}
