//! Splits that keep cases together which are not independent: several images of one patient.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use indexmap::IndexMap;
use regex_lite::Regex;
use serde::Deserialize;

use super::{FOLDS, Split, SplitError, Splits, k_fold, sorted_unique};
use crate::{SchemaError, python_json};

/// Where the group of a case comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// From the name of the case.
    Pattern(CasePattern),
    /// From a file, chosen by its ending: `.json` holds one object, case to group; `.csv`
    /// (comma), `.tsv` and `.txt` (tab) hold two columns, case and group, with or without the
    /// header `case,group`.
    File(PathBuf),
    /// Given outright, case to group.
    Map(BTreeMap<String, String>),
}

/// A regular expression that finds the group in the name of a case: what its first pair of
/// parentheses matches, or the whole match if it has none.
///
/// The pattern may match anywhere in the name; `^` and `$` tie it to the ends.
///
/// ```
/// # use nnunet_schema::splits::CasePattern;
/// let pattern: CasePattern = "^(patient[0-9]+)_".parse()?;
/// assert_eq!(pattern.group_of("patient003_frame12"), Some("patient003"));
/// assert_eq!(pattern.group_of("phantom_1"), None);
/// # Ok::<(), nnunet_schema::splits::SplitError>(())
/// ```
#[derive(Clone)]
pub struct CasePattern(Regex);

impl CasePattern {
    /// The group that `case` belongs to; `None` if the pattern does not match, or matches
    /// nothing but emptiness.
    #[must_use]
    pub fn group_of<'a>(&self, case: &'a str) -> Option<&'a str> {
        let captures = self.0.captures(case)?;
        let index = usize::from(captures.len() > 1);
        let group = captures.get(index)?.as_str();
        (!group.is_empty()).then_some(group)
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for CasePattern {
    type Err = SplitError;
    fn from_str(pattern: &str) -> Result<Self, SplitError> {
        match Regex::new(pattern) {
            Ok(regex) => Ok(Self(regex)),
            Err(error) => Err(SplitError::Pattern {
                pattern: pattern.to_owned(),
                message: error.to_string(),
            }),
        }
    }
}

impl fmt::Display for CasePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CasePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CasePattern").field(&self.as_str()).finish()
    }
}

impl PartialEq for CasePattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for CasePattern {}

impl Splits {
    /// Splits these cases (any order) so that all cases of a group are held out together, as the
    /// paper does for datasets with several images per patient (supplement C.1).
    ///
    /// The groups, sorted by name, are split exactly as [`Splits::five_fold`] splits cases, and
    /// then replaced by their cases: folds hold out equally many groups (to within one), not
    /// equally many cases. Fewer than five groups make as many folds as there are groups, each
    /// holding out one. If every group is one case and sorts like it, the result is that of
    /// [`Splits::five_fold`].
    ///
    /// # Errors
    /// [`SchemaError::Split`] if a case has no group, if the grouping lists a case that is not
    /// among `cases`, or if there is only one group; [`SchemaError::Malformed`] or
    /// [`SchemaError::Io`] if the file of a [`Grouping::File`] cannot be used.
    pub fn grouped(cases: &[String], grouping: &Grouping) -> Result<Self, SchemaError> {
        let cases = sorted_unique(cases)?;
        let groups = grouping.groups_of(&cases)?;
        let names: BTreeSet<&String> = groups.iter().collect();
        let names: Vec<&String> = names.into_iter().collect();
        if let [] | [_] = names.as_slice() {
            return Err(SchemaError::Split(SplitError::OneGroup {
                cases: cases.len(),
                group: names.first().map(|g| (*g).clone()).unwrap_or_default(),
            }));
        }
        let folds = k_fold(names.len(), FOLDS.min(names.len()));
        let splits = folds.iter().map(|held_out| {
            Split::holding_out(&cases, |case| {
                names
                    .binary_search(&&groups[case])
                    .is_ok_and(|g| held_out[g])
            })
        });
        Ok(Self(splits.collect()))
    }
}

impl Grouping {
    /// The group of each case, in the order of `cases`.
    fn groups_of(&self, cases: &[String]) -> Result<Vec<String>, SchemaError> {
        match self {
            Self::Pattern(pattern) => Ok(match_all(pattern, cases)?),
            Self::File(path) => {
                let known = load(path)?;
                Ok(look_up(&path.display().to_string(), &known, cases)?)
            }
            Self::Map(known) => Ok(look_up("the given grouping", known, cases)?),
        }
    }
}

