//! The list of checksums in an archive: lines that `sha256sum -c` reads, below a comment with the
//! version.

use std::collections::BTreeMap;
use std::fmt;

/// SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Checksum([u8; 32]);

impl Checksum {
    pub(super) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2)?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the first line of a list says.
const HEADER: &str = "# nnunet model export, version ";
/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

/// The checksums of files by their paths in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checksums(pub(super) BTreeMap<String, Checksum>);

impl Checksums {
    /// Reads a list.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.lines());
        let version = lines.next().and_then(|(_, line)| line.strip_prefix(HEADER));
        match version.map(str::parse::<u32>) {
            Some(Ok(version)) if version <= VERSION => {}
            Some(Ok(version)) => {
                return Err(format!(
                    "its version is {version}, this program reads up to {VERSION}: use a newer one"
                ));
            }
            _ => return Err(format!("it does not begin with `{HEADER}{VERSION}`")),
        }
        let mut checksums = BTreeMap::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let parts = line.split_once("  ");
            let entry = parts.and_then(|(sum, name)| Some((name, Checksum::parse(sum)?)));
            let (name, sum) = entry.ok_or_else(|| {
                format!("its line {number} is not a checksum, two spaces and a path")
            })?;
            if checksums.insert(name.to_owned(), sum).is_some() {
                return Err(format!("it has two checksums of `{name}`"));
            }
        }
        Ok(Self(checksums))
    }
}

impl fmt::Display for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}{VERSION}")?;
        (self.0.iter()).try_for_each(|(name, sum)| writeln!(f, "{sum}  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let list = Checksums(BTreeMap::from([
            ("D/a b.json".to_owned(), Checksum::new([7; 32])),
            ("D/c".to_owned(), Checksum::new([0xfe; 32])),
        ]));
        let text = list.to_string();
        assert!(text.starts_with("# nnunet model export, version 1\n0707"));
        assert!(text.ends_with("fefe  D/c\n"), "{text}");
        assert_eq!(Checksums::parse(&text), Ok(list));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let sum = "07".repeat(32);
        let list = |lines: &str| Checksums::parse(&format!("{HEADER}1\n{lines}"));
        assert!(list(&format!("{sum}  D/a\n")).is_ok());
        for (text, says) in [
            (format!("{sum} D/a"), "line 2"),
            (format!("{}é  D/a", "0".repeat(62)), "line 2"),
            (format!("{sum}  D/a\nx  D/b"), "line 3"),
            (format!("{sum}  D/a\n{sum}  D/a"), "two checksums of `D/a`"),
        ] {
            let problem = list(&text).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
        let newer = Checksums::parse(&format!("{HEADER}2\n")).unwrap_err();
        assert!(newer.contains("version is 2"), "{newer}");
        assert!(Checksums::parse("").unwrap_err().contains("begin"));
    }
}
