//! The Python packages that libtorch is taken from.
//!
//! Each is pinned by its hash. Only a part of each is kept: the CUDA build of
//! libtorch is the one that there is for all machines, and its CPU library
//! needs two small libraries of CUDA to load, of which nothing runs on a
//! machine without a GPU.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

/// A package and what of it is kept.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The package and its version, as pip writes it.
    pub(super) requirement: &'static str,
    /// The name of the file.
    pub(super) file: &'static str,
    /// The SHA-256 of the file, in hexadecimal.
    pub(super) sha256: &'static str,
    /// The platform tag under which pip finds it.
    pub(super) platform: &'static str,
    /// What is kept of it.
    pub(super) members: &'static [Member],
}

/// A part of a package that is kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member {
    /// Everything below a folder; both names end with a slash.
    Folder {
        /// Its name in the package.
        from: &'static str,
        /// Its name in our folder.
        to: &'static str,
    },
    /// One file.
    File {
        /// Its name in the package.
        from: &'static str,
        /// Its name in our folder.
        to: &'static str,
    },
}

/// The packages of the CPU build.
pub(super) const CPU: [Wheel; 3] = [
    Wheel {
        requirement: "torch==2.11.0",
        file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        platform: "manylinux_2_28_x86_64",
        members: &[
            Member::Folder {
                from: "torch/include/",
                to: "include/",
            },
            Member::File {
                from: "torch/lib/libtorch_cpu.so",
                to: "lib/libtorch_cpu.so",
            },
            Member::File {
                from: "torch/lib/libc10.so",
                to: "lib/libc10.so",
            },
            Member::File {
                from: "torch/lib/libgomp.so.1",
                to: "lib/libgomp.so.1",
            },
            Member::File {
                from: "torch-2.11.0.dist-info/licenses/LICENSE",
                to: "licences/torch/LICENSE",
            },
            Member::File {
                from: "torch-2.11.0.dist-info/licenses/NOTICE",
                to: "licences/torch/NOTICE",
            },
        ],
    },
    Wheel {
        requirement: "nvidia-cuda-runtime==13.0.96",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        platform: "manylinux2014_x86_64",
        members: &[
            Member::File {
                from: "nvidia/cu13/lib/libcudart.so.13",
                to: "lib/libcudart.so.13",
            },
            Member::File {
                from: "nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt",
                to: "licences/nvidia-cuda-runtime/License.txt",
            },
        ],
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.0.85",
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        platform: "manylinux_2_25_x86_64",
        members: &[
            Member::File {
                from: "nvidia/cu13/lib/libcupti.so.13",
                to: "lib/libcupti.so.13",
            },
            Member::File {
                from: "nvidia_cuda_cupti-13.0.85.dist-info/licenses/License.txt",
                to: "licences/nvidia-cuda-cupti/License.txt",
            },
        ],
    },
];

/// Downloads the packages into a folder, with a Python that has pip.
pub(super) fn download_command(
    mut python: Command,
    wheels: &[Wheel],
    into: &Path,
) -> Result<Command> {
    let list = into.join("requirements.txt");
    fs::write(&list, requirements(wheels))
        .with_context(|| format!("cannot write {}", list.display()))?;
    python.args(["-m", "pip", "download", "--no-deps", "--no-cache-dir"]);
    // The same packages, whatever Python runs pip.
    python.args(["--only-binary", ":all:", "--python-version", "3.11"]);
    python.args(["--implementation", "cp", "--abi", "cp311", "--abi", "none"]);
    for wheel in wheels {
        python.args(["--platform", wheel.platform]);
    }
    python
        .arg("--dest")
        .arg(into)
        .arg("--requirement")
        .arg(list);
    quiet_pip(&mut python, into);
    Ok(python)
}

/// Installs torch as a whole into the virtual environment of `python`.
pub(super) fn install_command(mut python: Command, scratch: &Path) -> Command {
    python.args(["-m", "pip", "install", "--no-cache-dir"]);
    python.arg(CPU[0].requirement);
    quiet_pip(&mut python, scratch);
    python
}

/// Keeps the settings of the user from getting in the way, and large
/// temporary files off the small disk that `/tmp` may be.
fn quiet_pip(command: &mut Command, scratch: &Path) {
    command
        .env("TMPDIR", scratch)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_USER", "0");
}

/// The packages with their hashes, in the file format of pip.
fn requirements(wheels: &[Wheel]) -> String {
    wheels.iter().fold(String::new(), |mut text, wheel| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} --hash=sha256:{}", wheel.requirement, wheel.sha256);
        text
    })
}

/// Checks that a file is the one that is pinned.
pub(super) fn verify(file: &Path, sha256: &str) -> Result<()> {
    let found = hash(file).with_context(|| format!("cannot read {}", file.display()))?;
    if found != sha256 {
        let name = file.file_name().unwrap_or(file.as_os_str());
        bail!(
            "{} is not the file that is expected: its sha256 is {found} instead of {sha256}",
            name.display()
        );
    }
    Ok(())
}

/// The SHA-256 of a file, in hexadecimal.
fn hash(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(format!("{:x}", hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_pinned() {
        for wheel in &CPU {
            assert_eq!(wheel.sha256.len(), 64, "{}", wheel.requirement);
            assert!(wheel.sha256.chars().all(|c| c.is_ascii_hexdigit()));
            assert!(wheel.file.contains(wheel.platform), "{}", wheel.file);
            let (name, version) = wheel.requirement.split_once("==").unwrap();
            let start = format!("{}-{version}-", name.replace('-', "_"));
            assert!(wheel.file.starts_with(&start), "{}", wheel.file);
            assert!(!wheel.members.is_empty());
        }
    }

    #[test]
    fn torch_is_the_version_that_the_bindings_need() {
        let wanted = format!("torch=={}", super::super::version::VERSION);
        assert_eq!(CPU[0].requirement, wanted);
    }

    #[test]
    fn command_lists_every_platform_and_the_requirements() {
        let folder = tempfile::tempdir().unwrap();
        let command = download_command(Command::new("python3"), &CPU, folder.path()).unwrap();
        let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        for wheel in &CPU {
            let pair = ["--platform", wheel.platform];
            assert!(args.windows(2).any(|p| p == pair), "{args:?}");
        }
        let text = fs::read_to_string(folder.path().join("requirements.txt")).unwrap();
        assert_eq!(text.lines().count(), CPU.len());
        assert!(
            text.starts_with("torch==2.11.0 --hash=sha256:7aa2f9bb"),
            "{text}"
        );
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.whl");
        fs::write(&file, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        verify(&file, abc).unwrap();
        let error = verify(&file, CPU[0].sha256).unwrap_err().to_string();
        assert!(error.starts_with("x.whl is not"), "{error}");
        assert!(
            error.contains(abc) && error.contains(CPU[0].sha256),
            "{error}"
        );
        assert!(verify(&folder.path().join("none"), abc).is_err());
    }
}
