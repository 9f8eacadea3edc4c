//! Names in messages.

use std::fmt::Display;

/// The first `shown` of some names, with commas between them, and how many more there are.
#[must_use]
pub fn abridged<T: Display>(names: impl IntoIterator<Item = T>, shown: usize) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = (names.by_ref().take(shown))
        .map(|name| name.to_string())
        .collect();
    let first = first.join(", ");
    match names.count() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_counted() {
        assert_eq!(abridged(["a", "b"], 2), "a, b");
        assert_eq!(abridged(["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(abridged(Vec::<&str>::new(), 2), "");
    }
}
