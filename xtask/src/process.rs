//! Running other programs.

use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// How many characters of a command an error repeats.
const MAX_SHOWN: usize = 80;

/// Says what is run, runs it with the terminal of this process and checks
/// that it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    println!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    check(&shown, status)
}

/// As [`run`], and hands each line of the standard output, which still goes
/// to the terminal, to `each_line`.
pub(crate) fn run_and_read(command: &mut Command, each_line: impl FnMut(&str)) -> Result<()> {
    let shown = show(command);
    println!("$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if let Some(output) = child.stdout.take() {
        copy_lines(BufReader::new(output), io::stdout(), each_line)
            .with_context(|| format!("cannot pass on what `{shown}` prints"))?;
    }
    let status = child.wait()?;
    check(&shown, status)
}

fn copy_lines(
    mut from: impl BufRead,
    mut to: impl Write,
    mut each_line: impl FnMut(&str),
) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        each_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

/// The standard output of a program that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{shown}` failed with {}:\n{}",
            output.status,
            stderr.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be run and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The file that `name` would run, looked up in `path` (the value of PATH).
pub(crate) fn find_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file() || file.with_extension("exe").is_file()
}

fn check(shown: &str, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed with {status}", shorten(shown));
    }
    Ok(())
}

/// The beginning of a long command, which has been shown in full before.
fn shorten(shown: &str) -> Cow<'_, str> {
    match shown.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{} …", shown[..end].trim_end())),
        None => Cow::Borrowed(shown),
    }
}

/// The command as one would type it.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut shown = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            // Writing to a string cannot fail.
            let _ = write!(shown, " '{argument}'");
        } else {
            let _ = write!(shown, " {argument}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["test", "--name", "two words"]);
        assert_eq!(show(&command), "cargo test --name 'two words'");
    }

    #[test]
    fn output_is_passed_on_and_read_line_by_line() {
        let mut lines = Vec::new();
        let mut passed_on = Vec::new();
        let output: &[u8] = b"one\ntwo\r\nthr\xffee";
        copy_lines(output, &mut passed_on, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two", "thr\u{fffd}ee"]);
        assert_eq!(passed_on, output);
    }

    #[cfg(unix)]
    #[test]
    fn failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`sh -c 'exit 3'` failed"), "{text}");
        assert!(text.contains('3'), "{text}");
    }

    #[test]
    fn long_commands_are_shortened_between_characters() {
        assert_eq!(shorten("cargo fmt"), "cargo fmt");
        let long = "ä".repeat(MAX_SHOWN + 1);
        assert_eq!(shorten(&long), format!("{} …", "ä".repeat(MAX_SHOWN)));
    }

    #[cfg(unix)]
    #[test]
    fn only_executable_files_are_found() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "").unwrap();
        let path = folder.path().as_os_str();
        assert_eq!(find_in(path, "tool"), None);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_in(path, "tool"), Some(file));
        assert_eq!(find_in(path, "other"), None);
    }
}
