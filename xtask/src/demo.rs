//! The demo: provides libtorch, then calls the `nnunet` program.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{libtorch, process};

/// Where the demo writes unless told otherwise.
const DEFAULT_OUTPUT: &str = "demo";

/// Runs `nnunet demo` with the arguments of the user.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    libtorch::ensure(workspace)?;
    let mut command = workspace.cargo();
    command.args(["run", "--release", "--locked"]);
    command.args(["--package", "nnunet-cli", "--bin", "nnunet", "--", "demo"]);
    if !names_output(args) {
        command.args(["--output", DEFAULT_OUTPUT]);
    }
    process::run(command.args(args))
}

/// Whether the user chose the output folder.
fn names_output(args: &[OsString]) -> bool {
    args.iter().filter_map(|arg| arg.to_str()).any(|arg| {
        arg == "--output"
            || arg.starts_with("--output=")
            || (arg.starts_with("-o") && !arg.starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_output_folder_is_noticed() {
        let named = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            names_output(&args)
        };
        assert!(named(&["--output", "x"]));
        assert!(named(&["--seed", "3", "--output=x"]));
        assert!(named(&["-o", "x"]));
        assert!(!named(&["--overwrite"]));
        assert!(!named(&[]));
    }
}
