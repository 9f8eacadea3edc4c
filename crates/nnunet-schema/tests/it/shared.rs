//! The fixtures that the reference program made, which are not part of this repository.

use std::path::PathBuf;

/// The file or folder `name` of the shared fixtures, or nothing (and a word about it) where they
/// are absent.
pub(crate) fn fixture(test: &str, name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NNUNET_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = root.join("fixtures").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}
