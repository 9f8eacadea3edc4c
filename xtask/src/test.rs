//! Every check of the project, one after the other.

use std::fmt;
use std::process::Command;

use anyhow::{Result, bail};

use crate::steps::Steps;
use crate::workspace::{Package, Workspace};
use crate::{libtorch, process};

/// The package of the C++ bindings, which the crates without torch must not
/// depend on in any way.
const BINDINGS: &str = "torch-sys";

/// Runs the checks, and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, quick: bool) -> Result<()> {
    let cargo = |args: &[&str]| {
        let mut command = workspace.cargo();
        command.args(args);
        command
    };
    let mut steps = Steps::default();
    steps.run("libtorch", || ok(libtorch::ensure(workspace)))?;
    let packages = workspace.packages()?;
    steps.run("format", || {
        ok(process::run(&mut cargo(&["fmt", "--all", "--", "--check"])))
    })?;
    steps.run("lints", || {
        let mut command = cargo(&["clippy", "--workspace", "--all-targets", "--locked"]);
        ok(process::run(command.args(["--", "-D", "warnings"])))
    })?;
    if !quick {
        steps.run("documentation", || {
            let mut command = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
            ok(process::run(command.env("RUSTDOCFLAGS", "-D warnings")))
        })?;
        steps.run("each crate alone", || {
            for package in &packages {
                process::run(&mut cargo(&["check", "--locked", "-p", &package.name]))?;
            }
            Ok(format!("{} crates", packages.len()))
        })?;
    }
    steps.run("crates without torch", || {
        crates_without_torch(&packages, cargo)
    })?;
    steps.run("tests", || {
        let mut counts = Counts::default();
        let mut command = cargo(&["test", "--workspace", "--locked"]);
        process::run_and_read(&mut command, |line| counts.add(line))?;
        if counts.passed == 0 {
            bail!("no test ran");
        }
        Ok(counts.to_string())
    })?;
    if !quick {
        steps.run("examples", || examples(&packages, cargo))?;
    }
    println!("\n{}\nall checks passed", steps.summary());
    Ok(())
}

fn ok(result: Result<()>) -> Result<String> {
    result.map(|()| "ok".to_owned())
}

/// Checks that the bindings are not among the dependencies of the crates that
/// promise to do without.
fn crates_without_torch(
    packages: &[Package],
    cargo: impl Fn(&[&str]) -> Command,
) -> Result<String> {
    let free: Vec<&Package> = packages.iter().filter(|p| !p.sees_torch).collect();
    for package in &free {
        let mut command = cargo(&["tree", "--locked", "--prefix", "none", "-p", &package.name]);
        let tree = process::output(command.args(["-e", "normal,build,dev"]))?;
        if names(&tree, BINDINGS) {
            bail!(
                "{name} depends on {BINDINGS}, and must build without it: \
                 see `cargo tree -p {name} -e normal,build,dev -i {BINDINGS}`",
                name = package.name
            );
        }
        println!("{} does without {BINDINGS}", package.name);
    }
    Ok(format!("{} crates", free.len()))
}

/// Whether a package is in the output of `cargo tree --prefix none`.
fn names(tree: &str, package: &str) -> bool {
    tree.lines()
        .any(|line| line.split_whitespace().next() == Some(package))
}

/// Runs every example, without arguments.
fn examples(packages: &[Package], cargo: impl Fn(&[&str]) -> Command) -> Result<String> {
    let mut count = 0;
    for package in packages.iter().filter(|package| package.is_examples) {
        let run = |kind: &str, name: &str| {
            process::run(&mut cargo(&[
                "run",
                "--locked",
                "-p",
                &package.name,
                kind,
                name,
            ]))
        };
        for name in &package.examples {
            run("--example", name)?;
        }
        for name in &package.binaries {
            run("--bin", name)?;
        }
        count += package.examples.len() + package.binaries.len();
    }
    Ok(format!("{count} examples"))
}

/// How many tests ran, added up over the test programs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Counts {
    /// Adds what a line of the form
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …` tells.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            ignored,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} ignored")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.31s");
        counts.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.00s");
        counts.add("test tests::x ... ok");
        counts.add("running 9 tests");
        assert_eq!(counts.to_string(), "15 passed, 2 failed, 1 ignored");
    }

    #[test]
    fn package_is_found_in_a_tree_by_its_whole_name() {
        let tree = "nnunet-image v0.1.0 (/w)\nndarray v0.17.2\ntorch-sys-extra v1.0.0\n";
        assert!(!names(tree, BINDINGS));
        assert!(names(&format!("{tree}torch-sys v0.24.0\n"), BINDINGS));
    }
}
