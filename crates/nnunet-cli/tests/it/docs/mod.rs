//! The documentation says what is true: links lead somewhere, commands are ones that the program has,
//! and those of the tutorials do what they say, one after the other.

mod page;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use page::{Page, Treatment};

use crate::program::bare;

/// Cases of a real dataset that commands are tried on.
const CASES: usize = 10;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// All pages, and the README.
fn pages() -> Vec<Page> {
    let mut folders = vec![docs()];
    let mut paths = vec![docs().join("../README.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let mut checked = 0;
    for page in pages() {
        for link in page.links() {
            let Some(target) = page.target(&link) else {
                continue;
            };
            assert!(target.exists(), "{}: `{link}`", page.path.display());
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = Page::read(&docs().join("SUMMARY.md"));
    let linked: BTreeSet<PathBuf> = (summary.links().iter())
        .filter_map(|link| summary.target(link)?.canonicalize().ok())
        .collect();
    for page in pages() {
        let path = page.path.canonicalize().unwrap();
        let is_listed = linked.contains(&path);
        let is_apart = path.ends_with("SUMMARY.md") || path.ends_with("README.md");
        assert!(is_listed || is_apart, "{}", path.display());
    }
}

#[test]
fn the_program_has_the_commands_of_the_documentation() {
    // With the first page that says it.
    let mut calls = BTreeMap::new();
    for page in pages() {
        for block in page.shell_blocks() {
            for words in shell::calls(&block.text, "nnunet") {
                calls.entry(words).or_insert_with(|| page.path.clone());
            }
        }
    }
    assert!(calls.len() > 60, "{}", calls.len());
    let calls: Vec<_> = calls.into_iter().collect();
    // Starting the program is most of it.
    std::thread::scope(|scope| {
        for part in calls.chunks(calls.len().div_ceil(2)) {
            scope.spawn(|| {
                part.iter()
                    .for_each(|(words, path)| has_command(words, path))
            });
        }
    });
}

fn has_command(words: &[String], page: &Path) {
    // What stands before this option is looked at first.
    let output = bare().args(words).arg("--help").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: nnunet {}\n{said}",
        page.display(),
        words.join(" ")
    );
}

#[test]
fn the_list_of_commands_is_whole() {
    let output = bare().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let of_program: BTreeSet<&str> = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(of_program.len() > 20, "{help}");
    let page = Page::read(&docs().join("reference/commands.md"));
    let listed: BTreeSet<&str> = (page.text.lines())
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(of_program, listed);
}

#[test]
fn what_the_tutorials_say_works() {
    for page in pages() {
        match page.treatment() {
            Treatment::Check => {}
            Treatment::Run => run(&page, None),
            Treatment::RunWith(dataset) => match shared(&dataset) {
                Some(raw) => run(&page, Some(&raw)),
                None => println!(
                    "skipped: the commands of {} need `data/{dataset}` of the shared folder \
                     (`NNUNET_SHARED`)",
                    page.path.display()
                ),
            },
        }
    }
}

/// A real dataset, where there are any.
fn shared(dataset: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("NNUNET_SHARED") {
        Some(root) => PathBuf::from(root),
        None => docs().join("../../shared"),
    };
    let folder = root.join("data").join(dataset);
    folder.is_dir().then(|| folder.canonicalize().unwrap())
}

/// A raw dataset of the first cases of another.
fn link_some(dataset: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let text = fs::read_to_string(dataset.join("dataset.json")).unwrap();
    let mut description: serde_json::Value = serde_json::from_str(&text).unwrap();
    description["numTraining"] = CASES.into();
    fs::write(to.join("dataset.json"), description.to_string()).unwrap();
    for folder in ["imagesTr", "labelsTr"] {
        fs::create_dir(to.join(folder)).unwrap();
        let entries = fs::read_dir(dataset.join(folder)).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in &files[..CASES] {
            let link = to.join(folder).join(file.file_name().unwrap());
            std::os::unix::fs::symlink(file, link).unwrap();
        }
    }
}

/// Runs the commands of a page in a folder of its own, with trainings cut short.
fn run(page: &Page, dataset: Option<&Path>) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir(home.join("bin")).unwrap();
    shell::write_short_program(&home.join("bin/nnunet"), env!("CARGO_BIN_EXE_nnunet"));
    let mut script = String::from("set -eu\n");
    if let Some(dataset) = dataset {
        link_some(
            dataset,
            &home.join("raw").join(dataset.file_name().unwrap()),
        );
        script += "export nnUNet_raw=$PWD/raw nnUNet_preprocessed=$PWD/preprocessed \
                   nnUNet_results=$PWD/results\n";
    }
    let blocks = page.shell_blocks();
    let to_run: Vec<&str> = (blocks.iter())
        .filter(|block| !block.only_parse)
        .map(|block| block.text.as_str())
        .collect();
    assert!(to_run.len() > 2, "{}", page.path.display());
    script += &to_run.join("\n");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(home)
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .env("HOME", home)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        page.path.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
