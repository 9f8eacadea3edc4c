//! The numbers that probabilities are stored in.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{ArrayD, ArrayView4};
use serde_json::{Map, Value, json};
use zarrs::array::{
    Array, ArrayBuilder, ArrayError, ArraySubset, CodecOptions, DataType, data_type,
};
use zarrs::filesystem::FilesystemStore;

use crate::options::ProbabilityPrecision;

/// Attribute of arrays of whole numbers: the step that they count.
const SCALE: &str = "scale_factor";
/// Steps from 0 to 1.
const STEPS_16: f32 = u16::MAX as f32;
const STEPS_8: f32 = u8::MAX as f32;

impl ProbabilityPrecision {
    const ALL: [Self; 4] = [Self::Single, Self::Half, Self::Steps16, Self::Steps8];

    /// Bytes of a number.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Half | Self::Steps16 => 2,
            Self::Steps8 => 1,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Single => data_type::float32(),
            Self::Half => data_type::float16(),
            Self::Steps16 => data_type::uint16(),
            Self::Steps8 => data_type::uint8(),
        }
    }

    /// The precision that is stored as this type.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        (Self::ALL.into_iter()).find(|precision| precision.data_type() == *data_type)
    }

    /// An array of such numbers, zero where nothing is written.
    pub(super) fn array(self, shape: Vec<u64>, slab: Vec<u64>) -> ArrayBuilder {
        let kind = self.data_type();
        let steps = |steps: f32| -> Map<String, Value> {
            // What readers of other programs multiply by.
            [(SCALE.to_owned(), json!(1.0 / f64::from(steps)))]
                .into_iter()
                .collect()
        };
        match self {
            Self::Single => ArrayBuilder::new(shape, slab, kind, 0.0_f32),
            Self::Half => ArrayBuilder::new(shape, slab, kind, f16::ZERO),
            Self::Steps16 => {
                let mut builder = ArrayBuilder::new(shape, slab, kind, 0_u16);
                builder.attributes(steps(STEPS_16));
                builder
            }
            Self::Steps8 => {
                let mut builder = ArrayBuilder::new(shape, slab, kind, 0_u8);
                builder.attributes(steps(STEPS_8));
                builder
            }
        }
    }

    /// Writes the slab at `index` of an array that has this precision.
    pub(super) fn store(
        self,
        array: &Array<FilesystemStore>,
        index: &[u64; 4],
        slab: ArrayView4<'_, f32>,
        options: &CodecOptions,
    ) -> Result<(), ArrayError> {
        let slab = slab.into_dyn();
        match self {
            Self::Single => array.store_chunk_opt(index, slab.to_owned(), options),
            Self::Half => array.store_chunk_opt(index, slab.mapv(f16::from_f32), options),
            Self::Steps16 => {
                let steps = slab.mapv(|p| count(p, STEPS_16) as u16);
                array.store_chunk_opt(index, steps, options)
            }
            Self::Steps8 => {
                let steps = slab.mapv(|p| count(p, STEPS_8) as u8);
                array.store_chunk_opt(index, steps, options)
            }
        }
    }

    /// Reads a part of an array that has this precision.
    pub(super) fn read(
        self,
        array: &Array<FilesystemStore>,
        part: &ArraySubset,
    ) -> Result<Vec<f32>, ArrayError> {
        Ok(match self {
            Self::Single => array.retrieve_array_subset(part)?,
            Self::Half => {
                let half: ArrayD<f16> = array.retrieve_array_subset(part)?;
                let mut values = vec![0.0; half.len()];
                half.as_slice()
                    .unwrap_or_default()
                    .convert_to_f32_slice(&mut values);
                values
            }
            Self::Steps16 => {
                let steps: Vec<u16> = array.retrieve_array_subset(part)?;
                steps.into_iter().map(|n| f32::from(n) / STEPS_16).collect()
            }
            Self::Steps8 => {
                let steps: Vec<u8> = array.retrieve_array_subset(part)?;
                steps.into_iter().map(|n| f32::from(n) / STEPS_8).collect()
            }
        })
    }
}

/// The nearest number of steps.
fn count(probability: f32, steps: f32) -> f32 {
    (probability.clamp(0.0, 1.0) * steps).round()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_off_by_at_most_half_a_step() {
        for i in 0..=10_000 {
            let p = i as f32 / 10_000.0;
            for (steps, most) in [(STEPS_16, 7.7e-6), (STEPS_8, 1.97e-3)] {
                let found = count(p, steps) / steps;
                assert!((found - p).abs() < most, "{p}: {found}");
            }
        }
        assert_eq!((count(1.0, STEPS_8), count(0.0, STEPS_8)), (255.0, 0.0));
        // Averages of probabilities leave the range by a rounding.
        assert_eq!(count(1.000_001, STEPS_16), 65_535.0);
    }

    #[test]
    fn a_precision_is_known_by_its_type() {
        for precision in ProbabilityPrecision::ALL {
            let found = ProbabilityPrecision::of(&precision.data_type());
            assert_eq!(found, Some(precision));
        }
        assert_eq!(ProbabilityPrecision::of(&data_type::int32()), None);
    }
}
