//! Where the workspace lies, and which packages it has.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The crates that see torch. The `examples` and `tests` packages see it too.
const TORCH_CRATES: [&str; 5] = [
    "nnunet",
    "nnunet-cli",
    "nnunet-infer",
    "nnunet-model",
    "nnunet-train",
];

/// Folders whose package may see torch, whatever its name.
const TORCH_FOLDERS: [&str; 2] = ["examples", "tests"];

/// The checkout that this program belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the checkout from the folder of this package.
    pub(crate) fn locate() -> Result<Self> {
        // Set by `cargo run`; the other is where the program was built.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package
            .parent()
            .context("the xtask package lies in no workspace")?
            .to_path_buf();
        if !root.join("Cargo.toml").is_file() {
            bail!(
                "{} is no workspace: run `cargo xtask` inside the checkout",
                root.display()
            );
        }
        Ok(Self { root })
    }

    /// The folder of the workspace.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A cargo command that runs in the root of the workspace.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        // What cargo told this process about the xtask package would be
        // mistaken by build scripts for facts about theirs.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(describes_this_package) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The packages of the workspace, in alphabetic order.
    pub(crate) fn packages(&self) -> Result<Vec<Package>> {
        let output = self
            .cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run `cargo metadata`")?;
        if !output.status.success() {
            bail!(
                "`cargo metadata` failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        self.parse_metadata(&output.stdout)
    }

    fn parse_metadata(&self, json: &[u8]) -> Result<Vec<Package>> {
        let metadata: Metadata =
            serde_json::from_slice(json).context("cannot read what `cargo metadata` prints")?;
        let mut packages: Vec<Package> = metadata
            .packages
            .into_iter()
            .map(|package| self.package(package))
            .collect();
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packages)
    }

    fn package(&self, package: MetadataPackage) -> Package {
        let is_in = |folder| package.manifest_path.parent() == Some(&*self.root.join(folder));
        let sees_torch =
            TORCH_CRATES.contains(&package.name.as_str()) || TORCH_FOLDERS.into_iter().any(is_in);
        let of_kind = |kind: &str| {
            let mut names: Vec<String> = package
                .targets
                .iter()
                .filter(|target| target.kind.iter().any(|k| k == kind))
                .map(|target| target.name.clone())
                .collect();
            names.sort();
            names
        };
        Package {
            is_examples: is_in("examples"),
            sees_torch,
            benches: of_kind("bench"),
            binaries: of_kind("bin"),
            examples: of_kind("example"),
            name: package.name,
        }
    }
}

/// Whether cargo sets the variable to describe the package that it runs.
fn describes_this_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || variable.starts_with("CARGO_MANIFEST_")
        || variable.starts_with("CARGO_BIN_")
        || variable == "CARGO_CRATE_NAME"
        || variable == "CARGO_PRIMARY_PACKAGE"
}

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is the package of the examples.
    pub(crate) is_examples: bool,
    /// Whether it is one of those that may link libtorch.
    pub(crate) sees_torch: bool,
    /// Its benchmarks, in alphabetic order.
    pub(crate) benches: Vec<String>,
    /// Its programs, in alphabetic order.
    pub(crate) binaries: Vec<String>,
    /// Its examples, in alphabetic order.
    pub(crate) examples: Vec<String>,
}

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Debug, Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
}

#[derive(Debug, Deserialize)]
struct MetadataTarget {
    name: String,
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"packages": [
        {"name": "nnunet-planner", "manifest_path": "/w/crates/nnunet-planner/Cargo.toml",
         "targets": [{"name": "nnunet_planner", "kind": ["lib"]},
                     {"name": "rules", "kind": ["bench"]}]},
        {"name": "any-name", "manifest_path": "/w/examples/Cargo.toml",
         "targets": [{"name": "train", "kind": ["example"]},
                     {"name": "plan", "kind": ["example"]}]},
        {"name": "nnunet-model", "manifest_path": "/w/crates/nnunet-model/Cargo.toml",
         "targets": []}
    ]}"#;

    #[test]
    fn packages_are_read_from_metadata() {
        let workspace = Workspace { root: "/w".into() };
        let packages = workspace.parse_metadata(METADATA.as_bytes()).unwrap();
        let facts: Vec<_> = packages
            .iter()
            .map(|p| (p.name.as_str(), p.sees_torch, p.is_examples))
            .collect();
        assert_eq!(
            facts,
            [
                ("any-name", true, true),
                ("nnunet-model", true, false),
                ("nnunet-planner", false, false),
            ]
        );
        assert_eq!(packages[0].examples, ["plan", "train"]);
        assert_eq!(packages[2].benches, ["rules"]);
    }

    #[test]
    fn only_variables_about_the_package_are_withheld() {
        assert!(describes_this_package("CARGO_PKG_NAME"));
        assert!(describes_this_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_this_package("CARGO_TARGET_DIR"));
        assert!(!describes_this_package("CARGO_HOME"));
    }
}
