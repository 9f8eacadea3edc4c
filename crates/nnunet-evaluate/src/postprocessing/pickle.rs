//! The steps in the form that the Python program applies them from.

use std::io::Write;
use std::path::Path;

use nnunet_schema::atomic;

use super::{LabelsOrRegions, Postprocessing};
use crate::EvaluateError;
use crate::components::Connectivity;

/// Where the Python program has the function of a step.
const MODULE: &str = "nnunetv2.postprocessing.remove_connected_components";

/// Whether a [`Postprocessing`] can be written for the Python program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickleOutcome {
    /// It was.
    Written,
    /// Its neighbourhood is not the full one, which is the only one that program has.
    OtherNeighbourhood,
}

impl Postprocessing {
    /// Writes `postprocessing.pkl`, which `nnUNetv2_apply_postprocessing` of the Python program
    /// reads: a pickle of protocol 2 with the functions of the steps and their arguments. Nothing
    /// is written if that program could not carry out the steps.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if the file cannot be written.
    pub fn save_pickle(&self, path: &Path) -> Result<PickleOutcome, EvaluateError> {
        if self.connectivity != Connectivity::Full {
            return Ok(PickleOutcome::OtherNeighbourhood);
        }
        let bytes = self.pickle();
        atomic::write_with(path, |file| file.write_all(&bytes))?;
        Ok(PickleOutcome::Written)
    }

    fn pickle(&self) -> Vec<u8> {
        let mut out = vec![0x80, 2];
        list(&mut out, &self.postprocessing_fns, |out, name| {
            out.extend(format!("c{MODULE}\n{name}\n").bytes());
        });
        list(&mut out, self.steps(), |out, step| {
            let key = "labels_or_regions";
            out.extend(b"}X");
            out.extend((key.len() as u32).to_le_bytes());
            out.extend(key.bytes());
            match &step.labels_or_regions {
                LabelsOrRegions::Label(label) => integer(out, *label),
                LabelsOrRegions::Union(parts) => list(out, parts, tuples),
            }
            out.push(b's');
        });
        out.extend([0x86, b'.']);
        out
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    out.extend(b"](");
    for item in items {
        each(out, item);
    }
    out.push(b'e');
}

/// A label, or a region as a tuple of labels.
fn tuples(out: &mut Vec<u8>, part: &LabelsOrRegions) {
    match part {
        LabelsOrRegions::Label(label) => integer(out, *label),
        LabelsOrRegions::Union(parts) => {
            out.push(b'(');
            for part in parts {
                tuples(out, part);
            }
            out.push(b't');
        }
    }
}

fn integer(out: &mut Vec<u8>, value: u16) {
    out.push(b'M');
    out.extend(value.to_le_bytes());
}
