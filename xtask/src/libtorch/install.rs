//! Fetches libtorch into the cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::source::variables;
use super::staging::{Lock, Staging};
use super::version::{VERSION, VERSION_FILE};
use super::wheels::{self, Member};
use super::{Build, check_folder, link, unpack};
use crate::{prerequisites, process};

/// Returns the folder of the wanted libtorch in the cache, after fetching it
/// if it is not there, or in any case if `force` says so.
pub(super) fn install(cache: &Path, build: Build, force: bool) -> Result<PathBuf> {
    check_platform(env::consts::OS, env::consts::ARCH, cfg!(target_env = "gnu"))?;
    let place = cache.join(build.folder_name());
    if !force && let Some(folder) = find(build, &place) {
        return Ok(folder);
    }
    fs::create_dir_all(cache).with_context(|| {
        format!(
            "cannot make the folder {} (set {} to keep libtorch elsewhere)",
            cache.display(),
            variables::CACHE
        )
    })?;
    let lock = Lock::take(cache)?;
    if !force && let Some(folder) = find(build, &place) {
        return Ok(folder);
    }
    let staging = Staging::new(cache, &lock)?;
    match build {
        Build::Cpu => fetch_cpu(&staging, &place),
        Build::Cuda => fetch_cuda(&staging, &place),
    }
    .with_context(|| {
        format!(
            "cannot fetch libtorch {VERSION} into {} (this takes a network, and {} of disk \
             while it lasts; {} keeps it elsewhere)",
            cache.display(),
            match build {
                Build::Cpu => "1.2 GB",
                Build::Cuda => "8 GB",
            },
            variables::CACHE
        )
    })?;
    match find(build, &place) {
        Some(folder) => Ok(folder),
        None => bail!(
            "the libtorch in {} is not whole: run `cargo xtask libtorch --force`",
            place.display()
        ),
    }
}

/// Refuses machines for which there is nothing to fetch.
fn check_platform(os: &str, arch: &str, gnu: bool) -> Result<()> {
    if (os, arch, gnu) != ("linux", "x86_64", true) {
        bail!(
            "libtorch can be fetched for x86-64 Linux with glibc only, and this is {arch} {os}: \
             set {} to the folder of a libtorch {VERSION} of your own",
            variables::LIBTORCH
        );
    }
    Ok(())
}

/// The folder with `lib` and `include` of a build, if it is there and whole.
fn find(build: Build, place: &Path) -> Option<PathBuf> {
    let folder = match build {
        Build::Cpu => {
            let whole = kept_files().all(|file| place.join(file).is_file());
            whole.then(|| place.to_path_buf())?
        }
        Build::Cuda => site_package(place)?,
    };
    check_folder(&folder).is_ok().then_some(folder)
}

/// The single files that are kept of the packages, and the link.
fn kept_files() -> impl Iterator<Item = &'static str> {
    let members = wheels::CPU.iter().flat_map(|wheel| wheel.members);
    members
        .filter_map(|member| match *member {
            Member::File { to, .. } => Some(to),
            Member::Folder { .. } => None,
        })
        .chain(["lib/libtorch.so"])
}

/// The folder of the torch package in a virtual environment.
fn site_package(environment: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(environment.join("lib")).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path().join("site-packages/torch"))
        .find(|folder| folder.is_dir())
}

fn fetch_cpu(staging: &Staging, place: &Path) -> Result<()> {
    println!("fetching libtorch {VERSION} for CPU (540 MB, of which 500 MB are kept)");
    let downloads = staging.subfolder("downloads")?;
    let python = prerequisites::python_with_pip(&downloads.join("venv"))?;
    process::run(&mut wheels::download_command(
        python,
        &wheels::CPU,
        &downloads,
    )?)?;
    let folder = staging.subfolder("libtorch")?;
    for wheel in &wheels::CPU {
        println!("unpacking {}", wheel.requirement);
        let file = downloads.join(wheel.file);
        wheels::verify(&file, wheel.sha256)?;
        unpack::unpack(&file, wheel.members, &folder)?;
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    // The package's own file of this name pulls in CUDA.
    link::symlink(
        Path::new("libtorch_cpu.so"),
        &folder.join("lib/libtorch.so"),
    )
    .context("cannot make the link lib/libtorch.so")?;
    let version = folder.join(VERSION_FILE);
    fs::write(&version, format!("{VERSION}\n"))
        .with_context(|| format!("cannot write {}", version.display()))?;
    staging.publish(&folder, place)
}

fn fetch_cuda(staging: &Staging, place: &Path) -> Result<()> {
    println!("installing torch {VERSION} with CUDA (4.7 GB on disk)");
    let scratch = staging.subfolder("downloads")?;
    let environment = staging.subfolder("venv")?;
    let python = prerequisites::virtual_environment(&environment)?;
    process::run(&mut wheels::install_command(python, &scratch))
        .context("torch 2.11.0 needs Python 3.10 to 3.14")?;
    staging.publish(&environment, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_platform_is_served() {
        check_platform("linux", "x86_64", true).unwrap();
        for (os, arch, gnu) in [
            ("linux", "aarch64", true),
            ("linux", "x86_64", false),
            ("macos", "aarch64", false),
        ] {
            let error = check_platform(os, arch, gnu).unwrap_err().to_string();
            assert!(error.contains("set LIBTORCH"), "{error}");
            assert!(error.contains(arch) && error.contains(os), "{error}");
        }
    }

    #[test]
    fn folder_is_found_only_if_it_is_whole() {
        let cache = tempfile::tempdir().unwrap();
        let place = cache.path();
        fs::create_dir_all(place.join("include/torch")).unwrap();
        fs::write(place.join(VERSION_FILE), VERSION).unwrap();
        for file in kept_files() {
            assert_eq!(find(Build::Cpu, place), None, "without {file}");
            let file = place.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(find(Build::Cpu, place), Some(place.to_path_buf()));
        fs::write(place.join(VERSION_FILE), "2.10.0").unwrap();
        assert_eq!(find(Build::Cpu, place), None);
    }

    #[test]
    fn package_is_found_in_a_virtual_environment() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(site_package(folder.path()), None);
        let torch = folder.path().join("lib/python3.12/site-packages/torch");
        fs::create_dir_all(&torch).unwrap();
        assert_eq!(site_package(folder.path()), Some(torch));
    }
}