fn match_all(pattern: &CasePattern, cases: &[String]) -> Result<Vec<String>, SplitError> {
    let groups: Vec<Option<&str>> = cases.iter().map(|case| pattern.group_of(case)).collect();
    let without: Vec<String> = (cases.iter().zip(&groups))
        .filter(|(_, group)| group.is_none())
        .map(|(case, _)| case.clone())
        .collect();
    if without.is_empty() {
        return Ok(groups.into_iter().flatten().map(str::to_owned).collect());
    }
    Err(SplitError::NoMatch {
        pattern: pattern.as_str().to_owned(),
        cases: without,
    })
}

fn look_up(
    origin: &str,
    known: &BTreeMap<String, String>,
    cases: &[String],
) -> Result<Vec<String>, SplitError> {
    let has_group = |case: &&String| known.get(*case).is_some_and(|group| !group.is_empty());
    let without_group: Vec<String> = cases.iter().filter(|c| !has_group(c)).cloned().collect();
    // `cases` is sorted.
    let unknown: Vec<String> = (known.keys())
        .filter(|case| cases.binary_search(case).is_err())
        .cloned()
        .collect();
    if without_group.is_empty() && unknown.is_empty() {
        return Ok(cases.iter().filter_map(|c| known.get(c)).cloned().collect());
    }
    Err(SplitError::Grouping {
        origin: origin.to_owned(),
        without_group,
        unknown,
    })
}

/// Reads a file of groups by its ending.
fn load(path: &Path) -> Result<BTreeMap<String, String>, SchemaError> {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    match ending.to_ascii_lowercase().as_str() {
        "json" => {
            let groups: IndexMap<String, GroupName> = python_json::load(path)?;
            let entries = groups.into_iter().map(|(case, group)| (case, group.into()));
            Ok(entries.collect())
        }
        "csv" => load_table(path, b','),
        "tsv" | "txt" => load_table(path, b'\t'),
        other => Err(malformed(
            path,
            ".",
            format!("has the ending `{other}`, expected .json, .csv, .tsv or .txt"),
        )),
    }
}

/// Groups are often numbered.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected the name or the number of the case's group"
)]
enum GroupName {
    Text(String),
    Number(i64),
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> Self {
        match name {
            GroupName::Text(text) => text,
            GroupName::Number(number) => number.to_string(),
        }
    }
}

fn load_table(path: &Path, delimiter: u8) -> Result<BTreeMap<String, String>, SchemaError> {
    let text = python_json::read_text(path)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut groups = BTreeMap::new();
    for (row, record) in reader.records().enumerate() {
        let place = format!("row {}", row + 1);
        let record = record.map_err(|error| malformed(path, &place, error.to_string()))?;
        let &[case, group] = record.iter().collect::<Vec<_>>().as_slice() else {
            let message = format!("has {} columns, expected case and group", record.len());
            return Err(malformed(path, &place, message));
        };
        let is_header = case.eq_ignore_ascii_case("case") && group.eq_ignore_ascii_case("group");
        if row == 0 && is_header {
            continue;
        }
        if groups.insert(case.to_owned(), group.to_owned()).is_some() {
            let message = format!("lists case `{case}` again");
            return Err(malformed(path, &place, message));
        }
    }
    Ok(groups)
}

