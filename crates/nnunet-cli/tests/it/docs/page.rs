//! A page of the documentation, as far as it can be checked.

use std::fs;
use std::path::{Path, PathBuf};

/// What becomes of the commands of a page.
pub(super) enum Treatment {
    /// The program must have them.
    Check,
    /// They are run one after the other.
    Run,
    /// The same, with this real dataset among the raw ones.
    RunWith(String),
}

/// A block of shell commands.
pub(super) struct Block {
    pub(super) text: String,
    /// It is not run even where the others are.
    pub(super) only_parse: bool,
}

pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            text: fs::read_to_string(path).unwrap(),
        }
    }

    /// As the line `<!-- commands: … -->` says.
    pub(super) fn treatment(&self) -> Treatment {
        let said = (self.text.lines())
            .find_map(|line| line.strip_prefix("<!-- commands: ")?.strip_suffix(" -->"));
        match said {
            None => Treatment::Check,
            Some("run") => Treatment::Run,
            Some(other) => match other.strip_prefix("run with ") {
                Some(dataset) => Treatment::RunWith(dataset.to_owned()),
                None => panic!("{}: `{other}`", self.path.display()),
            },
        }
    }

    pub(super) fn shell_blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(kind) = line.strip_prefix("```") else {
                continue;
            };
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if kind == "sh" || kind == "sh,parse" {
                blocks.push(Block {
                    text: inside.join("\n"),
                    only_parse: kind == "sh,parse",
                });
            }
        }
        blocks
    }

    /// What stands in `](…)`.
    pub(super) fn links(&self) -> Vec<String> {
        let parts = self.text.split("](").skip(1);
        parts
            .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
            .collect()
    }

    /// The file that a link leads to, if it stays among them.
    pub(super) fn target(&self, link: &str) -> Option<PathBuf> {
        let file = link.split('#').next().filter(|file| !file.is_empty())?;
        let is_elsewhere = file.contains("://") || file.starts_with("mailto:");
        (!is_elsewhere).then(|| self.path.parent().unwrap().join(file))
    }
}
