//! Values of a profile, checked when they are read: what is wrong with them is said before a job
//! is submitted, not by Slurm afterwards.

use std::fmt;

use serde::Deserialize;

/// A value that is wrong, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct InvalidValue {
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
}

macro_rules! checked_text {
    ($name:ident, $is_valid:path, $expected:literal) => {
        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                match $is_valid(&text) {
                    true => Ok(Self(text)),
                    false => Err(InvalidValue {
                        found: text,
                        expected: $expected,
                    }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// The name of something of the cluster: of a partition, an account, a kind of GPU. Several names
/// may be separated by commas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);
checked_text!(
    Name,
    is_name,
    "a name of letters, digits and any of _ - . , : + @ ="
);

fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:+@=".contains(c);
    !text.is_empty() && text.chars().all(is_plain)
}

/// How long a job may run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeLimit(String);
checked_text!(
    TimeLimit,
    is_time_limit,
    "a time: minutes, hours:minutes:seconds, days-hours or days-hours:minutes:seconds"
);

/// The forms of `sbatch --time`.
fn is_time_limit(text: &str) -> bool {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let clock = match text.split_once('-') {
        Some((days, clock)) if is_number(days) => clock,
        Some(_) => return false,
        None => text,
    };
    let parts: Vec<&str> = clock.split(':').collect();
    parts.len() <= 3 && parts.into_iter().all(is_number)
}

/// Memory of a node that a job takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Memory(String);
checked_text!(
    Memory,
    is_memory,
    "an amount of memory: a number and one of K, M, G, T"
);

fn is_memory(text: &str) -> bool {
    let digits = text.strip_suffix(['K', 'M', 'G', 'T']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A further option of `sbatch`, as it stands after `#SBATCH` in a script.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SbatchOption(String);
checked_text!(
    SbatchOption,
    is_free_option,
    "an option of sbatch on one line, other than those that `nnunet run` sets itself (--array, \
     --dependency, --error, --job-name, --kill-on-invalid-dep, --no-requeue, --open-mode, \
     --output, --parsable, --requeue, --signal, --wrap)"
);

/// Options that the running of the graph depends on.
const OWN_OPTIONS: [&str; 18] = [
    "--array",
    "-a",
    "--dependency",
    "-d",
    "--error",
    "-e",
    "--job-name",
    "-J",
    "--kill-on-invalid-dep",
    "--no-requeue",
    "--open-mode",
    "--output",
    "-o",
    "--parsable",
    "--requeue",
    "--signal",
    "--test-only",
    "--wrap",
];

fn is_free_option(text: &str) -> bool {
    let name = text.split(['=', ' ', '\t']).next().unwrap_or_default();
    name.starts_with('-') && !OWN_OPTIONS.contains(&name) && !text.contains(char::is_control)
}

/// A line of shell.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ShellLine(String);
checked_text!(ShellLine, is_line, "one line");

fn is_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is<T: TryFrom<String>>(text: &str) -> bool {
        T::try_from(text.to_owned()).is_ok()
    }

    #[test]
    fn times_are_those_of_sbatch() {
        for time in ["60", "60:30", "24:00:00", "3-0", "3-12:30", "3-12:30:00"] {
            assert!(is::<TimeLimit>(time), "{time}");
        }
        for time in ["", "1 day", "24h", "3-", "-3", "1:2:3:4", "a-1", "1::2"] {
            assert!(!is::<TimeLimit>(time), "{time}");
        }
    }

    #[test]
    fn memory_has_a_unit() {
        for memory in ["32G", "64000M", "1T"] {
            assert!(is::<Memory>(memory), "{memory}");
        }
        for memory in ["32", "G", "32 G", "32GB", "1.5G"] {
            assert!(!is::<Memory>(memory), "{memory}");
        }
    }

    #[test]
    fn names_cannot_end_the_line_that_they_are_on() {
        assert!(is::<Name>("gpu,gpu-long"));
        for name in ["", "a b", "a\nb", "a#b", "'a'", "$(a)"] {
            assert!(!is::<Name>(name), "{name}");
        }
    }

    #[test]
    fn options_that_the_graph_depends_on_are_not_free() {
        for option in [
            "--constraint=ib",
            "-C ib",
            "--mail-user a@b.c",
            "--export=NONE",
        ] {
            assert!(is::<SbatchOption>(option), "{option}");
        }
        for option in [
            "constraint",
            "--array=0-3",
            "-d x",
            "-a\t1",
            "--requeue",
            "--x\n--y",
        ] {
            assert!(!is::<SbatchOption>(option), "{option}");
        }
    }
}
