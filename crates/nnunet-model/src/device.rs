//! Where a network runs.

use std::fmt;
use std::str::FromStr;

use tch::{Cuda, Device};

use crate::{Arithmetic, CudaLibrary, ModelError};

/// A device as a user names it: `cpu`, `cuda` or `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl DeviceChoice {
    /// The device, if this machine has it. Asking for a GPU [loads](CudaLibrary::load) libtorch's
    /// CUDA library.
    ///
    /// # Errors
    /// [`ModelError::Device`] if libtorch sees no such GPU.
    pub fn open(self) -> Result<Device, ModelError> {
        let Self::Cuda(index) = self else {
            return Ok(Device::Cpu);
        };
        let library = CudaLibrary::load();
        let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
        if index < count {
            // All batches have the same shape: the search for the fastest kernels pays.
            Cuda::cudnn_set_benchmark(true);
            return Ok(Device::Cuda(index));
        }
        Err(ModelError::Device {
            asked: self.to_string(),
            problem: match count {
                0 => no_gpu(library),
                n => format!("this machine has {n} GPU(s), numbered from 0"),
            },
        })
    }
}

impl DeviceChoice {
    /// The numbers that the Python program trains in on such a device: `f16` on a GPU, where it is
    /// several times as fast, and `f32` on the processor.
    #[must_use]
    pub const fn usual_arithmetic(self) -> Arithmetic {
        match self {
            Self::Cpu => Arithmetic::Single,
            Self::Cuda(_) => Arithmetic::Half,
        }
    }
}

fn no_gpu(library: &CudaLibrary) -> String {
    match library {
        CudaLibrary::Loaded(path) => format!(
            "{} is loaded and sees no GPU: check `nvidia-smi`, or use `cpu`",
            path.display()
        ),
        CudaLibrary::Absent(Some(folder)) => format!(
            "the libtorch in {} is built for the processor only: use `cpu`, or a CUDA build of \
             libtorch (`cargo xtask libtorch --cuda`)",
            folder.display()
        ),
        CudaLibrary::Absent(None) => "libtorch sees no GPU here: use `cpu`".to_owned(),
        CudaLibrary::Broken { path, problem } => {
            format!("{} cannot be loaded: {problem}", path.display())
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let unknown = || ModelError::Device {
            asked: text.to_owned(),
            problem: "is not a device: expected `cpu`, `cuda` or `cuda:N`".to_owned(),
        };
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_text_and_written_back() {
        for (text, choice) in [
            ("cpu", DeviceChoice::Cpu),
            ("cuda:0", DeviceChoice::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3)),
        ] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!(
            "cuda".parse::<DeviceChoice>().unwrap(),
            DeviceChoice::Cuda(0)
        );
    }

    #[test]
    fn other_texts_and_absent_gpus_are_errors_that_name_them() {
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            let error = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("cuda:N"), "{error}");
        }
        let error = DeviceChoice::Cuda(4096).open().unwrap_err().to_string();
        assert!(error.contains("cuda:4096"), "{error}");
        assert_eq!(DeviceChoice::Cpu.open().unwrap(), Device::Cpu);
    }
}
