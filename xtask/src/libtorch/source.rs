//! Which libtorch is used, and where a fetched one is kept.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The environment variables that choose libtorch.
pub(super) mod variables {
    /// The folder of a libtorch of the user.
    pub(crate) const LIBTORCH: &str = "LIBTORCH";
    /// Set: the torch package of the user's Python is used.
    pub(crate) const USE_PYTORCH: &str = "LIBTORCH_USE_PYTORCH";
    /// Set: the bindings take another patch version of libtorch too.
    pub(crate) const BYPASS_CHECK: &str = "LIBTORCH_BYPASS_VERSION_CHECK";
    /// The folder in which fetched libraries are kept.
    pub(crate) const CACHE: &str = "NNUNET_CACHE";
}

/// The link in the workspace that `.cargo/config.toml` names.
const LINK: &str = ".libtorch";

/// The libtorch that the bindings will be built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The one that this program provides, through this link.
    Ours(PathBuf),
    /// The folder that the user chose.
    Folder(PathBuf),
    /// The package of a Python, by the name of that Python.
    Python(&'static str),
}

impl Source {
    /// Reads the environment as the build script of the bindings does.
    pub(super) fn choose(root: &Path, get: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        if get(variables::USE_PYTORCH).is_some() {
            let active = get("VIRTUAL_ENV").is_some();
            return Ok(Self::Python(if active { "python" } else { "python3" }));
        }
        let ours = root.join(LINK);
        let Some(chosen) = get(variables::LIBTORCH).map(PathBuf::from) else {
            return Ok(Self::Ours(ours));
        };
        // Cargo sets the variable for this process too.
        if is_same_entry(&chosen, &ours) {
            return Ok(Self::Ours(ours));
        }
        if !chosen.is_absolute() {
            bail!(
                "{} is `{}`, but has to be an absolute path: change it, or unset it to have \
                 libtorch fetched",
                variables::LIBTORCH,
                chosen.display()
            );
        }
        Ok(Self::Folder(chosen))
    }
}

/// Whether two paths name the same entry of the same folder. The entry itself
/// is not followed.
fn is_same_entry(a: &Path, b: &Path) -> bool {
    let parent = |path: &Path| path.parent().and_then(|p| fs::canonicalize(p).ok());
    a == b || (a.file_name() == b.file_name() && parent(a).is_some() && parent(a) == parent(b))
}

/// The folder in which fetched libraries are kept.
pub(super) fn cache_root(get: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let path = |name: &str| {
        get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = path(variables::CACHE) {
        return Ok(std::path::absolute(folder)?);
    }
    // The XDG specification has relative paths ignored.
    if let Some(folder) = path("XDG_CACHE_HOME").filter(|folder| folder.is_absolute()) {
        return Ok(folder.join("nnunet"));
    }
    match path("HOME") {
        Some(home) if home.is_absolute() => Ok(home.join(".cache/nnunet")),
        _ => bail!(
            "no folder to keep libtorch in: set {} to one",
            variables::CACHE
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(values: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| {
            values
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        }
    }

    fn choose(values: &[(&str, &str)]) -> Result<Source> {
        Source::choose(Path::new("/w"), environment(values))
    }

    #[test]
    fn own_link_is_told_from_the_choice_of_the_user() {
        let ours = Source::Ours("/w/.libtorch".into());
        assert_eq!(choose(&[]).unwrap(), ours);
        assert_eq!(choose(&[("LIBTORCH", "/w/.libtorch")]).unwrap(), ours);
        assert_eq!(
            choose(&[("LIBTORCH", "/opt/libtorch")]).unwrap(),
            Source::Folder("/opt/libtorch".into())
        );
        assert_eq!(
            choose(&[("LIBTORCH", "/elsewhere/.libtorch")]).unwrap(),
            Source::Folder("/elsewhere/.libtorch".into())
        );
    }

    #[cfg(unix)]
    #[test]
    fn own_link_is_recognised_through_a_linked_folder() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        let alias = folder.path().join("alias");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &alias).unwrap();
        let chosen = alias.join(LINK).into_os_string();
        let source = Source::choose(&real, |name| {
            (name == variables::LIBTORCH).then(|| chosen.clone())
        });
        assert_eq!(source.unwrap(), Source::Ours(real.join(LINK)));
    }

    #[test]
    fn python_wins_over_a_folder() {
        let both = [("LIBTORCH", "/opt"), ("LIBTORCH_USE_PYTORCH", "1")];
        assert_eq!(choose(&both).unwrap(), Source::Python("python3"));
        let active = [("LIBTORCH_USE_PYTORCH", "1"), ("VIRTUAL_ENV", "/v")];
        assert_eq!(choose(&active).unwrap(), Source::Python("python"));
    }

    #[test]
    fn relative_and_empty_folders_are_refused() {
        for value in ["libtorch", ""] {
            let error = choose(&[("LIBTORCH", value)]).unwrap_err().to_string();
            assert!(error.contains("absolute path"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn cache_is_the_first_folder_that_is_set() {
        let cache = |values: &[(&str, &str)]| cache_root(environment(values));
        let all = [
            ("NNUNET_CACHE", "/a"),
            ("XDG_CACHE_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(cache(&all).unwrap(), Path::new("/a"));
        assert_eq!(cache(&all[1..]).unwrap(), Path::new("/b/nnunet"));
        assert_eq!(cache(&all[2..]).unwrap(), Path::new("/c/.cache/nnunet"));
        let relative = [("XDG_CACHE_HOME", "b"), ("HOME", "/c")];
        assert_eq!(cache(&relative).unwrap(), Path::new("/c/.cache/nnunet"));
        let empty = [("NNUNET_CACHE", ""), ("HOME", "/c")];
        assert_eq!(cache(&empty).unwrap(), Path::new("/c/.cache/nnunet"));
        let error = cache(&[]).unwrap_err().to_string();
        assert!(error.contains("NNUNET_CACHE"), "{error}");
    }

    #[test]
    fn relative_cache_is_made_absolute() {
        let root = cache_root(environment(&[("NNUNET_CACHE", "x")])).unwrap();
        assert!(root.is_absolute());
        assert!(root.ends_with("x"));
    }
}
