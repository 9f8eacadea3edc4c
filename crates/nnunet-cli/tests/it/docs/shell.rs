//! As much of a shell as the documentation needs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The calls of a program in a script, word by word. Variables stand for 0.
pub(super) fn calls(script: &str, program: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let mut calls = Vec::new();
    for line in joined.lines() {
        for command in commands(line) {
            let words: Vec<String> = (command.into_iter())
                .skip_while(|word| word == "do" || word == "then")
                .collect();
            match words.split_first() {
                Some((first, rest)) if first == program => calls.push(rest.to_vec()),
                _ => {}
            }
        }
    }
    calls
}

/// The simple commands of a line, without what follows `#` and redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars().peekable();
    let push = |commands: &mut Vec<Vec<String>>, word: &mut Option<String>| {
        if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
            command.push(word);
        }
    };
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('$', None | Some('"')) => {
                while letters
                    .next_if(|l| l.is_alphanumeric() || *l == '_')
                    .is_some()
                {}
                word.get_or_insert_default().push('0');
            }
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (';' | '|' | '&', None) => {
                push(&mut commands, &mut word);
                commands.push(Vec::new());
            }
            ('>' | '<', None) => break,
            (_, None) if letter.is_whitespace() => push(&mut commands, &mut word),
            (_, None) => word.get_or_insert_default().push(letter),
        }
    }
    push(&mut commands, &mut word);
    commands
}

/// Writes a program that calls another with its own words, but trains for two steps at most.
pub(super) fn write_short_program(path: &Path, other: &str) {
    let text = format!(
        r#"#!/bin/sh
left=$#
before=
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    case "$before" in
        --epochs) word=1 ;;
        --iterations) word=2 ;;
    esac
    set -- "$@" "$word"
    before=$word
    left=$((left - 1))
done
exec '{other}' "$@"
"#
    );
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn calls_are_found_word_by_word() {
    let script = "nnunet run 4 --dry-run  # nothing\nexport A=nnunet\n\
                  for f in 0 1; do nnunet train 4 2d $f; done\n\
                  nnunet split 1 --group-pattern '^(p[0-9]+) #' \\\n    -p \"a b\" > out\n\
                  nnunet jobs 4 | jq -r 'nnunet'";
    let expected: [&[&str]; 4] = [
        &["run", "4", "--dry-run"],
        &["train", "4", "2d", "0"],
        &["split", "1", "--group-pattern", "^(p[0-9]+) #", "-p", "a b"],
        &["jobs", "4"],
    ];
    assert_eq!(calls(script, "nnunet"), expected);
}