fn malformed(path: &Path, place: &str, message: String) -> SchemaError {
    SchemaError::Malformed {
        path: path.to_path_buf(),
        json_path: place.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    fn pattern(text: &str) -> Grouping {
        Grouping::Pattern(text.parse().unwrap())
    }

    /// `patients` patients with one to three images each.
    fn images(patients: usize) -> Vec<String> {
        (0..patients)
            .flat_map(|p| (0..=p % 3).map(move |i| format!("p{p:03}_image{i}")))
            .collect()
    }

    #[test]
    fn patients_are_split_as_the_reference_splits_cases() {
        let splits = Splits::grouped(&images(10), &pattern("^(p[0-9]+)_")).unwrap();
        let patients: Vec<Vec<String>> = (splits.0.iter())
            .map(|s| {
                let set: BTreeSet<_> = s.val.iter().map(|c| c[..4].to_owned()).collect();
                set.into_iter().collect()
            })
            .collect();
        let expected = [[0, 7], [3, 9], [4, 6], [1, 8], [2, 5]];
        assert_eq!(patients, expected.map(|f| f.map(|p| format!("p{p:03}"))));
        assert_eq!(
            splits.0[0].val,
            ["p000_image0", "p007_image0", "p007_image1"]
        );
    }

    #[test]
    fn one_case_per_group_is_the_plain_split() {
        let cases = names(&["a", "b", "c", "d", "e", "f", "g"]);
        let grouped = Splits::grouped(&cases, &pattern(".*")).unwrap();
        assert_eq!(grouped, Splits::five_fold(&cases).unwrap());
    }

    #[test]
    fn few_groups_are_held_out_one_by_one() {
        let splits = Splits::grouped(&images(3), &pattern("^(p[0-9]+)_")).unwrap();
        assert_eq!(splits.0.len(), 3);
        let alone = Splits::grouped(&images(1), &pattern("^(p[0-9]+)_")).unwrap_err();
        assert!(alone.to_string().contains("one group `p000`"), "{alone}");
    }

    proptest! {
        #[test]
        fn no_group_is_on_both_sides_and_every_case_is_held_out_once(
            groups in proptest::collection::vec(0_u8..12, 2..60)
        ) {
            let map: BTreeMap<String, String> = (groups.iter().enumerate())
                .map(|(i, g)| (format!("case{i}"), format!("g{g}")))
                .collect();
            let cases: Vec<String> = map.keys().cloned().collect();
            let distinct = groups.iter().collect::<BTreeSet<_>>().len();
            let result = Splits::grouped(&cases, &Grouping::Map(map.clone()));
            if distinct < 2 {
                prop_assert!(result.is_err());
                return Ok(());
            }
            let splits = result.unwrap();
            prop_assert_eq!(splits.0.len(), distinct.min(5));
            let mut held_out: Vec<&String> = splits.0.iter().flat_map(|s| &s.val).collect();
            held_out.sort();
            prop_assert_eq!(held_out, cases.iter().collect::<Vec<_>>());
            for split in &splits.0 {
                let of = |list: &[String]| -> BTreeSet<String> {
                    list.iter().map(|c| map[c].clone()).collect()
                };
                prop_assert!(of(&split.train).is_disjoint(&of(&split.val)));
                prop_assert_eq!(split.train.len() + split.val.len(), cases.len());
            }
        }
    }

    #[test]
    fn a_case_that_the_pattern_misses_is_named() {
        let error = Splits::grouped(&names(&["p1_a", "p2_a", "odd"]), &pattern("^(p[0-9])_"));
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "the pattern `^(p[0-9])_` finds no group in `odd`");
        let broken = "(".parse::<CasePattern>().unwrap_err().to_string();
        assert!(broken.starts_with("`(` is not a regular"), "{broken}");
    }

    #[test]
    fn without_parentheses_the_whole_match_is_the_group() {
        let pattern: CasePattern = "p[0-9]+".parse().unwrap();
        assert_eq!(pattern.group_of("site_p12_v3"), Some("p12"));
        let optional: CasePattern = "(x)?y".parse().unwrap();
        assert_eq!(optional.group_of("y"), None);
    }

    #[test]
    fn groups_are_read_from_json_and_tables() {
        let dir = tempfile::tempdir().unwrap();
        let cases = names(&["a", "b", "c,1"]);
        let expected = names(&["x", "7", "x"]);
        for (name, text) in [
            ("g.json", r#"{"a": "x", "b": 7, "c,1": "x"}"#),
            (
                "g.csv",
                "\u{feff}case,group\r\na, x\r\n\"c,1\",x\r\nb,7\r\n",
            ),
            ("g.TSV", "a\tx\nb\t7\nc,1\tx\n"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let groups = Grouping::File(path).groups_of(&cases).unwrap();
            assert_eq!(groups, expected, "{name}");
        }
    }

    #[test]
    fn a_file_that_does_not_fit_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let cases = names(&["a", "b"]);
        for (name, text, wanted) in [
            ("g.csv", "a,x\nc,y\n", "no group for `b`; it lists `c`"),
            ("g.csv", "a,x\nb,\n", "no group for `b`"),
            ("g.csv", "a,x\na,y\nb,y\n", "`row 2`: lists case `a` again"),
            ("g.csv", "a\nb\n", "`row 1`: has 1 columns"),
            ("g.csv", "a,x\nb,x,1\n", "row 2"),
            (
                "g.json",
                r#"{"a": "x", "b": [1]}"#,
                "`b`: expected the name",
            ),
            ("g.json", r#"{"a": "x", "a": "y"}"#, "`a` occurs twice"),
            ("g.xlsx", "", "the ending `xlsx`"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = Splits::grouped(&cases, &Grouping::File(path)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(wanted) && error.contains(name), "{error}");
        }
    }
}
