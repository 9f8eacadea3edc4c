//! The link from the workspace to libtorch.

use std::fs;
use std::io;
use std::path::Path;
use std::process;

use anyhow::{Context, Result, bail};

/// Refuses to go on if something other than a link is in the way.
pub(super) fn check_replaceable(link: &Path) -> Result<()> {
    match fs::symlink_metadata(link) {
        Ok(facts) if !facts.is_symlink() => bail!(
            "{} is not a link: move it away, or set LIBTORCH to it if it is a libtorch",
            link.display()
        ),
        _ => Ok(()),
    }
}

/// Makes `link` lead to `target`. A link that leads elsewhere is replaced in
/// one step, so that there is one at any moment.
pub(super) fn point(link: &Path, target: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|current| current == target) {
        return Ok(());
    }
    check_replaceable(link)?;
    replace(link, target).with_context(|| {
        format!(
            "cannot make the link {} to {}",
            link.display(),
            target.display()
        )
    })
}

fn replace(link: &Path, target: &Path) -> io::Result<()> {
    let mut name = link.as_os_str().to_owned();
    name.push(format!(".{}", process::id()));
    let temporary = Path::new(&name);
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => symlink(target, temporary)?,
    }
    fs::rename(temporary, link).inspect_err(|_| {
        // The error that counts is that of the rename.
        let _ = fs::remove_file(temporary);
    })
}

/// Makes a symbolic link.
#[cfg(unix)]
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Makes a symbolic link.
#[cfg(not(unix))]
pub(super) fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn link_is_made_kept_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let link = folder.path().join("link");
        fs::create_dir(&a).unwrap();
        point(&link, &a).unwrap();
        point(&link, &a).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), a);
        // Dangling links are replaced as well as others.
        point(&link, &b).unwrap();
        point(&link, &a).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), a);
        // Nothing is left behind.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn link_is_there_at_any_moment() {
        let folder = tempfile::tempdir().unwrap();
        let targets = [folder.path().join("a"), folder.path().join("b")];
        let link = folder.path().join("link");
        point(&link, &targets[0]).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let found = fs::read_link(&link).unwrap();
                    assert!(targets.contains(&found));
                }
            });
            for turn in 0..200 {
                point(&link, &targets[turn % 2]).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
    }

    #[test]
    fn real_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        fs::create_dir(&link).unwrap();
        let error = point(&link, folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not a link"), "{error}");
        assert!(link.is_dir());
    }
}
