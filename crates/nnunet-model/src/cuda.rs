//! Brings libtorch's CUDA half into the process.
//!
//! The linker drops `libtorch_cuda.so`, which no symbol of a program asks for, so that even a
//! program built against a CUDA libtorch would only ever see the processor. Loading the library
//! by hand before libtorch is first asked about GPUs registers it, and makes one program serve
//! machines with and without CUDA.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const LIBRARY: &str = "libtorch_cuda.so";

/// Whether libtorch's CUDA library is in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CudaLibrary {
    /// Loaded from here.
    Loaded(PathBuf),
    /// The libtorch in this folder, if it could be found, has none: it is a CPU build.
    Absent(Option<PathBuf>),
    /// It is there and cannot be loaded.
    Broken {
        /// The library.
        path: PathBuf,
        /// What the system's loader said.
        problem: String,
    },
}

impl CudaLibrary {
    /// Loads the library from beside the running `libtorch_cpu.so`, once per process; takes up
    /// to a second the first time.
    ///
    /// libtorch looks for GPUs once and remembers what it found: call this (or
    /// [`DeviceChoice::open`](crate::DeviceChoice::open), which does) before anything else asks
    /// for one.
    pub fn load() -> &'static Self {
        static LOADED: OnceLock<CudaLibrary> = OnceLock::new();
        LOADED.get_or_init(|| {
            let folder = libtorch_folder();
            let library = folder.as_ref().map(|folder| folder.join(LIBRARY));
            match library.filter(|path| path.exists()) {
                Some(path) => open(path),
                None => Self::Absent(folder),
            }
        })
    }
}

#[cfg(unix)]
#[allow(
    unsafe_code,
    reason = "loading a library runs its initialisers; there is no safe way to it"
)]
fn open(path: PathBuf) -> CudaLibrary {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    // SAFETY: the library belongs to the libtorch that this process runs on already, whose
    // initialisers only register its kernels. It is never unloaded.
    match unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            CudaLibrary::Loaded(path)
        }
        Err(error) => CudaLibrary::Broken {
            path,
            problem: error.to_string(),
        },
    }
}

#[cfg(not(unix))]
fn open(path: PathBuf) -> CudaLibrary {
    CudaLibrary::Broken {
        path,
        problem: "loading it is only supported on Unix".to_owned(),
    }
}

/// The folder that the libtorch of this process was loaded from, where the system tells.
#[must_use]
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    folder_of("libtorch_cpu.so", &maps)
}

/// The folder of a mapped library in the format of Linux's `/proc/PID/maps`.
fn folder_of(library: &str, maps: &str) -> Option<PathBuf> {
    let paths = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    let mut libraries = paths.map(Path::new);
    let found = libraries.find(|path| path.file_name().is_some_and(|name| name == library))?;
    found.parent().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_mapped_library_is_found() {
        let maps = "5581 r--p 0 08:01 1    /usr/bin/program\n\
                    7f01 rw-p 0 00:00 0 \n\
                    7f02 r-xp 0 08:01 2    /opt/a libtorch_cpu.so/libc.so.6\n\
                    7f03 r--p 0 08:01 3    /opt/lib torch/lib/libtorch_cpu.so\n";
        let found = folder_of("libtorch_cpu.so", maps);
        assert_eq!(found, Some(PathBuf::from("/opt/lib torch/lib")));
        assert_eq!(folder_of("libtorch_cuda.so", maps), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_libtorch_of_this_process_is_found_and_loading_twice_is_one() {
        tch::set_num_threads(1);
        let folder = libtorch_folder().unwrap();
        assert!(folder.join("libtorch_cpu.so").exists());
        assert_eq!(CudaLibrary::load(), CudaLibrary::load());
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_library_is_reported() {
        let file = tempfile::NamedTempFile::with_suffix(".so").unwrap();
        std::fs::write(file.path(), "not a library").unwrap();
        let CudaLibrary::Broken { path, problem } = open(file.path().to_path_buf()) else {
            panic!("loaded a text file");
        };
        assert_eq!(path, file.path());
        assert!(!problem.is_empty());
    }
}
