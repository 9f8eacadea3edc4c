//! Words for a POSIX shell.

/// A word as a POSIX shell reads it back.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        assert_eq!(quoted("train-3d_fullres-0"), "train-3d_fullres-0");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        let words = [
            "a b",
            "it's",
            "",
            "$HOME `x` \"y\" \\",
            "line\nbreak",
            "*",
            "é",
        ];
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let script = format!("printf '%s|' {}", line.join(" "));
        let ended = std::process::Command::new("sh")
            .arg("-c")
            .arg(script)
            .output();
        let read = String::from_utf8(ended.unwrap().stdout).unwrap();
        assert_eq!(read.split_terminator('|').collect::<Vec<_>>(), words);
    }
}
