//! Takes the wanted files out of a package.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use super::wheels::Member;

/// The size of the buffers between the files.
const BUFFER: usize = 1 << 20;

/// Unpacks the members of the package `archive` into the folder `into`, and
/// fails if one of them is not there.
pub(super) fn unpack(archive: &Path, members: &[Member], into: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let mut zip = ZipArchive::new(BufReader::with_capacity(BUFFER, file))
        .with_context(|| format!("{} is not a package", archive.display()))?;
    let mut found = vec![false; members.len()];
    for index in 0..zip.len() {
        let mut entry = zip
            .by_index(index)
            .with_context(|| format!("{} is damaged", archive.display()))?;
        if entry.is_dir() {
            continue;
        }
        let Some((member, target)) = target(entry.name(), members) else {
            continue;
        };
        found[member] = true;
        let target = into.join(target);
        write(&mut entry, &target)
            .with_context(|| format!("cannot unpack {}", target.display()))?;
    }
    if let Some(member) = found.iter().position(|&found| !found) {
        let (Member::File { from, .. } | Member::Folder { from, .. }) = members[member];
        bail!("{} has no {from}", archive.display());
    }
    Ok(())
}

/// The member that an entry of the archive belongs to, and its place in our
/// folder. Names that would lead out of the folder belong to none.
fn target(name: &str, members: &[Member]) -> Option<(usize, PathBuf)> {
    if name.split('/').any(|part| part == "..") {
        return None;
    }
    members.iter().enumerate().find_map(|(index, member)| {
        let target = match *member {
            Member::File { from, to } => (name == from).then(|| PathBuf::from(to)),
            Member::Folder { from, to } => name
                .strip_prefix(from)
                .filter(|rest| !rest.is_empty() && !rest.starts_with('/'))
                .map(|rest| Path::new(to).join(rest)),
        };
        target.map(|target| (index, target))
    })
}

/// Writes a file and its folders, down to the disk.
fn write(content: &mut impl io::Read, target: &Path) -> io::Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut writer = BufWriter::with_capacity(BUFFER, File::create(target)?);
    let size = io::copy(content, &mut writer)?;
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    // Thousands of small headers one by one would take minutes on some disks.
    if size > BUFFER as u64 {
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const MEMBERS: [Member; 2] = [
        Member::Folder {
            from: "torch/include/",
            to: "include/",
        },
        Member::File {
            from: "torch/lib/a.so",
            to: "lib/a.so",
        },
    ];

    fn archive(folder: &Path, names: &[&str]) -> PathBuf {
        let path = folder.join("x.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn only_members_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["torch/include/c10/x.h", "torch/lib/a.so", "torch/lib/b.so"];
        let archive = archive(folder.path(), &names);
        let into = folder.path().join("into");
        unpack(&archive, &MEMBERS, &into).unwrap();
        let read = |name: &str| fs::read_to_string(into.join(name)).unwrap();
        assert_eq!(read("include/c10/x.h"), names[0]);
        assert_eq!(read("lib/a.so"), names[1]);
        assert!(!into.join("lib/b.so").exists());
    }

    #[test]
    fn absent_member_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path(), &["torch/include/x.h"]);
        let error = unpack(&archive, &MEMBERS, folder.path()).unwrap_err();
        assert!(
            error.to_string().ends_with("has no torch/lib/a.so"),
            "{error}"
        );
    }

    #[test]
    fn other_files_are_no_packages() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.whl");
        fs::write(&file, "not a package").unwrap();
        let error = unpack(&file, &MEMBERS, folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("is not a package"), "{error}");
    }

    #[test]
    fn names_stay_inside_the_folder() {
        let place = |name| target(name, &MEMBERS).map(|(_, path)| path);
        assert_eq!(place("torch/include/a/b.h"), Some("include/a/b.h".into()));
        assert_eq!(place("torch/include/../../b.h"), None);
        assert_eq!(place("torch/include//etc/b.h"), None);
        assert_eq!(place("torch/include/"), None);
        assert_eq!(place("torch/lib/a.so.1"), None);
    }
}
