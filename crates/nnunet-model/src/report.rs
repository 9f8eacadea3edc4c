//! What of a weight file fits a network.

use std::fmt;

/// What of a weight file fits a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// Parameters that were filled.
    pub applied: Vec<String>,
    /// Parameters that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the network lacks. Second names of the same tensor, which
    /// nnU-Net v2's modules register (`decoder.encoder.…`, `….all_modules.…`), don't count.
    pub unused: Vec<String>,
    /// Tensors of the right name with another shape or type.
    pub mismatched: Vec<Mismatch>,
}

/// A tensor of a file whose shape or type is not that of the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The name of both.
    pub name: String,
    /// The shape of the parameter.
    pub expected: Vec<usize>,
    /// The shape in the file, with the type if that is at fault.
    pub found: String,
}

impl LoadReport {
    /// Whether everything fits.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors fit", self.applied.len())?;
        for (what, names) in [
            ("missing in the file", &self.missing),
            ("unknown to the network", &self.unused),
        ] {
            if let Some(first) = names.first() {
                write!(f, ", {} {what} (first `{first}`)", names.len())?;
            }
        }
        if let Some(first) = self.mismatched.first() {
            write!(
                f,
                ", {} of another shape (first `{}`: expected {:?}, found {})",
                self.mismatched.len(),
                first.name,
                first.expected,
                first.found
            )?;
        }
        Ok(())
    }
}
